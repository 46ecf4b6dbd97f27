"""A progress bar that leaves one plain line behind.

Widgets (`tqdm.auto`) stay blank in static HTML and every bar update is a line in a log, so this is plain tqdm, at most
once a second, on stdout: there the closing line overwrites the bar, in a terminal as in a notebook.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

FAILURES = ("rejected", "quarantined")


@contextmanager
def progress(total: int, label: str, kept: Iterable[str] = (),
             unit: str = "pictures") -> Iterator[Callable[[str], None]]:
    """Show n/total, rate, ETA and failures while a stage runs; yields the function to call with each picture's status.

    `kept` holds the statuses of the pictures finished by an earlier run: they count, but not for the rate. When the
    block ends without an error one line stays: `label: 128 pictures in 12.3 s, 3 rejected, 1 quarantined`.
    """
    tally = Counter(kept)
    resumed, start = tally.total(), time.monotonic()
    bar = tqdm(total=total, initial=resumed, desc=label or None, unit=f" {unit}", mininterval=1, delay=1, leave=False,
               file=sys.stdout)

    def count(status: str) -> None:
        tally[status] += 1
        bar.set_postfix(_failures(tally), refresh=False)
        bar.update()

    with bar:
        yield count
    print(_summary(label, tally, resumed, time.monotonic() - start, unit))


def _failures(tally: Counter) -> dict[str, int]:
    return {status: tally[status] for status in FAILURES if tally[status]}


def _summary(label: str, tally: Counter, resumed: int, seconds: float, unit: str) -> str:
    number = tally.total()
    parts = [f"{number} {unit if number != 1 else unit.removesuffix('s')} in {seconds:.1f} s"]
    parts += [f"{count} {status}" for status, count in _failures(tally).items()]
    parts += [f"{resumed} kept from an earlier run"] if resumed else []
    return (f"{label}: " if label else "") + ", ".join(parts)

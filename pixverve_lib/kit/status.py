"""What a run of several notebooks shows on a terminal while it works."""
import json
import sys
import time

from pixverve_lib.kit.concurrency import UNKNOWN_SECONDS
from pixverve_lib.kit.run import home


class Status:
    """One line on a terminal: what runs, for how long, how many have ended, and how long the rest may take."""

    def __init__(self, stems: list[str], records: dict, most: int):
        self.stems, self.records, self.most, self.since = stems, records, most, {}
        self.ran, self.usual = set(), usual_seconds()
        self.on_terminal = sys.stdout.isatty()

    def __call__(self, running: list[str]) -> None:
        self.ran |= set(running)
        self.since = {stem: self.since.get(stem, time.monotonic()) for stem in running}
        if self.on_terminal:
            each = ", ".join(f"{stem.split('_')[0]} {time.monotonic() - begun:.0f} s"
                             for stem, begun in self.since.items())
            print(f"\r\033[K{len(self.records)} of {len(self.stems)} notebooks done, running: {each}{self._left()}",
                  end="", flush=True)

    def _left(self) -> str:
        """The rest takes as much longer or shorter than in the reference run as what has ended by now."""
        ended = [stem for stem in self.records if stem in self.ran]
        if not ended:
            return ""
        pace = sum(self.records[stem]["seconds"] for stem in ended) / self._usually(ended)
        left = self._usually([stem for stem in self.stems if stem not in self.records]) * pace
        left -= sum(time.monotonic() - begun for begun in self.since.values())
        return f", {max(0, left) / self.most / 60:.0f} min left"

    def _usually(self, stems: list[str]) -> float:
        return sum(self.usual.get(stem, UNKNOWN_SECONDS) for stem in stems)

    def clear(self) -> None:
        if self.on_terminal:
            print("\r\033[K", end="", flush=True)


def usual_seconds() -> dict[str, float]:
    """Notebook -> seconds in the reference run, as figures/manifest.json says; none when it does not."""
    try:
        known = json.loads((home() / "figures" / "manifest.json").read_text("utf8"))["notebooks"]
        return {stem: about["seconds"] for stem, about in known.items()}
    except (OSError, ValueError, LookupError):
        return {}  # only a guess suffers: `make compare` reports a damaged manifest

"""A metric of your own beside the eight: a column of scores.csv, an average with its interval, a card, the report.

    own_metrics.add("contrast", lambda rgb: float(rgb.std()), True, 0, 127.5, "Standard deviation of all samples.")
    scored, out = folder.score_folder("my/pictures")
"""
import math
from collections.abc import Callable

from pixverve_lib.bench import report, scoring
from pixverve_lib.bench.metrics import METRICS, Metric

OWN = []  # names; nobody can know whether their functions have changed, so they are measured in every run
TAKEN = {"file", "path", "status", "height", "width", "reasons", "unfinished", "thumbnail", *scoring.COUNTS}


def add(name: str, measure: Callable[..., float], higher_is_better: bool, low: float, high: float, what: str,
        text: str = "") -> None:
    """From now on, in this process, every folder is scored with it, too; an own one of the same name is replaced.

    measure: (rgb  # H W 3 uint8) -> a number, or (rgb, text) with `text`, "short" or "long", the caption that it wants;
    what it raises costs one picture its number. low, high: its range, for the bars; what: one sentence for card and
    report. Raises ValueError for a name that is no word or that another column bears.
    """
    if not name.isidentifier() or name not in OWN and name in {*TAKEN, *METRICS, *scoring.SCORES}:
        raise ValueError(f"a metric cannot be called {name!r}: take one word that no column of scores.csv bears")
    if text not in ("", "short", "long"):
        raise ValueError(f'{name}: text is "short", "long" or "", not {text!r}')
    way = "higher" if higher_is_better else "lower"
    METRICS[name] = Metric(name, higher_is_better, low, high, frozenset(filter(None, [text])), True, "", what, None,
                           f"not in paper: {what.rstrip('.')}; {way} is better, {low:g} to {high:g}")
    scoring.COLUMNS[name], report.MEANINGS[name] = (name,), what
    scoring.MEASURES[name] = lambda look: _measured(name, measure, look, text)
    scoring.TEXT.pop(name, None)
    scoring.TEXT |= {name: text} if text else {}
    for names in (OWN, scoring.SCORES):
        names += [name] * (name not in names)


def to_be_measured(row: dict | None) -> dict | None:
    """A kept row (scoring.Measured) in which all own metrics are unfinished; those of another run are forgotten."""
    if row is None:
        return None
    wanted = [name for name in dict.fromkeys([*row["unfinished"].split(), *OWN]) if name in METRICS]
    told = [line for line in row["reasons"].splitlines() if line.partition(":")[0] in METRICS]
    return row | {"unfinished": " ".join(wanted), "reasons": "\n".join(told)}


def _measured(name, measure, look, text):
    value = float(measure(look.rgb, look.texts[text]) if text else measure(look.rgb))
    return ({name: value}, "") if math.isfinite(value) else ({}, f"it gave {value}")

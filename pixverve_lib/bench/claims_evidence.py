"""What the check of a claim may look at, and the record of what it did look at.

A check is a function registered under the id of its claim; it takes an Evidence and returns a verdict and a short
sentence with the numbers. Whatever it reads through the Evidence is written down, so that a reader can redo it.
"""
from collections.abc import Callable
from functools import cache

import pandas as pd

from pixverve_lib.kit import artefacts
from pixverve_lib.kit.run import REFERENCE, Run, home
from pixverve_lib.paper import constants, related, training
from pixverve_lib.paper.published import numbers, table

FOLLOWS = "follows from the printed tables"
PARTLY = "partly"
REPRODUCED = "reproduced at this budget"
NOT_REPRODUCED = "not reproduced at this budget"
CONTRADICTED = "contradicted by the printed tables"
NOT_TESTABLE = "not testable here"
ERROR = "error"  # of the check itself
VERDICTS = (FOLLOWS, PARTLY, REPRODUCED, NOT_REPRODUCED, CONTRADICTED, NOT_TESTABLE, ERROR)
SCORES = {  # artefact -> the exhibits of the reference run that stand for it where it is missing
    "scheme1_scores": ("ours_05_scores", "ours_05_scalability"),
    "scheme2_scores": ("ours_06_scores",),
    "scheme3_scores": ("ours_07_scores",),
}
TITLES = {"": "", "diffusion4k_": "Diffusion-4K ", "ultraflux_": "UltraFlux Supp. ", "urae_": "URAE "}
CHECKS: dict[str, Callable] = {}  # id of a claim -> its check


class NotMeasured(LookupError):
    """No run has measured what the check needs; the message says what to do."""


def check(claim: str) -> Callable[[Callable], Callable]:
    """Registers the function below as the check of this claim. Raises ValueError for a claim that has one."""
    def register(function):
        if claim in CHECKS:
            raise ValueError(f"claim {claim} has two checks")
        CHECKS[claim] = function
        return function
    return register


def printed(holds) -> str:
    """The verdict of a claim that the printed tables, or arithmetic, decide."""
    return FOLLOWS if holds else CONTRADICTED


def measured(holds) -> str:
    """The verdict of a claim that a measurement of this kit decides."""
    return REPRODUCED if holds else NOT_REPRODUCED


class Evidence:
    """Reads tables, constants and artefacts of `run`; `used` lists what was read, `notebooks` who measured it."""

    def __init__(self, run: Run):
        self.run, self.used, self.notebooks = run, [], []
        self.measured_at = run.budget

    def cell(self, name: str, column: str, *labels: str) -> float:
        """The number in the one row of a published table that has all these labels. Raises LookupError."""
        found = self.column(name, column, *labels)
        if len(found) != 1:
            raise LookupError(f"{name} has {len(found)} rows {labels}, not one")
        return found.iloc[0]

    def column(self, name: str, column: str, *labels: str, by: str = "") -> pd.Series:
        """A column of a published table, of the rows that have all these labels; indexed by the column `by`."""
        raw, plain = _read(name)
        rows = pd.Series(True, raw.index)
        for label in labels:
            rows &= raw.eq(label).any(axis=1)
        cells = raw.loc[rows, column]
        names = raw.loc[rows, by] + " " if by else ""
        place = ", ".join((_title(name), *labels, column))
        self.note(f"{place}: {'; '.join(names + cells.str.strip('*_'))}")
        found = plain.loc[rows, column]
        return found.set_axis(raw.loc[rows, by]) if by else found

    def constant(self, name: str):
        """A constant of a paper, by its name in paper/constants.py, paper/training.py or paper/related.py."""
        room = next(room for room in (constants, training, related) if hasattr(room, name))
        value = getattr(room, name)
        self.note(f"{name} = {value} ({room.__name__.replace('.', '/').removeprefix('pixverve_lib/')}.py)")
        return value

    def note(self, line: str) -> None:
        """Write down a number that comes from elsewhere, with its source."""
        if line not in self.used:
            self.used.append(line)

    def artefact(self, name: str) -> pd.DataFrame:
        """The artefact of this run, or its shipped sample. Raises NotMeasured with the command that makes it."""
        try:
            frame, sample = artefacts.read_or_sample(self.run, name)
        except (artefacts.MissingArtefact, KeyError) as missing:
            raise NotMeasured(self._remedy(name)) from missing
        self._seen(artefacts.ARTEFACTS[name].notebook, not sample)
        shown = f"shipped sample of {name}" if sample else artefacts.path(self.run, name).relative_to(home())
        self.note(f"{shown}: {len(frame)} rows")
        return frame

    def _remedy(self, name):
        if name not in artefacts.ARTEFACTS:
            return f"no notebook writes {name!r} yet"
        return f"measure it with: {artefacts.command(self.run, artefacts.ARTEFACTS[name].notebook)}"

    def exhibit(self, stem: str, notebook: str) -> pd.DataFrame:
        """A table that a notebook emitted: of this run, else at smoke and laptop the shipped one of the reference run.

        Raises NotMeasured with the command that makes it.
        """
        shipped = not self.run.images and self.run.budget in ("smoke", "laptop")
        for folder in (self.run.figures, *[home() / "figures"] * shipped):
            if (folder / f"{stem}.csv").exists():
                own = folder == self.run.figures
                self._seen(notebook, own)
                self.note(f"{(folder / stem).relative_to(home())}.csv" + ("" if own else " (shipped reference run)"))
                return pd.read_csv(folder / f"{stem}.csv")
        raise NotMeasured(f"measure it with: {artefacts.command(self.run, notebook)}")

    def scores(self, name: str) -> pd.DataFrame:
        """scale, method, score, value, low, high of one scheme: the artefact, else the reference run's exhibits."""
        try:
            return self.artefact(name)
        except NotMeasured:
            notebook = artefacts.ARTEFACTS[name].notebook
            wide = pd.concat([self.exhibit(stem, notebook) for stem in SCORES[name]])
        rows = wide.melt(["scale", "method", "pictures"], var_name="score", value_name="text").dropna(subset="text")
        found = rows.text.astype(str).str.extract(r"(\S+)(?: \[(\S+), (\S+)\])?").astype(float)
        return rows.drop(columns="text").assign(value=found[0], low=found[1], high=found[2])

    def _seen(self, notebook, own):
        if notebook not in self.notebooks:
            self.notebooks.append(notebook)
        if not own:
            self.measured_at = f"shipped run at {REFERENCE}"

    def decided_by(self, measure: Callable, text: str = "") -> tuple[str, str]:
        """Verdict and sentence of a claim that only a measurement decides.

        measure: () -> whether it holds, a sentence; it may raise NotMeasured. text: what is known besides
        """
        lead = f"{text}; " if text else ""
        try:
            holds, found = measure()
        except NotMeasured as missing:
            return NOT_TESTABLE, f"{lead}not measured yet, {missing}"
        return measured(holds), f"{lead}{self.measured_at}: {found}"

    def beside(self, text: str, measure: Callable) -> str:
        """The sentence of a claim that tables decide, and behind it what a measurement says.  measure: as there"""
        verdict, found = self.decided_by(measure)
        return f"{text}; {found}" if verdict == NOT_TESTABLE else f"{text}; {found}: {verdict.split(' at ')[0]}"


@cache
def _read(name):
    return table(name), numbers(name)


def _title(name):
    paper, _, number = name.rpartition("tab_")
    return f"{TITLES[paper]}Tab. {number.upper()}"

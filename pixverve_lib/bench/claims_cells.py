"""Rows of tables against each other, and what checks of several modules share; this module registers none."""
import re

import pandas as pd

from pixverve_lib.bench.claims_evidence import Evidence, NotMeasured

LOWER = {"rfid", "fid", "nmse", "lpips", "compression_ratio"}  # lower is better (arrows of the printed tables)
LOWER_HERE = {"nano-rFID", "nano-FID", "NMSE", "LPIPS", "CR"}  # of notebooks' tables
DRAWN = ("pos", "shape", "nano-FID", "nano-CLIPScore")  # scores of pictures that a nano model drew


def row(book: Evidence, name: str, columns, *labels: str) -> pd.Series:
    """The numbers of one row of a published table, that which has all these labels; indexed by column."""
    return pd.Series({column: book.cell(name, column, *labels) for column in columns})


def better(one: pd.Series, other: pd.Series) -> pd.Series:
    """Where the first row is better, metric by metric; a tie is not.  both: indexed by metric"""
    lower = one.index.isin(LOWER | LOWER_HERE)
    return (one < other).where(lower, one > other)


def changes(one: pd.Series, other: pd.Series) -> str:
    """"fid 39.49 to 38.46, ..." of two rows"""
    return ", ".join(f"{metric} {other[metric]:.4g} to {one[metric]:.4g}" for metric in one.index)


def best(values: pd.Series, metric: str) -> list:
    """The labels of the best value, all of them at a tie."""
    least = metric in LOWER | LOWER_HERE
    return values.index[values == (values.min() if least else values.max())].tolist()


def first_numbers(cells: pd.Series) -> pd.Series:
    """The first number of every cell: 30.1 of "30.1 [29.8, 30.4]", NaN of a dash."""
    return cells.astype(str).str.extract(r"^\W*?(-?\d[\d,]*\.?\d*(?:e[-+]?\d+)?)")[0].str.replace(",", "").astype(float)


def measured_rows(frame: pd.DataFrame, metrics, **labels: str) -> pd.DataFrame:
    """Rows of a notebook's table that carry all these labels, as numbers in those of the metrics that it has.

    labels: column = regular expression that its cells contain. Arrows and "measured" in headers do not count. Raises
    NotMeasured where the table lacks such a column, row or number.
    """
    frame = frame.rename(columns=lambda name: re.sub(r"\s*[↑↓]?\s*(measured)?$", "", name))
    for column, text in labels.items():
        frame = frame[frame[column].astype(str).str.contains(text)] if column in frame else frame.iloc[:0]
    found = frame[[metric for metric in metrics if metric in frame]].apply(first_numbers)
    found = found.dropna(axis=1, how="all").dropna()
    if found.empty:
        wanted = ", ".join(f"{column} like {text!r}" for column, text in labels.items())
        raise NotMeasured(f"the table of the notebook has no row of {wanted}: run it again")
    return found


def compared(one: pd.DataFrame, other: pd.DataFrame) -> tuple[bool, str]:
    """Whether the mean of some rows is better than that of others in every metric of both, and the numbers.

    Means are compared as they are shown, in four digits: what equal trainings differ by at the end of float32 is none.
    """
    metrics = [metric for metric in one if metric in other]
    first, second = (rows[metrics].mean().map("{:.4g}".format).astype(float) for rows in (one, other))
    won = better(first, second)
    return bool(len(won) and won.all()), f"better in {won.sum()} of {len(won)}: {changes(first, second)}"


def good_scenes_kept(book: Evidence) -> tuple[int, int, int]:
    """How many built-in scenes are labelled good, and how many of them stay with PixVerve's, with UltraFlux's flatness.

    Raises NotMeasured for a pool without labels.
    """
    book.note("rule: every good scene stays")
    pool = book.artefact("raw_pool")
    good = pool[pool.path.str.contains(r"-good\.\w+$")]  # the built-in scenes carry their label in their name
    if good.empty:
        raise NotMeasured("needs the built-in scenes, which are labelled: run notebook 01 without IMAGES")
    kept = good.flatness <= book.constant("FLAT_MAX_FRACTION")
    theirs = good.flatness_800 <= book.constant("ULTRAFLUX_FLAT_MAX_FRACTION")
    return len(good), kept.sum(), theirs.sum()

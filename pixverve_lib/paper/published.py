"""The published tables of the paper, read from `tables/tab_1.csv` ... `tables/tab_a5.csv`.

The CSVs hold what is printed, misprints included (`misprints.csv` lists those, `claims.csv` what the texts say of
it). Conventions:
* Headers are the printed ones in snake_case: arrows and the group headers above them dropped, units at the end
  (`compressed_size_bytes`, `inference_time_s`), "Training / Inference Resolution" shortened to `resolution`.
* A value printed bold is written `**45.204**`, underlined `_45.204_`; "–", "×", "✓" and thousands separators stay.
* Row labels are keys: citations such as [29], bold and italics are dropped, and a label printed once for several rows
  (a resolution, a method, a scheme) is repeated on each. "4K (4096 × 4096)" is split into `resolution`, `height_width`.
* In the text copy the L2P-III rows of Tab. 3 and A4 at 4K and 8K stand one column too far left: put right here (M24).
"""
from pathlib import Path

import pandas as pd

ROOM = Path(__file__).parent
DASH = "–"
NUMBER = r"^([\d,]+(?:\.\d+)?)(?: words)?(?: \(.*\))?$"  # "234.1 words (Long)" is 234.1; "4K", "2531 × 2656" are text


def table(name: str) -> pd.DataFrame:
    """Table `name` ("tab_1" ... "tab_4", "tab_a1" ... "tab_a5") as printed: every cell a string.

    Raises ValueError, naming the known tables, for any other name.
    """
    known = sorted(path.stem for path in (ROOM / "tables").glob("*.csv"))
    if name not in known:
        raise ValueError(f"no published table {name!r}; take one of: {', '.join(known)}")
    return pd.read_csv(ROOM / "tables" / f"{name}.csv", dtype=str, keep_default_na=False)


def numbers(name: str) -> pd.DataFrame:
    """Table `name` without marks: columns of numbers as floats in the printed unit (dash: NaN), the others as text."""
    return table(name).map(_plain).apply(_floats)


def marks(name: str) -> pd.DataFrame:
    """The printed mark of every cell of table `name`: "best" (bold), "second" (underlined) or ""."""
    return table(name).map(_mark)


def claims() -> pd.DataFrame:
    """What the papers claim and can be checked: columns id, paper (as in `misprints`), place, claim, way.

    way: how it is checked, joined by " + ": tables, arithmetic, nano (measured by a notebook), real weights, judgement.
    """
    return pd.read_csv(ROOM / "claims.csv", dtype=str)


def misprints() -> pd.DataFrame:
    """Known misprints: columns id, paper, place, kind, printed, follows.

    paper: "000" PixVerve, "001" a brief of it, "002" Diffusion-4K, "003" UltraFlux's supplement, "004" URAE; kind:
    number, mark, text, format, proof, or release (paper against the authors' public code).
    """
    return pd.read_csv(ROOM / "misprints.csv", dtype=str)


def _mark(cell: str) -> str:
    bold, underlined = cell.startswith("**"), cell.startswith("_")
    return "best" if bold else "second" if underlined else ""


def _plain(cell: str) -> str:
    return cell.strip("*_")


def _floats(column: pd.Series) -> pd.Series:
    found = column.str.extract(NUMBER)[0]
    if not (found.notna() | (column == DASH)).all():
        return column
    return found.str.replace(",", "").astype(float)

"""The published tables, read from `tables/`: PixVerve's `tab_1.csv` ... `tab_a5.csv`, then those of the related papers.

Those are `diffusion4k_tab_1` ... `_10`, `ultraflux_tab_1` ... `_5` (of its supplement), `urae_tab_1` ... `_4`. The
CSVs hold what is printed, misprints included (`misprints.csv` lists those, `claims.csv` what the texts say of it).
Conventions:
* Headers are the printed ones in snake_case: arrows and the group headers above them dropped, units at the end
  (`compressed_size_bytes`, `inference_time_s`), "Training / Inference Resolution" shortened to `resolution`.
* A value printed bold is written `**45.204**`, underlined `_45.204_`; "–", "-", "OOM", "×", "✓", thousands separators
  and units inside a cell stay. The text copies of Diffusion-4K and URAE carry no marks.
* Row labels are keys: citations such as [29], bold and italics are dropped, and a label printed once for several rows
  (a resolution, a method, a scheme) is repeated on each. "4K (4096 × 4096)" is split into `resolution`, `height_width`;
  URAE's indented "w/ URAE" follows the method it stands under ("SDEdit w/ URAE"). Formulas are in plain signs.
* What the text copies lost is put right here: the L2P-III rows of Tab. 3 and A4 at 4K and 8K stand one column too far
  left (M24); in Diffusion-4K, the head FID of Tab. 7, the dash of Flux-F8 in Tab. 6 and the o of GPT-4o in Tab. 10.
"""
import re
from pathlib import Path

import pandas as pd

ROOM = Path(__file__).parent
DASH = "–"
NONE = (DASH, "-", "OOM")  # of a number that is not there
NUMBER = r"^([\d,]+(?:\.\d+)?)(?: words| ?GB|%)?(?: \(.*\))?$"  # "234.1 words (Long)" is 234.1; "4K", "1 × 2" are text
CONSTANT = re.compile(r"([A-Z]\w+) = (.+?)  # ([^:;]+)(?:[:;] (.+))?")  # name = value  # place: note
MARK = re.compile(r"(\*\*|_)(.+)\1")  # on both sides: the star of "FLUX-1.dev*" is a name's


def table(name: str) -> pd.DataFrame:
    """Table `name` ("tab_1" ... "tab_a5", "urae_tab_1" ...) as printed: every cell a string.

    Raises ValueError, naming the known tables, for any other name.
    """
    known = sorted(path.stem for path in (ROOM / "tables").glob("*.csv"))
    if name not in known:
        raise ValueError(f"no published table {name!r}; take one of: {', '.join(known)}")
    return pd.read_csv(ROOM / "tables" / f"{name}.csv", dtype=str, keep_default_na=False)


def numbers(name: str) -> pd.DataFrame:
    """Table `name` without marks: columns of numbers as floats in the printed unit (none: NaN), others as text."""
    return table(name).map(unmarked).apply(_floats)


def marks(name: str) -> pd.DataFrame:
    """The printed mark of every cell of table `name`: "best" (bold), "second" (underlined) or ""."""
    return table(name).map(_mark)


def related_constants() -> pd.DataFrame:
    """Every constant of paper/related.py: columns name, value (as written), place, note ("" for none)."""
    lines = (ROOM / "related.py").read_text(encoding="utf-8").splitlines()
    return pd.DataFrame([found.groups("") for found in map(CONSTANT.fullmatch, lines) if found],
                        columns=["name", "value", "place", "note"])


def unmarked(cell: str) -> str:
    """A cell as printed without the stars or strokes that stand for bold and underlined."""
    return MARK.sub(r"\2", cell) if MARK.fullmatch(cell) else cell


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


def related_exhibits() -> pd.DataFrame:
    """Every table and figure of the related papers: columns paper (as in `misprints`), exhibit, shows, here, sentence.

    here: "measured", "transcribed", "drawn" or "needs ..." and what is missing; sentence: what ours is, or why not.
    """
    return pd.read_csv(ROOM / "related_exhibits.csv", dtype=str)


def _mark(cell: str) -> str:
    found = MARK.fullmatch(cell)
    return "" if found is None else "best" if found[1] == "**" else "second"


def _floats(column: pd.Series) -> pd.Series:
    found = column.str.extract(NUMBER)[0]
    if not (found.notna() | column.isin(NONE)).all():
        return column
    return found.str.replace(",", "").astype(float)

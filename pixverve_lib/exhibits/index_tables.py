"""Emitted tables for the report: which cells are published, measured or a difference, and which way is better."""
import re

import pandas as pd

from pixverve_lib.exhibits.catalogue import PARTS
from pixverve_lib.paper.published import DASH

NAMES = ("method", "format", "subset")  # of the column that stays in sight when a wide table is moved, else the first
KINDS = ("published", "measured", "difference")
HEADS = {  # what a header must say
    "published": re.compile(r"\bpublished\b"),
    "difference": re.compile(r"\b(difference|error)\b"),
    "measured": re.compile(r"\b(measured|predicted)\b(?! (by|with))"),
}
LESS = re.compile(r"\b(size|encode|decode)\b")  # of columns without an arrow: smaller and faster files are better


def table(file):
    """{"head": [{text, kind}], "key": the column that names a row, "rows": [[parts of a cell]]} of an emitted CSV.

    A part is {kind, text, sign, verdict}: kind "published", "measured", "difference" or ""; sign "▲", "▼" or "=" of a
    difference; verdict "better" or "worse" where the direction is known, else "".
    """
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    key = next((name for name in NAMES if name in frame), frame.columns[0])
    compares = any(HEADS["published"].search(head) for head in frame)
    kinds = {head: _kind(head) if compares else "" for head in frame}
    return {
        "head": [{"text": head, "kind": kinds[head]} for head in frame], "key": frame.columns.get_loc(key),
        "rows": [[_parts(cell, head, kinds[head]) for head, cell in zip(frame, row, strict=True)]
                 for row in frame.itertuples(index=False)],
    }


def _kind(head):
    return next((kind for kind, said in HEADS.items() if said.search(head.split("(measured")[0])), "")


def _parts(cell, head, kind):
    texts = [text.strip() for text in cell.split(PARTS)]
    if len(texts) == len(KINDS):
        return [_part(text, head, kind) for text, kind in zip(texts, KINDS, strict=True)]
    return [_part(text, head, kind) for text in texts]


def _part(text, head, kind):
    part = {"kind": kind, "text": text or DASH, "sign": "", "verdict": ""}
    if kind != "difference" or not re.fullmatch(r"[+-]?\d+\.?\d*(e[+-]?\d+)?", text):
        return part
    value = float(text)
    return part | {"sign": "▲" if value > 0 else "▼" if value < 0 else "=", "verdict": _verdict(value, head)}


def _verdict(value, head):
    better = 1 if "↑" in head else -1 if "↓" in head or LESS.search(head) else 0
    return {1: "better", -1: "worse"}.get((value > 0) * better - (value < 0) * better, "")

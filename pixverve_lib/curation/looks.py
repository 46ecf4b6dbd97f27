"""What notebooks 03 and 04 look at: instances laid over their picture, judged patches, and places at 1:1."""
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from pixverve_lib.curation import captioning, instances
from pixverve_lib.imaging import large, reading
from pixverve_lib.models.annotation import Box

THUMB = 360  # px, long side of a judged patch or crop in a figure
SHOWN = 6  # of these, of each kind


class View(NamedTuple):
    """A picture with its key instances, most important first, as exhibits draw it."""

    rgb: np.ndarray  # H W 3 uint8, the analysis picture
    boxes: list  # (top, left, bottom, right) in its pixels
    masks: list  # H W bool
    found: list  # the instances as the annotations have them
    crops: list  # H W 3 uint8, THUMB px long
    highlighted: np.ndarray | None  # H W 3 uint8: the first instance in the whole picture


def view(path, found):
    """found: the instances of its annotation, or None.  Returns View; the picture is opened once."""
    picture, found = instances.Opened(path), captioning.key(found or [])
    places = [Box(one["label"], *(one[edge] for edge in ("top", "left", "bottom", "right")), one["score"])
              for one in found]
    masks = [instances.decode_mask(one["mask"]) for one in found]
    return View(picture.shown, [place.pixels(*picture.shown.shape[:2]) for place in places], masks, found,
                [reading.thumbnail(instances.cut_out(picture, place), THUMB) for place in places],
                instances.highlighted(picture.shown, masks[0]) if found else None)


def fullest(final, others, count=2):
    """The described pictures with the most instances, those of the final pool first.  # list of (View, dict)"""
    rows = []
    for pool in (final, others):
        there = pool[[is_there(path) for path in pool.path]]
        number = pd.Series([len(_list(cell)) for cell in there.get("boxes", [None] * len(there))], there.index, int)
        rows += there.loc[number.sort_values(ascending=False, kind="stable").index].to_dict("records")
    return [(view(row["path"], _list(row.get("boxes"))), row) for row in rows[:count]]


def annotations(view, record):
    """The seven annotations of one picture as Fig. 1 takes them: rgb, scores, tags, boxes, analysis, instances, texts.

    view, record: from `fullest`; boxes are shares of the picture's sides.
    """
    scores, analysis = (record[name] if isinstance(record[name], dict) else {} for name in ("scores", "aesthetics"))
    names = {"aesthetics_l": "S_L", "aesthetics_a": "S_A"}
    boxes = [(one["label"], *(one[edge] for edge in ("top", "left", "bottom", "right"))) for one in view.found]
    return {"rgb": view.rgb, "scores": {names.get(key, key): value for key, value in scores.items()},
            "tags": _list(record["tags"]), "boxes": boxes, "analysis": analysis,
            "instances": [one["text"] for one in _list(record["instances"])],
            "short": record["short_caption"] or "", "long": record["long_caption"] or ""}


def is_there(path):
    """Whether a picture of a described pool is on this machine: metadata may come alone."""
    return Path(path).is_file()


def _list(cell):
    return cell if isinstance(cell, list) else []


def judged(uhr, judgements):
    """Patches and crops that were judged, bad ones first.  Returns (thumbs, titles, bad: list of bool)"""
    paths = dict(zip(uhr.id, uhr.path, strict=True))
    asked = judgements[judgements.bad.notna() & judgements.top.notna()]
    asked = asked.sort_values("bad", ascending=False, kind="stable")
    shown = asked.groupby("kind", sort=False).head(SHOWN)
    thumbs = []
    for row in shown.itertuples():
        top, left, bottom, right = (int(edge) for edge in (row.top, row.left, row.bottom, row.right))
        thumbs.append(_square(large.read_crop(paths[row.id], top, left, bottom - top, right - left)))
    titles = [f"{row.kind}: {row.reasons.split(',')[0][:22] or 'nothing'}" for row in shown.itertuples()]
    return thumbs, titles, [bool(bad) for bad in shown.bad]


def titles(pool):
    """What stands above a described picture: its size in px, and who made it that large, if known.  # list of str"""
    grown = pool.get("upscaler", pd.Series("", pool.index)).fillna("")
    sizes = zip(pool.height, pool.width, grown, strict=True)
    return [f"{height:.0f} x {width:.0f}" + (f", {by}" if by else "") for height, width, by in sizes]


def close(path, side):
    """The busiest square of a picture at 1:1.  Returns (small picture, (top, left, side) in its pixels, square).

    small: H W 3 uint8, 2 side px long; square: side side 3 uint8, smaller only where the picture is.
    """
    height, width = large.size(path)
    small = large.thumbnail(path, 2 * side)
    scale = height / len(small)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    detail = cv2.blur(np.abs(cv2.Laplacian(gray, cv2.CV_32F)), (2 * max(1, round(side / scale)) + 1,) * 2)
    row, column = np.unravel_index(detail.argmax(), detail.shape)
    rows, columns = min(side, height), min(side, width)
    top = int(np.clip(row * scale - rows / 2, 0, height - rows))
    left = int(np.clip(column * scale - columns / 2, 0, width - columns))
    return small, (top / scale, left / scale, side / scale), large.read_crop(path, top, left, rows, columns)


def _square(rgb):
    """The middle of a crop, so that a row of them lines up."""
    side = min(rgb.shape[:2])
    top, left = ((n - side) // 2 for n in rgb.shape[:2])
    return reading.thumbnail(rgb[top:top + side, left:left + side], THUMB)

"""Patch seam continuity inspection (Sec. 3.1.4): no side of a tile may show in a super-resolved picture.

"We compute the pixel gradient ratio across all horizontal and vertical seams defined by the 384-pixel tile stride"; the
ratio (imaging/seams.py, for the paper prints no formula: misprints.csv, M18) is taken of segments one stride long, not
in paper: choice. A seam of a 100 MP picture has 26 of them, and over its whole length a defect of one tile drowns.

What it cannot see: a step that blending has spread over several pixels, and content that moved where the texture is as
rough as the step. What it sees and should not: a drawn edge exactly one pixel wide that happens to lie on a seam; lens
and up-scaler leave none in photographs.
"""
import os
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from pixverve_lib.imaging import large, seams
from pixverve_lib.imaging.reading import read_rgb
from pixverve_lib.paper.constants import SEAM_MAX_RATIO, SEAM_STRIDE
from pixverve_lib.scenes import seam_damage

SHORTEST = 64  # pixels; not in paper: choice, a shorter segment at the picture's border is a handful of noise


class SeamScores(NamedTuple):
    ratio: float  # the largest of all segments, about 1 without a defect; NaN for a picture without seams
    direction: str  # of that seam: "horizontal", "vertical"
    top: int  # pixels, where that segment begins
    left: int


def inspect(picture):
    """The worst segment.  picture: H W 3 uint8, or a path: of a tiled file only what is beside seams is read.

    Raises UnreadableImage.
    """
    found = segments(picture)
    if found.empty:
        return SeamScores(np.nan, "", 0, 0)
    worst = found.loc[found.ratio.idxmax()]
    return SeamScores(float(worst.ratio), worst.direction, int(worst.y0), int(worst.x0))


def segments(picture):
    """Every segment: columns direction, y0, x0, y1, x1 (its ends, in pixels) and ratio.  picture: as in `inspect`"""
    read, height, width = _access(picture)
    rows, columns = seams.read_ratios(read, height, width, SEAM_STRIDE, segment=SEAM_STRIDE)
    y0, x0, x1 = _ends(rows, width)
    horizontal = pd.DataFrame({"direction": "horizontal", "y0": y0, "x0": x0, "y1": y0, "x1": x1, "ratio": rows.flat})
    x0, y0, y1 = _ends(columns, height)
    vertical = pd.DataFrame({"direction": "vertical", "y0": y0, "x0": x0, "y1": y1, "x1": x0, "ratio": columns.flat})
    both = pd.concat([horizontal, vertical], ignore_index=True)
    return both[(both.y1 - both.y0) + (both.x1 - both.x0) >= SHORTEST].reset_index(drop=True)


def _ends(ratios, length):
    """Place of each seam, start and stop of its segments along it."""
    seam, segment = np.indices(ratios.shape).reshape(2, -1)
    return SEAM_STRIDE * (seam + 1), SEAM_STRIDE * segment, np.minimum(SEAM_STRIDE * (segment + 1), length)


def _access(picture):
    """read(top, left, height, width), height, width"""
    if not isinstance(picture, np.ndarray) and large.crop_bytes(picture, 0, 0, 1, 1) < os.path.getsize(picture):
        return partial(large.read_crop, picture), *large.size(picture)
    rgb = picture if isinstance(picture, np.ndarray) else read_rgb(picture)
    return lambda top, left, height, width: rgb[top:top + height, left:left + width], *rgb.shape[:2]


def decide(ratios, max_ratio=SEAM_MAX_RATIO):
    """One verdict a picture: "rejected" if its ratio exceeds max_ratio, "undecided" if it is missing, else "kept"."""
    ratios = pd.Series(ratios, dtype=float)
    verdict = np.select([ratios > max_ratio, ratios.isna()], ["rejected", "undecided"], "kept")
    return pd.Series(verdict, ratios.index, name="seam")


def detection_study(pictures):
    """Ratios of clean pictures and of the same with one planted defect.  Returns kind, severity, picture, ratio.

    pictures: {name: H W 3 uint8}, each of 3 x 3 tiles at least. kind is "clean", severity 0, or of seam_damage.KINDS;
    about 0.05 s for a picture of 3 MP.
    """
    rows = []
    for i, (name, rgb) in enumerate(pictures.items()):
        rows.append(("clean", 0, name, inspect(rgb).ratio))
        for kind, severities in seam_damage.KINDS.items():
            damaged = [seam_damage.plant(rgb, kind, severity, SEAM_STRIDE, seed=i).rgb for severity in severities]
            rows += [(kind, s, name, inspect(d).ratio) for s, d in zip(severities, damaged, strict=True)]
    return pd.DataFrame(rows, columns=["kind", "severity", "picture", "ratio"])


def rates(studied):
    """At the filter's limit: columns kind, severity, unit, detected, clean (shares of damaged, of clean ones above it).

    studied: from `detection_study`
    """
    return pd.DataFrame([(kind, severity, unit, detected[0], clean[0])
                         for kind, severity, unit, detected, clean in _shares_above(studied, [SEAM_MAX_RATIO])],
                        columns=["kind", "severity", "unit", "detected", "clean"])


def roc(studied):
    """At every limit: columns kind, severity, label, limit, false_positives, detected; from the strictest limit on.

    studied: from `detection_study`. The limits are the ratios that occur, and one below them all.
    """
    limits = np.append(np.sort(studied.ratio.unique())[::-1], -np.inf)
    return pd.concat([pd.DataFrame({"kind": kind, "severity": severity, "label": f"{kind} {severity} {unit}",
                                    "limit": limits, "false_positives": clean, "detected": detected})
                      for kind, severity, unit, detected, clean in _shares_above(studied, limits)], ignore_index=True)


def _shares_above(studied, limits):
    """For each defect: kind, severity, unit, and the shares of damaged and of clean pictures above each limit."""
    shares = {key: (rows.ratio.to_numpy()[:, None] > limits).mean(axis=0)
              for key, rows in studied.groupby(["kind", "severity"], sort=False)}
    clean = shares.pop(("clean", 0))
    return [(*key, seam_damage.UNITS[key[0]], detected, clean) for key, detected in shares.items()]

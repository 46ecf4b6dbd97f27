"""Preliminary data purification (Sec. 3.1.2): the one visible place where scores become decisions.

Detectors return numbers (inspection.py). A preset says which number each detector keeps; the candidate pool is the
intersection of what the five keep.
"""
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pixverve_lib.paper import constants as c

DETECTORS = ("exposure", "sharpness", "flatness", "content richness", "aesthetics")  # Sec. 3.1.2, in its order


@dataclass(frozen=True)
class Preset:
    """Thresholds of the detectors. Either entropy_min or entropy_keep is set, the other is None."""

    exposure_max: float  # share of pixels
    sharpness_min: float  # variance of the Laplacian
    flat_column: str  # the column whose textureless threshold the preset uses
    flat_max: float  # share of patches
    entropy_min: float | None  # bits
    entropy_keep: float | None  # share of the pool, best first
    aesthetic_columns: tuple[str, ...]  # kept if any of them ranks among the best
    aesthetic_keep: float  # share of the pool, best first


PRESETS = {
    "pixverve": Preset(c.EXPOSURE_MAX_FRACTION, c.LAPLACIAN_MIN_VARIANCE, "flatness", c.FLAT_MAX_FRACTION, None,
                       c.ENTROPY_KEEP_FRACTION, ("aesthetics_l", "aesthetics_a"), c.AESTHETICS_KEEP_FRACTION),
    # Supp. 2.1 has no exposure and no sharpness detector, but Q-Align > 4.0, which needs weights that are not here.
    "ultraflux": Preset(np.inf, -np.inf, "flatness_800", c.ULTRAFLUX_FLAT_MAX_FRACTION, c.ULTRAFLUX_ENTROPY_MIN, None,
                        ("aesthetics_a",), c.ULTRAFLUX_ARTIMUSE_KEEP_FRACTION),
}


def best_share(scores, share):
    """The lowest score among the best `share` of a pool; ties with it are kept (not in paper: choice).

    share of n is rounded to the nearest whole number, at least one. An empty pool has no bound: -inf.
    """
    scores = np.sort(np.asarray(scores, float))[::-1]
    return float(scores[max(1, round(share * len(scores))) - 1]) if len(scores) else -np.inf


def thresholds(pool, preset):
    """The bound on each score for this pool.  Returns {column: (direction, bound)}, direction "<=" or ">="."""
    p = PRESETS[preset]
    entropy = p.entropy_min if p.entropy_keep is None else best_share(pool.entropy, p.entropy_keep)
    bounds = {"exposure": ("<=", p.exposure_max), "sharpness": (">=", p.sharpness_min), p.flat_column: ("<=",
                                                                                                        p.flat_max),
              "entropy": (">=", entropy)}
    return bounds | {column: (">=", best_share(pool[column], p.aesthetic_keep)) for column in p.aesthetic_columns}


def decide(pool, preset="pixverve"):
    """What each detector keeps.  Returns a frame with the pool's index: DETECTORS and `candidate`, all bool.

    A picture too small to hold one flatness patch (NaN) is not kept.
    """
    bounds = thresholds(pool, preset)
    passes = {column: pool[column] <= bound if direction == "<=" else pool[column] >= bound
              for column, (direction, bound) in bounds.items()}
    p = PRESETS[preset]
    kept = pd.DataFrame({
        "exposure": passes["exposure"], "sharpness": passes["sharpness"], "flatness": passes[p.flat_column],
        "content richness": passes["entropy"],
        "aesthetics": np.logical_or.reduce([passes[column] for column in p.aesthetic_columns]),
    }, index=pool.index)
    return kept.assign(candidate=kept.all(axis=1))


def attrition(kept):
    """The waterfall: pictures left after each detector in the paper's order, dropped by it, and dropped by it alone.

    kept: from `decide`.  Returns columns detector, left, dropped here, flags, only here.
    """
    left, rows = pd.Series(True, index=kept.index), []
    for detector in DETECTORS:
        others = kept[[d for d in DETECTORS if d != detector]].all(axis=1)
        now = left & kept[detector]
        rows.append((detector, int(now.sum()), int(left.sum() - now.sum()), int((~kept[detector]).sum()),
                     int((~kept[detector] & others).sum())))
        left = now
    return pd.DataFrame(rows, columns=["detector", "left", "dropped here", "flags", "only here"])


def overlaps(kept):
    """How many pictures two detectors both flag.  # DETECTORS x DETECTORS int"""
    flags = (~kept[list(DETECTORS)]).to_numpy(int)
    return pd.DataFrame(flags.T @ flags, index=DETECTORS, columns=DETECTORS)

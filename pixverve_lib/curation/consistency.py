"""Post-SR consistency validation (Sec. 3.1.4): the 100 MP picture, shrunk to the size of its input, must be its input.

Three metrics against the input: PSNR, SSIM (imaging/fidelity.py), LPIPS (models/perceptual.py, when its weights are
here; else it is missing, and said to be). The paper prints no thresholds (misprints.csv: M18). Here they follow from
the pool's own distribution, which shows what its up-scaler can do, and are bounded by what is as good as equal.
"""
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from pixverve_lib.imaging import fidelity, large
from pixverve_lib.imaging.reading import read_rgb
from pixverve_lib.models.aesthetics import WeightsMissing

SPREADS = 3.0  # not in paper: choice, of the pool's standard deviations below its median
NORMAL = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
ENOUGH_PSNR = 35.0  # dB; not in paper: choice, above a tint of 8 levels (31.1 to 32.3 on pictures tried)
ENOUGH_SSIM = 0.98  # not in paper: choice, above a shift by 1 input px (0.975 on the softest picture tried)
ENOUGH_LPIPS = 0.05  # not in paper: choice, not measured here

GOOD = ("bicubic", "lanczos")  # kinds of `study` that must pass


class Consistency(NamedTuple):
    psnr: float  # dB, inf for equal pictures
    ssim: float  # at most 1
    lpips: float  # from 0; NaN when it was not measured


class Thresholds(NamedTuple):
    min_psnr: float
    min_ssim: float
    max_lpips: float


@cache
def lpips():
    """LPIPS as a function of two pictures, or None after one printed sentence that says what is missing."""
    try:
        from pixverve_lib.models import perceptual  # here: it costs seconds
        return perceptual.load()
    except WeightsMissing as missing:
        print(f"{missing}. Until then its column is empty, and PSNR and SSIM decide.")
        return None


def compare(original, shrunk, metric=None):
    """Both pictures are H W 3 uint8 of one size; metric: what `lpips` returns, None leaves LPIPS out.

    Raises ValueError for pictures of two sizes.
    """
    psnr, ssim = fidelity.compare([(original, shrunk)])
    return Consistency(psnr, ssim, metric(original, shrunk) if metric else np.nan)


def inspect(path, source, metric=None):
    """Consistency of the super-resolved picture at `path` with the file it was made from, at the size of that.

    Needs the input twice in memory; the large picture passes in bands. Raises UnreadableImage, and ValueError for a
    result smaller than its input.
    """
    original = read_rgb(source)
    return compare(original, large.shrunk(path, *original.shape[:2]), metric)


def default_thresholds(scores):
    """Thresholds for a pool, from its own distribution (not in paper: choice): median - SPREADS robust deviations.

    They ask for no more than ENOUGH, so that the least similar of good pictures is not rejected for the company it is
    in; while more than half of the pool is good, bad ones hardly move them. A handful of pictures has no distribution
    to speak of: then give thresholds to `decide`. scores: columns psnr, ssim, lpips
    """
    median = scores[["psnr", "ssim", "lpips"]].replace(np.inf, np.nan).median()
    spread = SPREADS * NORMAL * (scores[median.index] - median).abs().replace(np.inf, np.nan).median()
    low, high = (median - spread).fillna(np.inf), (median + spread).fillna(0)
    return Thresholds(min(low.psnr, ENOUGH_PSNR), min(low.ssim, ENOUGH_SSIM), max(high.lpips, ENOUGH_LPIPS))


def decide(scores, min_psnr, min_ssim, max_lpips):
    """What each metric says, and together.  Returns a frame with the index of `scores`: psnr, ssim, lpips, consistency.

    The metrics are True, False or missing (NA), which is neither; consistency is "kept" when none says False, else
    "rejected", and "undecided" when all are missing. A score on its threshold passes.
    """
    passes = pd.DataFrame({"psnr": scores.psnr >= min_psnr, "ssim": scores.ssim >= min_ssim,
                           "lpips": scores.lpips <= max_lpips}, index=scores.index).astype("boolean")
    passes = passes.mask(scores[list(passes)].isna())
    verdict = np.where((~passes).fillna(False).any(axis=1), "rejected",
                       np.where(passes.isna().all(axis=1), "undecided", "kept"))
    return passes.assign(consistency=verdict)


def study(pictures, scale):
    """Whether the metrics tell good super-resolutions from spoiled ones: kind, good, picture, psnr, ssim, lpips.

    pictures: {name: H W 3 uint8} of one size, the inputs; each is enlarged by interpolation, and that is then spoiled.
    """
    metric, rows, names = lpips(), [], list(pictures)
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        original = pictures[name]
        for kind, enlarged in _attempts(original, pictures[other], scale).items():
            shrunk = cv2.resize(enlarged, original.shape[1::-1], interpolation=cv2.INTER_AREA)
            rows.append((kind, kind in GOOD, name, *compare(original, shrunk, metric)))
    return pd.DataFrame(rows, columns=["kind", "good", "picture", *Consistency._fields])


def _attempts(original, other, scale):
    """Super-resolutions of `original`, good and spoiled.  # {kind: H W 3 uint8}"""
    cubic, lanczos, another = (cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=how) for rgb, how in (
        (original, cv2.INTER_CUBIC), (original, cv2.INTER_LANCZOS4), (other, cv2.INTER_LANCZOS4)))
    return {"bicubic": cubic, "lanczos": lanczos, "blurred, 2 input px": cv2.GaussianBlur(lanczos, (0, 0), 2 * scale),
            "shifted by 4 px": np.roll(lanczos, 4, axis=1), "tinted by 8 levels": cv2.add(lanczos, (8.0, 0, -8.0, 0)),
            "another picture": another}

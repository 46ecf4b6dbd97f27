"""The four pixel statistics behind the detectors of Sec. 3.1.2 and App. A; thresholds are arguments.

A picture is uint8, H W (gray) or H W C (RGB), and gray is cv2.COLOR_RGB2GRAY. Everything is done in bands of rows, so
that beside a 100 MP picture only a few MB are needed, and sums are integers wherever the values are, so that the bands
leave no trace in the results.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

BAND = 128  # rows at a time; few, because cv2.calcHist counts in float32, which is exact below 2**24


class Statistics(NamedTuple):
    exposure: float  # share of pixels, 0 to 1
    laplacian_variance: float  # gray levels squared
    flat_fraction: float  # share of patches, 0 to 1; NaN when the picture holds no whole patch
    entropy_bits: float  # 0 to 8


def measure(picture: np.ndarray, *, dark: int, bright: int, patch: int, textureless_variance: float) -> Statistics:
    """All four at once; see the single functions for their arguments."""
    histogram = gray_histogram(picture)
    return Statistics(
        exposure=exposure(histogram, dark=dark, bright=bright),
        laplacian_variance=laplacian_variance(picture),
        flat_fraction=flat_fraction(patch_variances(picture, patch), textureless_variance),
        entropy_bits=entropy_bits(histogram),
    )


def textured_and_random(variances, textured, random, rng):
    """Which patches the hybrid strategy of Sec. 3.1.4 takes: flat numbers of the most textured, and of random others.

    variances: of all patches, from `patch_variances`; textured, random: how many of each; fewer where there are fewer.
    """
    order = np.argsort(-variances, axis=None, kind="stable")  # of equal ones the upper left first
    rest = np.sort(order[textured:])
    return order[:textured], rng.choice(rest, min(random, len(rest)), replace=False)


def gray_histogram(picture: np.ndarray) -> np.ndarray:  # 256 int64
    """How many pixels have each gray level."""
    histogram = np.zeros(256, np.int64)
    for gray, _ in _gray_bands(picture, BAND):
        histogram += cv2.calcHist([gray], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return histogram


def exposure(histogram: np.ndarray, *, dark: int, bright: int) -> float:
    """Share of pixels strictly below dark or strictly above bright (Sec. 3.1.2)."""
    return float((histogram[:dark].sum() + histogram[bright + 1 :].sum()) / histogram.sum())


def entropy_bits(histogram: np.ndarray) -> float:
    """Shannon entropy -sum p log2 p of the gray levels (Sec. 3.1.2)."""
    p = histogram[histogram > 0] / histogram.sum()
    return float(np.sum(p * np.log2(1 / p)))


def laplacian_variance(picture: np.ndarray) -> float:
    """Variance of cv2.Laplacian(gray) with its default kernel and border (Sec. 3.1.2)."""
    total = squares = 0
    for gray, inner in _gray_bands(picture, BAND, halo=1):
        laplacian = cv2.Laplacian(gray, cv2.CV_16S)[inner]  # 16 bits hold all of -1020 to 1020
        total += round(cv2.sumElems(laplacian)[0])
        squares += _sum_of_squares(laplacian)
    n = picture.shape[0] * picture.shape[1]
    return (n * squares - total**2) / n**2


def patch_variances(picture: np.ndarray, patch: int) -> np.ndarray:  # rows columns, float64
    """Variance of the Sobel gradient magnitude sqrt(Gx^2 + Gy^2), kernel size 3, in each patch (App. A).

    Patches of patch x patch px do not overlap, a remainder at the right and at the bottom is dropped, and each patch
    has its own border (OpenCV's default, reflection) as if it were a picture. A side of the result may be 0.
    """
    rows, columns = picture.shape[0] // patch, picture.shape[1] // patch
    variances = np.empty((rows, columns))
    for row, (gray, _) in zip(range(rows), _gray_bands(picture, patch), strict=False):
        for column in range(columns):
            variances[row, column] = _gradient_variance(gray[:, column * patch : (column + 1) * patch])
    return variances


def flat_fraction(variances: np.ndarray, textureless_variance: float) -> float:
    """Share of patches whose variance is strictly below textureless_variance (App. A); NaN without patches."""
    return float(np.mean(variances < textureless_variance)) if variances.size else float("nan")


def _gradient_variance(gray: np.ndarray) -> float:
    x, y = cv2.Sobel(gray, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(gray, cv2.CV_32F, 0, 1, ksize=3)
    squares = _sum_of_squares(x) + _sum_of_squares(y)  # those of the magnitude, without a root
    total = cv2.sumElems(cv2.magnitude(x, y))[0]
    return (squares - total**2 / gray.size) / gray.size


def _sum_of_squares(whole_numbers: np.ndarray) -> int:
    # OpenCV 5 squares a square root here, which leaves the sum a little beside the integer that it is.
    return round(cv2.norm(whole_numbers, cv2.NORM_L2SQR))


def _gray_bands(picture: np.ndarray, rows: int, halo: int = 0) -> Iterator[tuple[np.ndarray, slice]]:
    """Bands of that many gray rows, with halo more on either side where they exist, and the slice without the halo."""
    if picture.dtype != np.uint8:
        raise TypeError(f"pixel statistics are of 8-bit pictures, not of {picture.dtype}: convert it first")
    height = picture.shape[0]
    for top in range(0, height, rows):
        start, stop = max(top - halo, 0), min(top + rows + halo, height)
        band = picture[start:stop]
        gray = cv2.cvtColor(band, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else band
        yield gray, slice(top - start, top - start + rows)

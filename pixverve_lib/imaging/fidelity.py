"""PSNR and SSIM of two 8-bit pictures of one size, H W 3 or H W, whole or in bands of rows.

PSNR is 10 log10(255^2 / mean squared error) over all samples, infinite for equal pictures. SSIM is that of Wang et al.
2004: an 11 x 11 Gaussian window of sigma 1.5, K1 0.01, K2 0.03, population moments, averaged over the windows that lie
whole in the picture and, in colour, over the three channels. scikit-image computes the same with gaussian_weights,
sigma 1.5 and use_sample_covariance False, pyiqa with test_y_channel False; pyiqa's default takes the luma only.

With s = a + b and d = a - b four filtered maps (s, d, s^2, d^2) say all that the usual five do, and equal pictures have
exactly 1. They are filtered in strips that stay in the cache: beside the pictures next to no memory is needed.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numba
import numpy as np

RADIUS = 5  # pixels of the window on either side of its centre
TAPS = 2 * RADIUS + 1
STRIP = 768  # samples; eleven filtered rows of it are 135 kB
KERNEL = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / 1.5) ** 2)
KERNEL = (KERNEL / KERNEL.sum()).astype(np.float32)
C1, C2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
HALF, WHITE = np.float32(0.5), np.float32(255)


class Fidelity(NamedTuple):
    psnr: float  # dB, inf for equal pictures
    ssim: float  # at most 1


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB; inf for equal pictures."""
    _refuse_unlike(a, b)
    return _decibels(_squared_error(*_rows(a, b)), a.size)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity, at most 1. Raises ValueError for pictures of less than 11 px a side."""
    return compare([(a, b)]).ssim


def compare(bands: Iterable[tuple[np.ndarray, np.ndarray]]) -> Fidelity:
    """Both, of two pictures that come in bands of the same rows from top to bottom, e.g. zip of two iterators.

    Raises ValueError for bands of different size, and for pictures of less than 11 px a side.
    """
    error, similarity, samples, windows = 0, 0.0, 0, 0
    above = None  # the last rows of the band before, which windows of this one reach into
    for a, b in bands:
        _refuse_unlike(a, b)
        channels, (a, b) = a.shape[2] if a.ndim == 3 else 1, _rows(a, b)
        error, samples = error + _squared_error(a, b), samples + a.size
        if above is not None:
            a, b = np.concatenate([above[0], a]), np.concatenate([above[1], b])
        similarity += _sum_of_similarities(a, b, channels)
        windows += max(0, len(a) - 2 * RADIUS) * max(0, a.shape[1] - 2 * RADIUS * channels)
        above = a[-2 * RADIUS :].copy(), b[-2 * RADIUS :].copy()
    if not windows:
        raise ValueError(f"SSIM needs pictures of at least {TAPS} x {TAPS} px")
    return Fidelity(_decibels(error, samples), similarity / windows)


def _refuse_unlike(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"pictures of different size cannot be compared: {a.shape} and {b.shape}")
    if a.dtype != np.uint8 or b.dtype != np.uint8:
        raise TypeError(f"PSNR and SSIM are of 8-bit pictures, not of {a.dtype} and {b.dtype}: convert them first")


def _rows(*pictures: np.ndarray) -> list[np.ndarray]:  # each rows samples
    return [np.ascontiguousarray(picture).reshape(len(picture), -1) for picture in pictures]


def _decibels(error: int, samples: int) -> float:
    return float(10 * np.log10(255**2 * samples / error)) if error else float("inf")


@numba.njit(cache=True, nogil=True)
def _squared_error(a, b):
    total = np.int64(0)
    for y in range(len(a)):
        for x in range(a.shape[1]):
            difference = np.int32(a[y, x]) - np.int32(b[y, x])
            total += difference * difference
    return total


@numba.njit(cache=True, nogil=True, fastmath=True)
def _sum_of_similarities(a, b, channels):
    """Sum of the SSIM map of two pictures, rows samples, whose neighbours in a row are `channels` samples apart."""
    total, outputs = 0.0, a.shape[1] - 2 * RADIUS * channels
    for left in range(0, outputs, STRIP):
        n = min(STRIP, outputs - left)
        across = np.empty((TAPS, 4, n), np.float32)  # the last rows, filtered across
        moments = np.empty((4, n), np.float32)
        wide = np.empty((4, n + 2 * RADIUS * channels), np.float32)
        for y in range(len(a)):
            _moments_of_row(a[y, left : left + wide.shape[1]], b[y, left : left + wide.shape[1]], wide)
            _filter_across(wide, channels, across[y % TAPS])
            if y >= 2 * RADIUS:
                _filter_down(across, y + 1, moments)
                total += _similarity_of_row(moments)
    return total


@numba.njit(cache=True, nogil=True, fastmath=True)
def _moments_of_row(a, b, wide):
    for i in range(len(a)):
        s, d = np.float32(a[i]) + np.float32(b[i]) - WHITE, np.float32(a[i]) - np.float32(b[i])  # s about its middle
        wide[0, i], wide[1, i], wide[2, i], wide[3, i] = s, d, s * s, d * d


@numba.njit(cache=True, nogil=True, fastmath=True)
def _filter_across(wide, channels, filtered):
    n = filtered.shape[1]
    for m in range(4):
        row, last = wide[m], 2 * RADIUS * channels
        for k in range(RADIUS + 1):
            before, after = row[k * channels :], row[last - k * channels :]
            _add_tap(filtered[m], before[:n], after[:n], k)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _filter_down(across, oldest, moments):
    for m in range(4):
        for k in range(RADIUS + 1):
            _add_tap(moments[m], across[(oldest + k) % TAPS, m], across[(oldest + 2 * RADIUS - k) % TAPS, m], k)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _add_tap(out, before, after, k):
    """Two taps at equal distance from the centre, where they coincide; the first ones begin the sum."""
    weight = KERNEL[k] if k < RADIUS else HALF * KERNEL[k]
    if k == 0:
        for i in range(len(out)):
            out[i] = weight * (before[i] + after[i])
    else:
        for i in range(len(out)):
            out[i] += weight * (before[i] + after[i])


@numba.njit(cache=True, nogil=True, fastmath=True)
def _similarity_of_row(moments):
    total = np.float32(0)
    for i in range(moments.shape[1]):
        s, d = moments[0, i], moments[1, i]
        s_variance, d_variance = moments[2, i] - s * s, moments[3, i] - d * d
        s += WHITE
        means, variances = HALF * s * s, HALF * s_variance
        numerator = (means - HALF * d * d + C1) * (variances - HALF * d_variance + C2)
        total += numerator / ((means + HALF * d * d + C1) * (variances + HALF * d_variance + C2))
    return total

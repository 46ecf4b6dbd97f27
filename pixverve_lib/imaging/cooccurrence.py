"""The GLCM Score (Sec. 3.3, App. F.1): how rich the texture of 64-px patches is, in bits, in four variants.

A patch of 64 gray levels has 16 co-occurrence matrices, one for each distance and angle. `formula` is what App. F.1
prints: the Shannon entropy of a normalised matrix, averaged over the 16. `published` is what the released evaluation
computes and what the published tables hold: scikit-image's shannon_entropy of the 64 x 64 x 4 x 4 array of the
normalised matrices, which is the entropy of how often each distinct value occurs in it, zeros included. Symmetric
matrices count a pair in both orders (PixVerve), asymmetric ones in one (Diffusion-4K).

A constant patch has formula 0, but published 0.0033: its array holds 16 ones among 65520 zeros.
"""

from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np

PATCH = 64  # Sec. F.1: pixels
LEVELS = 64  # Sec. F.1
DISTANCES = (1, 2, 3, 4)  # Sec. F.1: pixels
ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)  # Sec. F.1
MATRICES = len(DISTANCES) * len(ANGLES)


class GlcmScores(NamedTuple):
    """Bits; NaN when the picture holds no whole patch."""

    published_symmetric: float
    published_asymmetric: float
    formula_symmetric: float
    formula_asymmetric: float


def glcm_scores(picture: np.ndarray) -> GlcmScores:
    """Averages over the patches of a picture, H W 3 (RGB) or H W (gray) uint8; a remainder of a patch is dropped."""
    scores = patch_scores(picture).reshape(-1, 4)
    return GlcmScores(*(scores.mean(axis=0) if len(scores) else np.full(4, np.nan)).tolist())


def patch_scores(picture: np.ndarray) -> np.ndarray:  # rows columns 4 float64, in the order of GlcmScores
    """The scores of each patch. Gray is Pillow's "L". A picture may come in bands of a multiple of PATCH rows."""
    if picture.dtype != np.uint8:
        raise TypeError(f"the GLCM Score is of 8-bit pictures, not of {picture.dtype}: convert it first")
    rows, columns = picture.shape[0] // PATCH, picture.shape[1] // PATCH
    scores, tables = np.empty((rows, columns, 4)), _tables()
    for row in range(rows):
        _score_row(_levels(picture[row * PATCH : (row + 1) * PATCH]), tables, scores[row])
    return scores


def _levels(band: np.ndarray) -> np.ndarray:  # H W uint8, below LEVELS
    gray = band if band.ndim == 2 else _gray(band)
    return gray // (256 // LEVELS)


@numba.njit(cache=True, nogil=True)
def _gray(rgb):
    """Pillow's conversion to "L" (ITU-R 601-2 in 16 bits), rounding included."""
    gray = np.empty(rgb.shape[:2], np.uint8)
    for y in range(rgb.shape[0]):
        for x in range(rgb.shape[1]):
            gray[y, x] = (19595 * rgb[y, x, 0] + 38470 * rgb[y, x, 1] + 7471 * rgb[y, x, 2] + 32768) >> 16
    return gray


class _Tables(NamedTuple):
    """What all patches have in common. A class is the matrices of one number of pixel pairs; kind 0 is symmetric."""

    offsets: np.ndarray  # offsets 4: dy, dx, class, and how many matrices share them
    totals: np.ndarray  # kind class: the sum of one matrix
    matrices: np.ndarray  # class: how many
    value_of: np.ndarray  # kind class count: the number of the distinct value count / total; 0 is that of 0
    xlogx: np.ndarray  # x log2 x


@lru_cache
def _tables() -> _Tables:
    steps = [(round(np.sin(a) * d), round(np.cos(a) * d)) for d in DISTANCES for a in ANGLES]
    offsets, shared = np.unique(steps, axis=0, return_counts=True)  # distances 1 and 2 share their diagonals
    pairs, classes = np.unique((PATCH - np.abs(offsets)).prod(axis=1), return_inverse=True)
    totals = np.stack([2 * pairs, pairs])
    # Equal fractions are equal floats, for division is rounded correctly; different ones differ by far more.
    fractions = np.arange(2 * PATCH**2 + 1) / totals[..., None]
    xlogx = np.arange(MATRICES * LEVELS**2 + 1.0)
    xlogx[1:] *= np.log2(xlogx[1:])
    return _Tables(
        offsets=np.column_stack([offsets, classes, shared]),
        totals=totals,
        matrices=np.bincount(classes, shared).astype(np.int64),
        value_of=np.unique(fractions, return_inverse=True)[1].reshape(fractions.shape),
        xlogx=xlogx,
    )


@numba.njit(cache=True, nogil=True)
def _score_row(levels, tables, scores):
    """Fills the scores of a row of patches."""
    matrix = np.empty(LEVELS * LEVELS, np.uint16)
    counted = np.zeros(tables.value_of.shape, np.int32)  # kind class count: how many entries are that count
    often = np.zeros(tables.value_of.max() + 1, np.int32)  # the same for each distinct value
    seen = np.zeros(len(often), np.int32)
    for i in range(len(scores)):
        patch = levels[:, i * PATCH : (i + 1) * PATCH]
        patch = patch - patch.min()
        used = np.int64(patch.max()) + 1  # rows and columns of a matrix that can hold anything
        for dy, dx, group, shared in tables.offsets:
            _count_pairs(patch, dy, dx, matrix[: used * LEVELS])
            _count_entries(matrix, used, shared, counted[0, group], counted[1, group])
        for kind in range(2):
            scores[i, kind], scores[i, 2 + kind] = _entropies(counted[kind], kind, used, often, seen, tables)


@numba.njit(cache=True, nogil=True)
def _count_pairs(patch, dy, dx, matrix):
    """Fills one flat co-occurrence matrix. Unsigned indices spare numba's test for negative ones."""
    matrix[:] = 0
    row_length, below, beside = np.uint64(LEVELS), np.uint64(dy), np.uint64(dx)
    left, right = np.uint64(max(0, -dx)), np.uint64(min(PATCH, PATCH - dx))
    for y in range(np.uint64(PATCH) - below):
        here, there = patch[y], patch[y + below]
        for x in range(left, right):
            matrix[np.uint64(here[x]) * row_length + np.uint64(there[x + beside])] += np.uint16(1)


@numba.njit(cache=True, nogil=True)
def _count_entries(matrix, used, shared, symmetric, asymmetric):
    """Adds to the counts how often each value stands in the matrix, and in its sum with its transpose."""
    row_length = np.uint64(LEVELS)
    for i in range(np.uint64(used)):
        on_diagonal = np.uint64(matrix[i * row_length + i])
        asymmetric[on_diagonal] += shared
        symmetric[on_diagonal + on_diagonal] += shared
        for j in range(i):
            one, other = np.uint64(matrix[i * row_length + j]), np.uint64(matrix[j * row_length + i])
            asymmetric[one] += shared
            asymmetric[other] += shared
            symmetric[one + other] += 2 * shared


@numba.njit(cache=True, nogil=True)
def _entropies(counted, kind, used, often, seen, tables):
    """(published, formula) of one kind; sets counted and often back to 0."""
    kinds, formula, everything = 1, 0.0, MATRICES * LEVELS * LEVELS
    often[0] = everything - MATRICES * used * used
    for group, matrices in enumerate(tables.matrices):
        left, count, inner, total = matrices * used * used, 0, 0.0, tables.totals[kind, group]
        while left > 0:
            entries = counted[group, count]
            if entries:
                value = tables.value_of[kind, group, count]
                seen[kinds] = value
                kinds += often[value] == 0
                often[value] += entries
                inner += entries * tables.xlogx[count]
                left -= entries
                counted[group, count] = 0
            count += 1
        formula += (matrices * tables.xlogx[total] - inner) / total
    inner = 0.0
    for value in seen[:kinds]:
        inner += tables.xlogx[often[value]]
        often[value] = 0
    return (tables.xlogx[everything] - inner) / everything, formula / MATRICES

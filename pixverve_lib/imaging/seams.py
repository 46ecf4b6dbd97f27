"""Gradient ratios across the seams of a tile grid (Sec. 3.1.4): a step where tiles meet stands out of its neighbours.

The paper names a "pixel gradient ratio" and prints no formula; not in paper: choice, all of the following. A seam at
row y lies between rows y - 1 and y. Along a stretch of it, and in each channel,

    ratio = (gradient across the seam + FLOOR) / (largest gradient across the row pairs up to REACH beside it + FLOOR)

and the ratio of a stretch is the largest of its channels and of the lengths in `along`: the gradient of length L is
the mean |difference| of two rows that were averaged over blocks of L pixels first. L = 1 is the plain pixel gradient,
which sees content that does not fit together; in L = 64 texture averages out, and a step of brightness or colour that
texture would hide remains. Clean pictures have about 1 and flat ones exactly 1. Against the largest neighbour, rather
than their mean, a horizon on a seam does not count, for the edges of pictures are never one pair of rows wide, nor do
the 8 x 8 blocks of a JPEG, for REACH includes the next block border. What a blend spreads over more than one pair of
rows is not seen either.

Only the pixels within REACH of a seam are looked at: they can come from a picture in memory or piece by piece.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numba
import numpy as np

REACH = 8  # row pairs on either side of a seam
FLOOR = 0.5  # gray levels; a step of one level on flat ground has ratio 3
ALONG = (1, 64)  # pixels

Read = Callable[[int, int, int, int], np.ndarray]  # top, left, height, width -> H W 3 or H W uint8


class Ratios(NamedTuple):
    """Of the seams at stride, 2 stride, ...; empty when the picture has none."""

    rows: np.ndarray  # float64, a number a seam; of segments: seam segment
    columns: np.ndarray


def seam_ratios(picture: np.ndarray, stride: int, along: tuple[int, ...] = ALONG) -> Ratios:
    """Ratio of every horizontal and every vertical seam over its full length.  picture: H W 3 or H W uint8"""
    rows, columns = read_ratios(_reader(picture), *picture.shape[:2], stride, max(picture.shape), along)
    return Ratios(rows[:, 0], columns[:, 0])


def seam_map(picture: np.ndarray, stride: int) -> Ratios:
    """Ratios of segments of `stride` pixels, which are the sides of tiles; the last one of a seam may be shorter."""
    return read_ratios(_reader(picture), *picture.shape[:2], stride, stride)


def read_ratios(
    read: Read, height: int, width: int, stride: int, segment: int, along: tuple[int, ...] = ALONG
) -> Ratios:
    """Ratios of segments of `segment` pixels, of a picture of which only the strips beside its seams are read."""
    if stride <= REACH:
        raise ValueError(f"seams must be more than {REACH} px apart, for each is judged by its neighbourhood")
    rows = [_strip(y, height) for y in range(stride, height, stride)]
    columns = [_strip(x, width) for x in range(stride, width, stride)]
    across = [strip_ratios(read(start, 0, n, width), seam, segment, along) for start, n, seam in rows]
    down = [strip_ratios(cv2.transpose(read(0, start, height, n)), seam, segment, along) for start, n, seam in columns]
    return Ratios(_stacked(across, width, segment), _stacked(down, height, segment))


def strip_ratios(strip: np.ndarray, seam: int, segment: int, along: tuple[int, ...] = ALONG) -> np.ndarray:  # segments
    """Ratios along one horizontal seam, between rows seam - 1 and seam of a strip (H W 3 or H W uint8) around it."""
    if strip.dtype != np.uint8:
        raise TypeError(f"seams are looked for in 8-bit pictures, not in {strip.dtype}: convert it first")
    gradients = np.stack([_gradients(plane, segment, length) for plane in cv2.split(strip) for length in along])
    across, beside = gradients[..., seam - 1], np.delete(gradients, seam - 1, axis=-1).max(axis=-1)
    return ((across + FLOOR) / (beside + FLOOR)).max(axis=0)


def _reader(picture: np.ndarray) -> Read:
    return lambda top, left, height, width: picture[top : top + height, left : left + width]


def _strip(seam: int, side: int) -> tuple[int, int, int]:
    """First row of the strip around a seam, how many rows, and the seam's row in it."""
    start = max(0, seam - 1 - REACH)
    return start, min(side, seam + 1 + REACH) - start, seam - start


def _stacked(ratios: list[np.ndarray], length: int, segment: int) -> np.ndarray:  # seams segments
    return np.stack(ratios) if ratios else np.empty((0, -(-length // segment)))


@numba.njit(cache=True, nogil=True)
def _gradients(plane, segment, length):  # segments pairs of rows, gray levels
    """Mean |difference| of neighbouring rows averaged over blocks of `length`; 0 where a segment holds no block."""
    rows, width = plane.shape
    means = np.zeros(((width + segment - 1) // segment, rows - 1))
    for i in range(len(means)):
        start, stop = i * segment, min(width, (i + 1) * segment)
        blocks = (stop - start) // length
        for y in range(rows - 1):
            above, below = plane[y, start:stop], plane[y + 1, start:stop]
            if blocks:
                means[i, y] = _sum_of_steps(above, below, length, blocks) / (blocks * length)
    return means


@numba.njit(cache=True, nogil=True)
def _sum_of_steps(above, below, length, blocks):
    total = np.int64(0)
    if length == 1:  # the same without an inner loop, so that it runs on many pixels at once
        for x in range(blocks):
            total += abs(np.int32(below[x]) - np.int32(above[x]))
        return total
    for i in range(blocks):
        step = np.int32(0)
        for x in range(i * length, (i + 1) * length):
            step += np.int32(below[x]) - np.int32(above[x])
        total += abs(step)
    return total

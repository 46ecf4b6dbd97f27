"""Overlapping tiles: where they lie, how they fade into each other, and a blender that holds one row of them.

Along one axis tiles start at 0, stride, 2 stride, ...; the last one is moved back so that it ends with the picture, and
a picture smaller than a tile is one tile. Over the last `fade` pixels of a tile its weight falls as the next one's
rises, elsewhere exactly one tile counts, so never more than two do, however far the last one was moved. `fade` is the
largest power of two that fits into the overlap and the stride: then the weights (2k + 1) / (2 fade) are exact in
float32, and so is their sum, 1. In two dimensions weights are products of those of the axes: exact, too.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numba
import numpy as np


class Span(NamedTuple):
    """One tile along one axis, in pixels of the picture."""

    start: int
    stop: int
    first: int  # where its weight begins: the tile before fades out from here on
    last: int  # where it begins to fade out itself: every pixel from `first` on is finished there


def fade_length(tile: int, stride: int) -> int:
    """Over how many pixels two tiles fade; 0 when they do not overlap. Raises ValueError for stride > tile or < 1."""
    if not 0 < stride <= tile:
        raise ValueError(f"a stride of {stride} px leaves gaps between tiles of {tile} px, or never ends")
    room = min(tile - stride, stride)
    return 1 << room.bit_length() - 1 if room else 0


def plan(length: int, tile: int, stride: int) -> list[Span]:
    """The tiles that cover `length` pixels, in order. Raises ValueError as `fade_length` does."""
    fade, size = fade_length(tile, stride), min(tile, length)
    number = 1 + -(-(length - size) // stride)
    starts = [min(i * stride, length - size) for i in range(number)]
    fades = [0] + [start + size - fade for start in starts[:-1]] + [length]
    return [Span(start, start + size, fades[i], fades[i + 1]) for i, start in enumerate(starts)]


def weights(length: int, tile: int, stride: int) -> np.ndarray:  # tiles length float32
    """The weight of each tile along one axis; the sum over the tiles is exactly 1 at every pixel."""
    spans, ramp = plan(length, tile, stride), _ramp(fade_length(tile, stride))
    table = np.zeros((len(spans), length), np.float32)
    for row, span in zip(table, spans, strict=True):
        row[span.first : span.stop] = 1
    for before, after, span in zip(table, table[1:], spans, strict=False):
        after[span.last : span.stop] = ramp
        before[span.last : span.stop] = 1 - ramp
    return table


def blend(tiles: Iterable[np.ndarray], height: int, width: int, tile: int, stride: int) -> Iterator[np.ndarray]:
    """Bands (rows width 3 uint8) of the picture that the tiles make, from the top; half levels are rounded up.

    tiles: those of `plan(height, ...)` x `plan(width, ...)`, the left ones of the top row first; each H W 3 float32 in
    [0, 255]. They are taken one by one and not changed; beside them a band and two lines of fading rows are held.
    Raises ValueError for a tile of another size or type, or when there are too few.
    """
    tiles, fade = iter(tiles), fade_length(tile, stride)
    ramp, columns = _ramp(fade), plan(width, tile, stride)
    above, below = np.empty((2, fade, width, 3), np.float32)
    for row in plan(height, tile, stride):
        band = np.empty((row.last - row.first, width, 3), np.uint8)
        left = np.empty((row.stop - row.start, fade, 3), np.float32)
        for column in columns:
            piece = _checked(next(tiles, None), row, column)
            _place(piece, left, above, band, below, ramp, row, column)
            left = np.ascontiguousarray(piece[:, piece.shape[1] - fade :])  # one layout: one compilation
        above, below = below, above
        yield band


def _ramp(fade) -> np.ndarray:
    return ((2 * np.arange(fade) + 1) / (2 * max(fade, 1))).astype(np.float32)


def _checked(piece, row, column) -> np.ndarray:
    due = row.stop - row.start, column.stop - column.start, 3
    if piece is None or piece.shape != due or piece.dtype != np.float32:
        found = "missing" if piece is None else f"{piece.dtype} {piece.shape}"
        raise ValueError(f"the tile at ({row.start}, {column.start}) is {found}, not float32 {due}")
    return np.ascontiguousarray(piece)


# Every pixel is finished by the last tile that counts there, so no sums are kept but those of the fading edges:
# `left` is the fading edge of the tile to the left, `above` and `below` are those of the rows of tiles.
@numba.njit(nogil=True, cache=True)
def _place(piece, left, above, band, below, ramp, row, column):
    y0, x0 = row[2] - row[0], column[2] - column[0]
    rows_done, columns_done = row[3] - row[0], column[3] - column[0]
    fading_down, fading_right = row[2] > 0, column[2] > 0
    count = 3 * (columns_done - x0)
    line, wide_ramp = np.empty(count, np.float32), ramp.repeat(3)
    for y in range(y0, piece.shape[0]):
        new = piece[y, x0:columns_done].reshape(count)
        for i in range(count):  # a loop, for numba copies slices several times slower
            line[i] = new[i]
        if fading_right:
            old = left[y].reshape(wide_ramp.size)
            for i in range(wide_ramp.size):
                line[i] = old[i] + (new[i] - old[i]) * wide_ramp[i]
        if y >= rows_done:
            fading = below[y - rows_done, column[2] : column[3]].reshape(count)
            for i in range(count):
                fading[i] = line[i]
            continue
        if fading_down and y - y0 < ramp.size:
            weight, over = ramp[y - y0], above[y - y0, column[2] : column[3]].reshape(count)
            for i in range(count):
                line[i] = over[i] + (line[i] - over[i]) * weight
        finished = band[y - y0, column[2] : column[3]].reshape(count)
        for i in range(count):
            finished[i] = np.uint8(np.int32(line[i] + np.float32(0.5)))

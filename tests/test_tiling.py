"""Overlapping tiles: weights sum to exactly one, so flat stays flat, smooth stays smooth, and nothing is lost."""
import itertools

import numpy as np
import pytest

from pixverve_lib.imaging import tiling

TILE, STRIDE = 32, 24
LENGTHS = (1, 2, 31, 32, 33, 55, 56, 57, 80, 81, 103, 104, 105)  # below a tile, odd, and remainders of one pixel


def blended(height, width, of_place, tile=TILE, stride=STRIDE):
    places = itertools.product(tiling.plan(height, tile, stride), tiling.plan(width, tile, stride))
    return np.concatenate(list(tiling.blend((of_place(*place) for place in places), height, width, tile, stride)))


def flat(level):
    return lambda row, column: np.full((row.stop - row.start, column.stop - column.start, 3), level, np.float32)


def view_of(picture):
    return lambda row, column: picture[row.start : row.stop, column.start : column.stop]


@pytest.mark.parametrize("tile, stride", [(TILE, STRIDE), (32, 32), (32, 9), (31, 24), (512, 384), (7, 6)])
def test_weights_sum_to_exactly_one_and_never_more_than_two_tiles_count(tile, stride):
    for length in (*LENGTHS, 3 * tile + 1, 10240):
        table = tiling.weights(length, tile, stride)
        assert table.dtype == np.float32 and (table >= 0).all()
        assert (table.sum(axis=0, dtype=np.float32) == 1).all() and ((table > 0).sum(axis=0) <= 2).all()
        spans = tiling.plan(length, tile, stride)
        outside = np.ones(table.shape, bool)
        for row, span in zip(outside, spans, strict=True):
            row[span.start : span.stop] = False
        assert not table[outside].any() and spans[0].start == 0 and spans[-1].stop == length
        assert all(span.start % stride == 0 for span in spans[:-1])  # the grid of the seam inspection


def test_products_of_weights_sum_to_exactly_one_too():
    rows, columns = tiling.weights(1025, 512, 384), tiling.weights(900, 512, 384)
    total = sum(np.outer(row, column) for row in rows for column in columns)
    assert total.dtype == np.float32 and (total == 1).all()


def test_strides_that_leave_gaps_or_never_end_are_refused():
    for stride in (0, -3, 33):
        with pytest.raises(ValueError, match=f"a stride of {stride} px"):
            tiling.plan(100, 32, stride)


@pytest.mark.parametrize("height, width", [(1, 1), (31, 5), (33, 57), (80, 81), (105, 104)])
def test_a_flat_field_comes_out_flat_at_every_level(height, width):
    for level in range(256):
        assert (blended(height, width, flat(level)) == level).all()


@pytest.mark.parametrize("value, level", [(0.5, 1), (99.49, 99), (100.3, 100), (254.5, 255), (255, 255)])
def test_half_levels_are_rounded_up(value, level):
    assert (blended(57, 57, flat(value)) == level).all()


@pytest.mark.parametrize("height, width", [(57, 105), (33, 33), (200, 31)])
def test_a_smooth_gradient_comes_out_as_it_went_in(height, width):
    y, x = np.mgrid[:height, :width]
    gradient = np.stack([255 * y / height, 255 * x / width, 255 * (x + y) / (height + width)], -1).astype(np.float32)
    assert np.array_equal(blended(height, width, view_of(gradient)), (gradient + 0.5).astype(np.uint8))


@pytest.mark.parametrize("tile, stride", [(TILE, STRIDE), (32, 32), (32, 9), (31, 24)])
def test_different_tiles_are_blended_by_the_product_of_the_weights(tile, stride):
    rng, height, width = np.random.default_rng(0), 81, 105
    rows, columns = tiling.weights(height, tile, stride), tiling.weights(width, tile, stride)
    places = list(itertools.product(tiling.plan(height, tile, stride), tiling.plan(width, tile, stride)))
    tiles = [np.round(255 * rng.random((r.stop - r.start, c.stop - c.start, 3), np.float32)) for r, c in places]
    due = np.zeros((height, width, 3), np.float32)
    for tile_, (row, column), (i, j) in zip(tiles, places, np.ndindex(len(rows), len(columns)), strict=True):
        share = np.outer(rows[i], columns[j])[row.start : row.stop, column.start : column.stop, None]
        due[row.start : row.stop, column.start : column.stop] += share * tile_  # exact: few bits each
    given = iter(tiles)
    assert np.array_equal(blended(height, width, lambda *_: next(given), tile, stride), (due + 0.5).astype(np.uint8))


def test_tiles_are_not_changed_and_taken_one_row_at_a_time():
    taken, tile = [], np.full((TILE, TILE, 3), 7, np.float32)
    bands = tiling.blend((taken.append(1) or tile for _ in range(16)), 104, 104, TILE, STRIDE)
    assert [(len(band), len(taken)) for band in bands] == [(24, 4), (24, 8), (24, 12), (32, 16)]
    assert (tile == 7).all()


def test_a_wrong_or_missing_tile_is_named():
    with pytest.raises(ValueError, match=r"at \(0, 24\) is float32 \(32, 31, 3\), not float32 \(32, 32, 3\)"):
        list(tiling.blend([np.zeros((32, 32 - i, 3), np.float32) for i in range(2)], 32, 56, TILE, STRIDE))
    with pytest.raises(ValueError, match=r"at \(0, 0\) is uint8"):
        list(tiling.blend([np.zeros((32, 32, 3), np.uint8)], 32, 32, TILE, STRIDE))
    with pytest.raises(ValueError, match=r"at \(24, 0\) is missing"):
        list(tiling.blend([np.zeros((32, 32, 3), np.float32)], 56, 32, TILE, STRIDE))

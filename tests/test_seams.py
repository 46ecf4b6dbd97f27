"""Seam ratios: closed forms, the whole-picture NumPy way, planted seams, and edges that are none."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pixverve_lib.imaging import reading, seams

REAL = Path(__file__).parents[2] / "shared" / "data" / "real"
STRIDE = 64  # paper: 384
LIMIT = 2.5  # Sec. 3.1.4


def texture(height, width, grain=6, seed=0):
    """Soft shapes in three channels under grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(100, 160, (height // 32, width // 32, 3))
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(soft + rng.normal(0, grain, soft.shape), 0, 255).astype(np.uint8)


def ratios_by_hand(picture, stride, segment, along):
    """Ratios of horizontal seams from gradients of the whole picture in float64."""
    height, width, channels = picture.shape
    found = np.empty(((height - 1) // stride, -(-width // segment)))
    for row, column in np.ndindex(*found.shape):
        part, seam, ratios = picture[:, column * segment : (column + 1) * segment].astype(float), (row + 1) * stride, []
        for length in along:
            blocks = part[:, : part.shape[1] // length * length].reshape(height, -1, length, channels).mean(axis=2)
            gradient = np.abs(np.diff(blocks, axis=0)).sum(axis=1) / max(1, blocks.shape[1])
            beside = [gradient[y] for y in range(seam - 9, seam + 8) if 0 <= y < height - 1 and y != seam - 1]
            ratios.append((gradient[seam - 1] + 0.5) / (np.max(beside, axis=0) + 0.5))
        found[row, column] = np.max(ratios)
    return found


@pytest.mark.parametrize("shape", [(200, 208), (131, 325), (65, 64), (64, 65), (71, 129)])
def test_ratios_agree_with_gradients_of_the_whole_picture_with_any_remainder(shape):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    turned = picture.transpose(1, 0, 2)
    for found, segment in ((seams.seam_map(picture, STRIDE), STRIDE), (seams.seam_ratios(picture, STRIDE), 999)):
        rows, columns = (ratios_by_hand(view, STRIDE, segment, seams.ALONG) for view in (picture, turned))
        assert found.rows.reshape(rows.shape) == pytest.approx(rows, rel=1e-12)
        assert found.columns.reshape(columns.shape) == pytest.approx(columns, rel=1e-12)


def test_a_flat_picture_has_ratio_one_and_a_step_is_counted_in_half_levels():
    flat = np.full((200, 300), 90, np.uint8)
    assert all((ratios == 1).all() for ratios in seams.seam_ratios(flat, STRIDE))
    flat[2 * STRIDE :] += 4
    stepped = seams.seam_ratios(flat, STRIDE)
    assert stepped.rows == pytest.approx([1, (4 + 0.5) / (0 + 0.5), 1])
    assert (stepped.columns == 1).all()


@pytest.mark.parametrize("change", [(4, 4, 4), (0, 0, 6)])
def test_of_one_tile_that_is_brighter_or_tinted_exactly_the_four_sides_stand_out(change):
    picture = texture(5 * STRIDE, 6 * STRIDE, grain=2)
    picture[2 * STRIDE : 3 * STRIDE, 3 * STRIDE : 4 * STRIDE] += np.array(change, np.uint8)
    rows, columns = seams.seam_map(picture, STRIDE)
    assert np.argwhere(rows > LIMIT).tolist() == [[1, 3], [2, 3]]
    assert np.argwhere(columns > LIMIT).tolist() == [[2, 2], [3, 2]]


def test_a_step_hidden_in_texture_is_found_by_averaging_along_the_seam():
    picture = texture(256, 1024, grain=8)
    picture[128:] += 6
    assert seams.seam_ratios(picture, 128, along=(1,)).rows[0] < 1.5
    assert seams.seam_ratios(picture, 128).rows[0] > LIMIT


def test_displaced_content_is_found_by_the_pixel_gradient():
    picture = texture(256, 1024, grain=0)
    picture[128:] = picture[128:, list(range(6, 1024)) + [1023] * 6]
    assert seams.seam_ratios(picture, 128, along=(1,)).rows[0] > LIMIT


def test_a_soft_horizon_on_a_seam_is_no_seam():
    picture = np.full((256, 300), 200, np.uint8)
    picture[128:] = 60
    assert seams.seam_ratios(cv2.blur(picture, (1, 3)), 128).rows[0] == pytest.approx(1, abs=0.05)


def test_block_borders_of_a_jpeg_are_no_seams():
    _, data = cv2.imencode(".jpg", texture(512, 512, grain=3), [cv2.IMWRITE_JPEG_QUALITY, 40])
    ratios = seams.seam_ratios(cv2.imdecode(data, cv2.IMREAD_COLOR), STRIDE)
    assert max(ratios.rows.max(), ratios.columns.max()) < 2


def test_only_the_strips_beside_seams_are_read():
    picture, touched = texture(400, 500), np.zeros((400, 500), bool)

    def read(top, left, height, width):
        touched[top : top + height, left : left + width] = True
        return picture[top : top + height, left : left + width]

    found = seams.read_ratios(read, 400, 500, 100, 100)
    for ours, whole in zip(found, seams.seam_map(picture, 100), strict=True):
        assert np.array_equal(ours, whole)
    y, x = np.indices(touched.shape)
    beside = [(abs(i - seam + 0.5) < 9) for i, side in ((y, 400), (x, 500)) for seam in range(100, side, 100)]
    assert np.array_equal(touched, np.any(beside, axis=0))


def test_gray_and_mirrored_pictures_are_taken_and_small_ones_have_no_seams():
    picture = texture(260, 390)
    gray = picture[..., 0]
    assert np.array_equal(seams.seam_ratios(gray, 130).rows, seams.seam_ratios(np.dstack([gray] * 3), 130).rows)
    mirrored = seams.seam_ratios(picture[::-1, ::-1], 130, along=(1,))
    assert mirrored.columns == pytest.approx(seams.seam_ratios(picture, 130, along=(1,)).columns[::-1])
    small = seams.seam_map(picture[:130, :130], 130)
    assert (small.rows.shape, small.columns.shape) == ((0, 1), (0, 1))


def test_strides_and_samples_that_cannot_be_judged_are_refused():
    with pytest.raises(ValueError, match="more than 8 px apart"):
        seams.seam_ratios(texture(64, 64), 8)
    with pytest.raises(TypeError, match="float32"):
        seams.seam_ratios(np.zeros((40, 40, 3), np.float32), 16)


def test_real_photographs_have_no_seams():
    if not REAL.exists():
        pytest.skip("no ../shared/data/real on this machine")
    for path in sorted(REAL.glob("*.jp*g"))[:4]:
        ratios = seams.seam_map(reading.read_rgb(path), 384)
        assert max(ratios.rows.max(), ratios.columns.max()) < LIMIT

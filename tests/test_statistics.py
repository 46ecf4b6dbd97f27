"""The four pixel statistics: closed forms, the whole-picture OpenCV way, and known values of photographs."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.imaging import reading, statistics
from pixverve_lib.paper import constants as paper

REAL = Path(__file__).parents[2] / "shared" / "data" / "real"
DETECTORS = {
    "dark": paper.EXPOSURE_LOW,
    "bright": paper.EXPOSURE_HIGH,
    "patch": paper.FLAT_PATCH,
    "textureless_variance": paper.FLAT_MIN_VARIANCE,
}


def whole_picture_way(rgb, patch):
    """The same with one call over the whole picture in float64, straight from the definitions."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    rows, columns = gray.shape[0] // patch, gray.shape[1] // patch
    variances = np.empty((rows, columns))
    for row, column in np.ndindex(rows, columns):
        cell = gray[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch].copy()
        magnitude = np.hypot(cv2.Sobel(cell, cv2.CV_64F, 1, 0, ksize=3), cv2.Sobel(cell, cv2.CV_64F, 0, 1, ksize=3))
        variances[row, column] = magnitude.var()
    return np.bincount(gray.ravel(), minlength=256), cv2.Laplacian(gray, cv2.CV_64F).var(), variances


def test_a_constant_picture_is_flat_without_edges_or_information():
    picture = np.full((480, 480, 3), 128, np.uint8)
    assert statistics.measure(picture, **DETECTORS) == (0.0, 0.0, 1.0, 0.0)


def test_a_ramp_of_all_256_levels_has_8_bits():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (10, 1))
    assert statistics.entropy_bits(statistics.gray_histogram(ramp)) == 8.0


def test_half_black_is_half_badly_exposed_and_the_bounds_themselves_are_well_exposed():
    half_black = np.full((100, 100), 128, np.uint8)
    half_black[:50] = 0
    assert statistics.exposure(statistics.gray_histogram(half_black), dark=5, bright=250) == 0.5
    levels = np.array([[4, 5, 250, 251]], np.uint8)
    assert statistics.exposure(statistics.gray_histogram(levels), dark=5, bright=250) == 0.5


def test_the_laplacian_of_a_checkerboard_is_plus_and_minus_four_steps():
    step = 10  # every neighbour differs by it, the reflected ones beyond the border too: the Laplacian is +-4 * step
    checkerboard = (100 + step * (np.indices((300, 200)).sum(axis=0) % 2)).astype(np.uint8)
    assert statistics.laplacian_variance(checkerboard) == (4 * step) ** 2


def test_the_gradient_variance_of_one_vertical_edge_is_as_computed_by_hand():
    patch, step = 10, 50
    edge = np.zeros((patch, patch), np.uint8)
    edge[:, 5:] = step
    share = 2 / patch  # the two columns beside the edge have magnitude 4 * step, all others 0
    expected = share * (1 - share) * (4 * step) ** 2
    assert statistics.patch_variances(edge, patch)[0, 0] == pytest.approx(expected, rel=1e-12)


def test_a_patch_exactly_at_the_threshold_is_not_textureless():
    variances = np.array([[749.999, 750.0], [750.001, 10.0]])
    assert statistics.flat_fraction(variances, 750) == 0.5


def test_a_picture_without_a_whole_patch_has_no_flat_fraction():
    picture = np.zeros((1000, 239, 3), np.uint8)
    assert statistics.patch_variances(picture, 240).shape == (4, 0)
    assert np.isnan(statistics.measure(picture, **DETECTORS).flat_fraction)


@pytest.mark.parametrize("seed", range(8))
def test_bands_leave_no_trace(seed):
    rng = np.random.default_rng(seed)
    height, width, patch = (int(n) for n in rng.integers((1, 1, 8), (700, 300, 300)))
    coarse = rng.integers(0, 256, (height // 7 + 2, width // 5 + 2, 3), dtype=np.uint8)
    rgb = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    histogram, laplacian, variances = whole_picture_way(rgb, patch)
    assert np.array_equal(statistics.gray_histogram(rgb), histogram)
    assert statistics.laplacian_variance(rgb) == pytest.approx(laplacian, rel=1e-12)
    assert statistics.patch_variances(rgb, patch) == pytest.approx(variances, rel=1e-6)


def test_gray_pictures_and_views_measure_like_their_rgb():
    rgb = np.random.default_rng(0).integers(0, 256, (500, 260, 3), dtype=np.uint8)
    expected = statistics.measure(rgb, **DETECTORS)
    assert statistics.measure(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), **DETECTORS) == expected
    assert statistics.measure(rgb[..., ::-1].copy()[..., ::-1], **DETECTORS) == expected


def test_real_photographs_agree_with_their_reference_values():
    if not REAL.exists():
        pytest.skip("no ../shared/data/real on this machine")
    for known in pd.read_csv(REAL / "reference.csv").itertuples():
        found = statistics.measure(reading.read_rgb(REAL / known.file), **DETECTORS)
        assert found.exposure == pytest.approx(known.exposure, abs=1e-6)
        assert found.entropy_bits == pytest.approx(known.entropy_bits, abs=1e-6)
        assert found.flat_fraction == pytest.approx(known.flat_fraction, abs=1e-6)
        assert found.laplacian_variance == pytest.approx(known.laplacian_variance, rel=1e-4)

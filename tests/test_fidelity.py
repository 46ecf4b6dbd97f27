"""PSNR and SSIM: closed forms, scikit-image, a value of pyiqa, and bands that leave no trace."""

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pixverve_lib.imaging import fidelity


@pytest.fixture(scope="module")
def pair():
    """Texture of many scales, and what is left of it after blur and grain."""
    rng = np.random.default_rng(0)
    sizes = [(4, 5), (15, 21), (75, 105), (300, 421)]
    layers = [cv2.resize(rng.normal(0, 25, (*size, 3)), (421, 300), interpolation=cv2.INTER_CUBIC) for size in sizes]
    picture = np.clip(128 + sum(layers), 0, 255).astype(np.uint8)
    return picture, np.clip(cv2.blur(picture, (3, 3)) + rng.normal(0, 9, picture.shape), 0, 255).astype(np.uint8)


def reference_ssim(a, b):
    channel_axis = 2 if a.ndim == 3 else None
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    return structural_similarity(a, b, channel_axis=channel_axis, **options)


def test_colour_and_gray_agree_with_scikit_image(pair):
    for a, b in (pair, [picture[..., 1] for picture in pair]):
        assert fidelity.ssim(a, b) == pytest.approx(reference_ssim(a, b), abs=1e-5)
        assert fidelity.psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0, 255), (255, 254), (3, 3), (0, 1)])
def test_flat_pictures_have_the_ssim_of_their_two_levels(a, b):
    flat = [np.full((40, 50, 3), level, np.uint8) for level in (a, b)]
    c1 = (0.01 * 255) ** 2
    assert fidelity.ssim(*flat) == pytest.approx((2 * a * b + c1) / (a**2 + b**2 + c1), abs=1e-5)


def test_an_error_of_one_level_everywhere_is_48_decibels():
    a = np.full((20, 30), 7, np.uint8)
    assert fidelity.psnr(a, a + 1) == pytest.approx(20 * np.log10(255))


def test_equal_pictures_have_infinite_psnr_and_an_ssim_of_exactly_one(pair):
    assert fidelity.compare([(pair[0], pair[0].copy())]) == (float("inf"), 1.0)


@pytest.mark.parametrize("rows", [1, 7, 64, 299])
def test_bands_leave_no_trace(pair, rows):
    bands = ([picture[top : top + rows] for top in range(0, 300, rows)] for picture in pair)
    found = fidelity.compare(zip(*bands, strict=True))
    assert found.psnr == fidelity.psnr(*pair)
    assert found.ssim == pytest.approx(fidelity.ssim(*pair), abs=1e-9)


def test_a_picture_wider_than_one_strip_is_counted_once():
    a = np.random.default_rng(1).integers(0, 256, (30, 4 * fidelity.STRIP + 17), dtype=np.uint8)
    b = cv2.blur(a, (3, 3))
    assert fidelity.ssim(a, b) == pytest.approx(reference_ssim(a, b), abs=1e-5)


def test_pyiqa_computes_the_same_of_a_gray_picture():
    y, x = np.mgrid[:64, :96]
    a = ((x * x + 3 * y * y + x * y) // 40 % 256).astype(np.uint8)
    b = (a // 16 * 16 + 8).astype(np.uint8)
    known = 0.924646  # pyiqa 0.1.16, ssim with test_y_channel=False; importing it here would take 15 s
    assert fidelity.ssim(a, b) == pytest.approx(known, abs=1e-5)


def test_views_and_bad_pairs_are_handled(pair):
    a, b = pair
    assert fidelity.ssim(a[:, ::-1], b[:, ::-1]) == pytest.approx(fidelity.ssim(a, b), abs=1e-6)
    with pytest.raises(ValueError, match="different size"):
        fidelity.psnr(a, b[:-1])
    with pytest.raises(ValueError, match="at least 11 x 11"):
        fidelity.ssim(a[:10], b[:10])
    with pytest.raises(TypeError, match="float32"):
        fidelity.psnr(a, b.astype(np.float32))

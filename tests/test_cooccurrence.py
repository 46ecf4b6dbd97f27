"""The GLCM Score in four variants: scikit-image on every kind of patch, closed forms, and values of photographs."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.feature import graycomatrix
from skimage.measure import shannon_entropy

from pixverve_lib.imaging import cooccurrence, reading

REAL = Path(__file__).parents[2] / "shared" / "data" / "real"
ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)


def scores_by_scikit_image(levels):
    """The four scores of one patch of levels below 64."""
    published, formula = [], []
    for symmetric in (True, False):
        matrices = graycomatrix(levels, (1, 2, 3, 4), ANGLES, levels=64, symmetric=symmetric, normed=True)
        published.append(shannon_entropy(matrices))
        p = np.where(matrices > 0, matrices, 1)
        formula.append(-(p * np.log2(p)).sum(axis=(0, 1)).mean())
    return *published, *formula


def patches():
    """64-px gray patches from flat to full of noise, as one name -> H W uint8."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    noise = rng.integers(0, 256, (64, 64), dtype=np.uint8)
    return {
        "noise over all levels": noise,
        "soft noise": cv2.blur(noise, (5, 5)),
        "two levels": np.where(noise > 200, 255, 0).astype(np.uint8),
        "ramp": (4 * x).astype(np.uint8),
        "checkerboard": (17 * ((x + y) % 2) + 100).astype(np.uint8),
        "one pixel differs": np.where((y == 30) & (x == 12), 9, 200).astype(np.uint8),
    }


@pytest.mark.parametrize("name", patches())
def test_a_patch_scores_as_in_scikit_image(name):
    gray = patches()[name]
    assert cooccurrence.patch_scores(gray)[0, 0] == pytest.approx(scores_by_scikit_image(gray // 4), abs=1e-12)


def test_a_constant_patch_has_no_entropy_but_its_array_has_two_values():
    scores = cooccurrence.glcm_scores(np.full((64, 64, 3), 77, np.uint8))
    ones = 16 / 64**2 / 16  # one entry of each of 16 matrices is 1, all others 0
    expected = -ones * np.log2(ones) - (1 - ones) * np.log2(1 - ones)
    assert (scores.formula_symmetric, scores.formula_asymmetric) == (0, 0)
    assert scores.published_symmetric == scores.published_asymmetric == pytest.approx(expected, abs=1e-12)


def test_a_picture_scores_the_average_of_its_patches_and_drops_the_remainder():
    rows = np.hstack(list(patches().values())[:3]), np.hstack(list(patches().values())[3:])
    picture = np.pad(np.vstack(rows), ((0, 40), (0, 63)), mode="reflect")
    expected = np.mean([scores_by_scikit_image(gray // 4) for gray in patches().values()], axis=0)
    assert cooccurrence.glcm_scores(picture) == pytest.approx(expected, abs=1e-12)
    bands = [cooccurrence.patch_scores(picture[top : top + 64]) for top in (0, 64)]
    assert np.array_equal(np.concatenate(bands), cooccurrence.patch_scores(picture))


def test_gray_is_that_of_pillow():
    rgb = np.random.default_rng(1).integers(0, 256, (192, 320, 3), dtype=np.uint8)
    gray = np.asarray(Image.fromarray(rgb).convert("L"))
    assert np.array_equal(cooccurrence.patch_scores(rgb), cooccurrence.patch_scores(gray))
    assert np.array_equal(cooccurrence.patch_scores(rgb[:, ::-1]), cooccurrence.patch_scores(gray[:, ::-1].copy()))


def test_a_picture_without_a_whole_patch_has_no_score_and_floats_are_refused():
    assert np.isnan(cooccurrence.glcm_scores(np.zeros((63, 1000, 3), np.uint8))).all()
    with pytest.raises(TypeError, match="float64"):
        cooccurrence.glcm_scores(np.zeros((64, 64)))


def test_real_photographs_agree_with_their_reference_values():
    if not REAL.exists():
        pytest.skip("no ../shared/data/real on this machine")
    for known in pd.read_csv(REAL / "reference.csv")[::4].itertuples():
        scores = cooccurrence.glcm_scores(reading.read_rgb(REAL / known.file))
        for variant, score in scores._asdict().items():
            assert score == pytest.approx(getattr(known, f"glcm_{variant}"), abs=1e-6), (known.file, variant)

"""Which patches are judged, and what judgements decide."""
import cv2
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation import regions
from pixverve_lib.imaging import large
from pixverve_lib.paper.constants import INSTANCE_MAX_BAD, REGION_PATCH


@pytest.fixture
def variances():
    return np.random.default_rng(0).permutation(169).reshape(13, 13).astype(float)  # 10240 // 768 = 13


def test_six_patches_have_the_highest_variance_and_four_others_are_random_and_all_differ(variances):
    patches = regions.choose(variances, "a")
    assert list(patches.why) == ["texture"] * 6 + ["random"] * 4
    assert list(patches.sobel_variance[:6]) == [168, 167, 166, 165, 164, 163]
    assert len(patches.drop_duplicates(["top", "left"])) == 10
    assert (variances[patches.top // REGION_PATCH, patches.left // REGION_PATCH] == patches.sobel_variance).all()


def test_the_random_patches_depend_on_the_picture_and_the_seed_and_on_nothing_else(variances):
    def random(name, seed=0):
        return regions.choose(variances, name, seed).query("why == 'random'")

    first = random("a")
    random("b")
    pd.testing.assert_frame_equal(random("a"), first)
    assert not random("b").equals(first) and not random("a", seed=1).equals(first)


def test_every_other_patch_is_equally_likely_to_be_a_random_one():
    variances = np.arange(26.0).reshape(2, 13)
    drawn = pd.concat([regions.choose(variances, i) for i in range(600)]).query("why == 'random'")
    counts = drawn.sobel_variance.value_counts()
    assert set(counts.index) == set(range(20)) and abs(counts / 120 - 1).max() < 4 * np.sqrt(0.8 / 120)


@pytest.mark.parametrize("shape, textured, random", [((0, 4), 0, 0), ((1, 4), 4, 0), ((2, 4), 6, 2)])
def test_a_picture_with_fewer_patches_gives_those_it_has(shape, textured, random):
    patches = regions.choose(np.ones(shape), "a")
    assert list(patches.why) == ["texture"] * textured + ["random"] * random


def test_bands_give_the_variances_of_the_gradient_magnitude_on_gray():
    rgb = np.random.default_rng(0).integers(0, 256, (1600, 1700, 3), dtype=np.uint8)
    found = regions.variances([rgb[:100], rgb[100:1000], rgb[1000:]])
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[768:1536, :768].copy()
    magnitude = np.hypot(cv2.Sobel(gray, cv2.CV_64F, 1, 0), cv2.Sobel(gray, cv2.CV_64F, 0, 1))
    assert found.shape == (2, 2) and found[1, 0] == pytest.approx(magnitude.var(), rel=1e-6)


def test_a_tiled_file_gives_the_patches_of_the_picture_in_it(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (1600, 1700, 3), dtype=np.uint8)
    large.write_tiled(tmp_path / "a.tif", *rgb.shape[:2], [rgb])
    expected = regions.choose(regions.variances([rgb]), "a")
    pd.testing.assert_frame_equal(regions.sample(tmp_path / "a.tif", "a"), expected)


def judged(**pictures):
    return pd.DataFrame([(name, bad) for name, answers in pictures.items() for bad in answers], columns=["id", "bad"])


def test_more_than_one_bad_patch_rejects_and_one_missing_answer_is_no_good_one():
    answers = judged(none=[False] * 10, one=[True] + [False] * 9, two=[True, True] + [None] * 8,
                     lost=[None] + [False] * 9, open=[True, None] + [False] * 8)
    assert dict(regions.decide(answers).verdict) == {"none": "kept", "one": "kept", "two": "rejected", "lost": "kept",
                                                     "open": "undecided"}


def test_any_defective_instance_rejects_and_any_missing_answer_leaves_it_open():
    answers = judged(good=[False] * 3, bad=[False, True, None], open=[False, None])
    verdicts = regions.decide(answers, max_bad=INSTANCE_MAX_BAD).verdict
    assert dict(verdicts) == {"good": "kept", "bad": "rejected", "open": "undecided"}


def test_an_answer_that_is_no_judgement_is_refused():
    with pytest.raises((TypeError, ValueError)):
        regions.decide(judged(a=["perhaps", False]))


def test_the_chance_to_catch_a_bad_picture_is_the_closed_form_and_what_a_simulation_finds():
    q = np.array([0.0, 0.02, 0.1, 0.3, 1.0])
    assert regions.catch_probability(q) == pytest.approx(1 - (1 - q) ** 10 - 10 * q * (1 - q) ** 9, abs=1e-12)
    bad = np.random.default_rng(0).random((20_000, 10)) < 0.1
    answers = pd.DataFrame({"id": np.repeat(np.arange(len(bad)), 10), "bad": bad.ravel()})
    found = (regions.decide(answers).verdict == "rejected").mean()
    assert found == pytest.approx(regions.catch_probability(0.1), abs=4 * np.sqrt(0.2 / 20_000))

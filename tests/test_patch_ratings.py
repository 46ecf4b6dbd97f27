"""Tab. 2's protocol: files of ratings, simulated raters, and correlations whose sign is told as computed."""
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.bench import patch_ratings, related_metrics
from pixverve_lib.exhibits import texture_metrics
from pixverve_lib.models.aesthetics import WeightsMissing


def cloudy(layout, side, rng):
    """A texture with power at all scales, in place of the renderer, whose compiling takes seconds."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) + 1 / side
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) / frequency, (side, side))
    gray = 128 + rng.uniform(10, 40) * field / field.std()
    return np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def patches():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patch_ratings, "_drawn", cloudy)
        return patch_ratings.built_in(40, sides=(64, 128))


def test_built_in_patches_have_all_levels_of_detail_in_every_layout_and_are_the_same_each_time(patches, monkeypatch):
    monkeypatch.setattr(patch_ratings, "_drawn", cloudy)
    details = np.array([patch.detail for patch in patches]).reshape(2, 4, 5)
    assert (details == details[:1, :, :1]).all() and details[0, :, 0].tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert {patch.rgb.shape for patch in patches} == {(64, 64, 3), (128, 128, 3)}
    again = patch_ratings.built_in(2, sides=(64, 128))
    assert all((one.rgb == other.rgb).all() for one, other in zip(again, patches, strict=False))


@pytest.mark.parametrize(("text", "why"), [
    ("patch,rating\na,3\n", "lacks rater"), ("patch,rater,rating\n", "no rating"), ("", "no CSV"),
    ("patch,rater,rating\na,x,3\na,y,eleven\n", "line 3: the rating is no number from 1 to 10"),
    ("patch,rater,rating\na,x,0\nb,x,11\n", "line 2: .* [(]2 lines in all"),
    ("patch,rater,rating\na,x,3\na,x,4\n", "line 3: this rater has rated"), ("patch,rater,rating\n,x,3\n", "empty"),
])
def test_a_file_of_ratings_that_cannot_be_used_is_refused_in_one_line(tmp_path, text, why):
    (tmp_path / "ratings.csv").write_text(text)
    with pytest.raises(patch_ratings.RatingsUnusable, match=f"^ratings.csv[^\n]*{why}"):
        patch_ratings.read(tmp_path / "ratings.csv")


def test_ratings_of_simulated_raters_survive_a_file_and_follow_the_known_detail(patches, tmp_path):
    ratings = patch_ratings.simulated(patches)
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    pd.testing.assert_frame_equal(patch_ratings.read(tmp_path / "ratings.csv"), ratings, check_dtype=False)
    assert ratings.rater.str.startswith("simulated ").all() and ratings.rating.between(1, 10).all()
    assert len(ratings) == 5 * len(patches)
    truth = pd.Series({patch.name: patch.detail for patch in patches})
    assert ratings.groupby("patch").rating.mean().corr(truth) > 0.9


def test_glcm_rises_and_the_compression_ratio_falls_with_detail(patches, tmp_path, monkeypatch):
    def absent(name):
        raise WeightsMissing(f"{name} needs weights: get them")
    monkeypatch.setattr(related_metrics, "load", absent)
    found, reasons = patch_ratings.scores(patches, tmp_path, ("MUSIQ",))
    table = patch_ratings.correlations(found, patch_ratings.simulated(patches), reasons).set_index("metric")
    glcm, ratio = table.loc["GLCM Score"], table.loc["Compression Ratio"]
    assert glcm.srcc > 0 > ratio.srcc_high > ratio.srcc and ratio.better == "lower"
    assert ratio.patches == len(patches)
    assert table.loc["MUSIQ", "needs"] == "MUSIQ needs weights: get them" and np.isnan(table.loc["MUSIQ", "srcc"])


def test_correlations_take_patches_that_both_sides_know_and_a_constant_metric_has_none():
    found = pd.DataFrame({"GLCM Score": [1.0, 2, 3, 9], "Compression Ratio": 5.0}, index=list("abcd"))
    ratings = pd.DataFrame({"patch": list("abce"), "rater": "x", "rating": [2, 4, 6, 8]})
    table = patch_ratings.correlations(found, ratings).set_index("metric")
    assert table.loc["GLCM Score", ["srcc", "plcc", "patches"]].tolist() == pytest.approx([1, 1, 3])
    assert np.isnan(table.loc["Compression Ratio", "plcc"])


def test_an_enlarged_patch_shows_the_same_thing_with_less_detail():
    fine = np.random.default_rng(0).integers(0, 255, (64, 128, 3), np.uint8)
    coarse = patch_ratings.coarsened(fine, 8)
    assert coarse.shape == fine.shape and abs(fine.mean() - coarse.mean()) < 2
    assert coarse.std() < fine.std() / 4 and patch_ratings.coarsened(fine, 1) is fine
    with pytest.raises(ValueError, match="must divide the sides, not 64 x 128"):
        patch_ratings.coarsened(fine, 7)


def test_noise_fools_both_indices_on_patches_without_detail(patches):
    plain = [patch for patch in patches if patch.detail == 0]
    row = patch_ratings.fooled(plain, (("noise", 10),)).iloc[0]
    assert row["GLCM Score richer"] > 0.9 and row["Compression Ratio richer"] > 0.9


def test_tab_2_names_its_raters_and_has_a_difference_of_sizes_only_for_people():
    found = pd.DataFrame({"Compression Ratio": [9.0, 7, 5, 4]}, index=list("abcd"))
    ratings = pd.DataFrame({"patch": list("abcd"), "rater": "x", "rating": [2, 4, 6, 8]})
    rows = patch_ratings.correlations(found, ratings, {"MUSIQ": "MUSIQ needs weights"})
    table = texture_metrics.table_2(rows, "simulated raters")
    assert table["SRCC, published"].tolist() == ["0.53", "0.36"]
    assert table["SRCC, simulated raters"].tolist() == ["-1.00", "–"]
    assert not table.columns.str.contains("difference").any()
    assert texture_metrics.table_2(rows, "people")["SRCC, difference of sizes"].tolist() == ["+0.47", "–"]

"""The shrunk 100 MP picture against its input: measured, decided, and shown to tell good from spoiled."""
import cv2
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation import consistency
from pixverve_lib.imaging import large
from pixverve_lib.imaging.reading import read_rgb, write_jpeg
from pixverve_lib.scenes import seam_damage


@pytest.fixture(scope="module")
def studied():
    pictures = seam_damage.photographs(5, 192, 288, seed=3)
    return consistency.study(pictures, scale=4)


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    consistency.lpips.cache_clear()
    yield
    consistency.lpips.cache_clear()


def scores(**columns):
    n = max(len(values) for values in columns.values())
    return pd.DataFrame({"psnr": [40.0] * n, "ssim": [0.99] * n, "lpips": [np.nan] * n} | columns)


def test_spoiled_super_resolutions_are_rejected_and_interpolated_ones_are_kept(studied):
    thresholds = consistency.default_thresholds(studied[studied.good])
    kept = consistency.decide(studied, *thresholds).consistency == "kept"
    assert (kept == studied.good).all(), studied[kept != studied.good]
    assert studied.kind.nunique() == 6 and studied.good.mean() == pytest.approx(1 / 3)


def test_the_default_thresholds_follow_the_distribution_but_ask_for_no_more_than_enough():
    excellent = consistency.default_thresholds(scores(psnr=[55, 56, 57], ssim=[0.998, 0.999, 0.998]))
    assert excellent[:2] == (consistency.ENOUGH_PSNR, consistency.ENOUGH_SSIM)
    generative = scores(psnr=[29.0, 30, 31], ssim=[0.89, 0.90, 0.91], lpips=[0.1, 0.12, 0.14])
    assert consistency.default_thresholds(generative) == pytest.approx(
        (30 - 3 * 1.4826, 0.9 - 3 * 1.4826 * 0.01, 0.12 + 3 * 1.4826 * 0.02))


def test_a_few_spoiled_pictures_hardly_move_the_thresholds():
    good = scores(psnr=np.linspace(28, 32, 9), ssim=np.linspace(0.88, 0.92, 9))
    bad = scores(psnr=[12.0, 15], ssim=[0.3, 0.4])
    with_bad = consistency.default_thresholds(pd.concat([good, bad]))
    assert with_bad.min_psnr > 22 and with_bad.min_ssim > 0.8


def test_a_score_on_its_threshold_passes_and_one_failed_metric_rejects():
    decided = consistency.decide(scores(psnr=[35.0, 34.9, 40], ssim=[0.98, 0.99, 0.97], lpips=[0.05, 0, 0]),
                                 35, 0.98, 0.05)
    assert list(decided.consistency) == ["kept", "rejected", "rejected"]
    assert list(decided.psnr) == [True, False, True] and list(decided.ssim) == [True, True, False]


def test_missing_lpips_is_neither_a_pass_nor_a_fail():
    decided = consistency.decide(scores(psnr=[40.0, 20]), 35, 0.98, 0.05)
    assert decided.lpips.isna().all() and list(decided.consistency) == ["kept", "rejected"]
    nothing = consistency.decide(scores(psnr=[np.nan], ssim=[np.nan]), 35, 0.98, 0.05)
    assert list(nothing.consistency) == ["undecided"]


def test_without_weights_lpips_stays_empty_and_one_sentence_says_what_to_get(no_weights, capsys):
    assert consistency.lpips() is None and consistency.lpips() is None
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and "create_metric" in printed
    flat = np.zeros((16, 16, 3), np.uint8)
    assert np.isnan(consistency.compare(flat, flat, consistency.lpips()).lpips)


def test_a_metric_that_is_there_is_used():
    flat = np.zeros((16, 16, 3), np.uint8)
    assert consistency.compare(flat, flat, lambda a, b: 0.25) == (np.inf, 1.0, 0.25)


def test_a_file_is_compared_with_its_input_at_the_size_of_the_input(tmp_path):
    original = next(iter(seam_damage.photographs(1, 300, 400).values()))
    write_jpeg(tmp_path / "input.jpg", original)
    stored = read_rgb(tmp_path / "input.jpg")
    result = cv2.resize(stored, (1600, 1200), interpolation=cv2.INTER_CUBIC)
    large.write_tiled(tmp_path / "result.tif", 1200, 1600, [result])
    found = consistency.inspect(tmp_path / "result.tif", tmp_path / "input.jpg")
    shrunk = cv2.resize(result, (400, 300), interpolation=cv2.INTER_AREA)
    assert found.psnr == pytest.approx(consistency.compare(stored, shrunk).psnr, abs=0.3)
    assert found.psnr > consistency.ENOUGH_PSNR

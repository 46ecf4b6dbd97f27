"""Compression Ratio, NMSE in two readings, and who is in Aesthetic-Eval."""
import io
import tracemalloc

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixverve_lib.bench import texture
from pixverve_lib.exhibits import texture_metrics


@pytest.fixture(scope="module")
def rgb():
    noise = np.random.default_rng(0).integers(0, 256, (192, 192, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


@pytest.mark.parametrize(("kind", "number"), [("420", 2), ("444", 0)])
def test_the_compression_ratio_is_that_of_pillows_jpeg(rgb, kind, number):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=95, subsampling=number)
    expected = pytest.approx(rgb.size / file.tell(), rel=0.02)  # at 192 px headers count
    assert texture.compression_ratio(rgb, subsampling=kind) == expected


def test_a_flat_picture_compresses_far_more_than_noise_and_full_chroma_costs_bytes(rgb):
    noise = np.random.default_rng(0).integers(0, 256, rgb.shape, np.uint8)
    flat, loud = texture.compression_ratio(np.full_like(rgb, 90)), texture.compression_ratio(noise)
    assert loud < 3 < 50 < flat
    row = texture.chroma({"a": rgb, "noise": noise}).set_index("picture")
    assert (row["420"] > row["422"]).all() and (row["422"] > row["444"]).all()


def test_a_picture_of_floats_or_a_side_beyond_jpeg_is_refused_in_one_line():
    with pytest.raises(TypeError, match="uint8, not of .* float64"):
        texture.compression_ratio(np.zeros((64, 64, 3)))
    with pytest.raises(ValueError, match="65500 pixels a side"):
        texture.compression_ratio(np.zeros((1, 70_000, 3), np.uint8))


def test_nmse_read_as_ratio_is_the_square_of_nmse_read_as_root_and_takes_little_memory(rgb):
    doubled = texture.nmse(np.full((4, 4, 3), 100, np.uint8), np.full((4, 4, 3), 110, np.uint8))
    assert doubled.ratio == pytest.approx(0.01) and doubled.root == pytest.approx(0.1)
    assert texture.nmse(rgb, rgb).root == 0 and np.isnan(texture.nmse(np.zeros(3), np.ones(3)).ratio)
    large = np.ones((2000, 2000, 3), np.uint8)
    tracemalloc.start()
    texture.nmse(large, large)
    assert tracemalloc.get_traced_memory()[1] < large.nbytes / 10
    tracemalloc.stop()


def test_printed_nmse_and_psnr_imply_the_level_of_the_pictures():
    grey, noise = np.full((64, 64), 0.5), np.random.default_rng(0).normal(0, 0.02, (64, 64))
    found, psnr = texture.nmse(grey, grey + noise), -10 * np.log10(np.square(noise).mean())
    ours = pd.DataFrame({"table": "ours", "model": ["ratio", "root"], "nmse": [found.ratio, found.root], "psnr": psnr})
    levels = texture_metrics.nmse_readings(ours).set_index(["table", "model"])
    as_ratio, as_root = levels["level if MSE / mean x²"], levels["level if RMSE / rms x"]
    assert as_ratio["ours", "ratio"] == as_root["ours", "root"] == pytest.approx(0.5, abs=1e-3)
    theirs = "Diffusion-4K Tab. 4", "Flux-VAE-F16"
    assert as_ratio[theirs] < 0.15 < 0.4 < as_root[theirs]  # M27


def test_aesthetic_eval_takes_what_is_strictly_larger_on_both_sides():
    sizes = pd.DataFrame({"height": [2048, 2049, 5000, 4097, np.nan], "width": [9000, 2049, 4096, 4097, 9000],
                          "aesthetics": [7, 7, 6.5, 6.4, 7]})
    assert list(texture.aesthetic_eval(sizes).index) == [1, 2]
    assert list(texture.aesthetic_eval(sizes.drop(columns="aesthetics")).index) == [1, 2, 3]
    assert list(texture.evaluation_sets(sizes.drop(columns="aesthetics")).pictures) == [3, 1]
    with pytest.raises(ValueError, match="lacks height and width"):
        texture.aesthetic_eval(pd.DataFrame({"size": [1]}))

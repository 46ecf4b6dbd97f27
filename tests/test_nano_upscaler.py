"""nano: better than bicubic on scenes it has not seen, no seams, no colour shift, no grid; its training resumes."""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from pixverve_lib.models import nano_upscaler, upscalers
from pixverve_lib.models.nano_upscaler import SCALES
from pixverve_lib.pretraining import training, upscaler
from pixverve_lib.scenes import layouts, render

REAL = Path(__file__).resolve().parents[2] / "shared/data/real"
GOLDEN = [(2, 0.955, 3.467), (4, 0.911, 5.12)]  # scale, PSNR gain over bicubic in dB, spectral distance in dB
TINY = replace(upscaler.NANO, steps=6, crop={2: 32, 4: 24}, batch={2: 2, 4: 2})


@pytest.fixture(scope="module")
def nano():
    return upscalers.load("nano")


@pytest.fixture(scope="module")
def native():
    """Windows of six scenes that were not trained on, every other one seen by a camera."""
    return upscaler.draw_windows(6, upscaler.HELD_OUT)


@pytest.fixture(scope="module")
def low():
    return render.window(layouts.compose("street", 77), 2600, 3900, 1400, 1500, 96, 120)


def area(rgb, scale):
    return cv2.resize(rgb, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("scale, gain, distance", GOLDEN)
def test_nano_is_nearer_than_bicubic_in_pixels_and_much_nearer_in_spectrum(nano, native, scale, gain, distance):
    ours, bicubic = (pd.DataFrame([upscaler.scores(each, rgb, scale) for rgb in native]).mean()
                     for each in (nano, upscalers.load("bicubic")))
    assert ours["PSNR (dB)"] - bicubic["PSNR (dB)"] == pytest.approx(gain, abs=0.05)
    assert ours["spectral distance (dB)"] == pytest.approx(distance, abs=0.2)
    assert ours["spectral distance (dB)"] < 0.6 * bicubic["spectral distance (dB)"]
    assert ours["energy beyond the input"] > 2 * bicubic["energy beyond the input"]


def test_nano_is_nearer_than_bicubic_on_real_pictures_too(nano):
    if not REAL.is_dir():
        pytest.skip("no real pictures beside the project")
    pictures = [rgb[:512, :512] for _, rgb in list(upscaler.real_pictures(REAL))[::3]]
    for scale in SCALES:
        ours, bicubic = (pd.DataFrame([upscaler.scores(each, rgb, scale) for rgb in pictures]).mean()
                         for each in (nano, upscalers.load("bicubic")))
        assert ours["PSNR (dB)"] > bicubic["PSNR (dB)"]
        assert ours["spectral distance (dB)"] < 0.6 * bicubic["spectral distance (dB)"]


@pytest.mark.parametrize("scale", SCALES)
def test_a_flat_field_stays_flat_in_every_colour(nano, scale):
    for colour in ((0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (13, 200, 77), (1, 2, 254)):
        tile = np.full((20, 24, 3), colour, np.uint8)
        assert np.abs(nano(tile, scale, "") - np.float32(colour)).max() < 0.01


@pytest.mark.parametrize("scale", SCALES)
def test_a_tile_is_the_same_as_in_the_whole_picture(nano, low, scale):
    whole, m = nano(low, scale, ""), nano.margin
    part = nano(low[30 - m:70 + m, 40 - m:80 + m], scale, "")[m * scale:-m * scale, m * scale:-m * scale]
    np.testing.assert_allclose(part, whole[30 * scale:70 * scale, 40 * scale:80 * scale], atol=0.01)


@pytest.mark.parametrize("scale", SCALES)
def test_shrunk_by_area_the_result_is_the_input_again(nano, low, scale):
    larger = nano(low, scale, "")
    squares = larger.reshape(96, scale, 120, scale, 3)
    unclipped = ((squares > 0) & (squares < 255)).all((1, 3))
    assert unclipped.mean() > 0.9 and np.abs(area(larger, scale) - low)[unclipped].max() < 0.01


@pytest.mark.parametrize("scale", SCALES)
def test_a_straight_edge_is_sharper_than_bicubic_and_rings_no_more(nano, scale):
    tile = np.full((24, 24, 3), 60, np.uint8)
    tile[:, 12:] = 180
    rows = nano(tile, scale, "")[10 * scale:-10 * scale, :, 0]
    bicubic = upscalers.load("bicubic")(tile, scale, "")[0, :, 0]
    assert np.ptp(rows, axis=0).max() < 0.05 * 120  # rows differ by where in an input pixel they are, not by noise
    assert rows.min() > bicubic.min() - 1 and rows.max() < bicubic.max() + 1
    assert np.abs(np.diff(rows)).max() > 1.5 * np.abs(np.diff(bicubic)).max()


def test_an_edge_between_colours_of_one_brightness_gets_no_noise():
    tile = np.full((24, 24, 3), (200, 40, 40), np.uint8)
    tile[:, 12:] = (40, 121, 50)
    x = torch.from_numpy(tile).permute(2, 0, 1)[None].float()
    assert nano_upscaler.undirected(x).max() < 1e-4


@pytest.mark.parametrize("scale", SCALES)
def test_the_squares_of_input_pixels_show_no_more_than_with_bicubic(nano, native, scale):
    ours, bicubic = (torch.from_numpy(np.stack([np.rint(each(area(rgb, scale), scale, "")) for rgb in native]))
                     for each in (nano, upscalers.load("bicubic")))
    assert upscaler.unevenness(ours, scale) < 0.06  # 0.5 and more if pixels are repeated
    assert upscaler.pattern(ours, scale) < upscaler.pattern(bicubic, scale)


def test_the_noise_of_textures_is_white_and_a_function_of_the_pixels_alone(low):
    noise = nano_upscaler.hash_noise(low)
    flat = noise.reshape(len(noise), -1)
    assert np.abs(np.cov(flat) - np.eye(len(noise))).max() < 0.06 and np.abs(flat.mean(1)).max() < 0.05
    neighbours = (noise[:, :, 1:] * noise[:, :, :-1]).mean()
    assert abs(neighbours) < 0.02
    assert np.array_equal(nano_upscaler.hash_noise(low[20:50, 30:60]), noise[:, 20:48, 30:58])


def test_two_threads_get_what_one_gets(nano, low):
    tiles = [low[:64, :64], low[32:, :64], low[:64, 56:], low[32:, 56:]] * 2
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda tile: nano(tile, 4, ""), tiles))
    assert all(np.array_equal(tile, nano(alone, 4, "")) for tile, alone in zip(both, tiles, strict=True))


def test_a_scale_that_nano_has_not_learned_is_refused(nano, low):
    with pytest.raises(ValueError, match="2x and 4x, not 3x"):
        nano(low, 3, "")


def test_the_asset_is_small():
    assert nano_upscaler.ASSET.stat().st_size <= 2_000_000


def test_a_training_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path, monkeypatch, native):
    torch.set_num_threads(1)
    whole = upscaler.trained(4, native, TINY, tmp_path / "whole")
    loss_at, calls = upscaler.loss_at, iter(range(100))

    def dies_at_4(*arguments):
        if next(calls) == 4:
            raise KeyboardInterrupt  # as good as kill -9: only what is on disk remains
        return loss_at(*arguments)

    monkeypatch.setattr(training, "CHECKPOINT_S", 0)
    monkeypatch.setattr(upscaler, "loss_at", dies_at_4)
    with pytest.raises(KeyboardInterrupt):
        upscaler.trained(4, native, TINY, tmp_path / "killed")
    resumed = upscaler.trained(4, native, TINY, tmp_path / "killed")
    assert next(calls) == 7  # four steps, the one that died, and the two that were left
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


@pytest.mark.parametrize("scale", SCALES)
def test_training_lowers_the_loss(tmp_path, native, scale):
    torch.set_num_threads(1)
    preset = replace(TINY, steps=40, decay=0.5, rate=4e-3)
    before, after = (float(torch.stack([upscaler.loss_at(network, native, TINY, step) for step in range(1000, 1005)])
                           .mean().detach())
                     for network in (nano_upscaler.Network(scale), upscaler.trained(scale, native, preset, tmp_path)))
    assert after < before - 0.3

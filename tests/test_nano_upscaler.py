"""nano: better than bicubic on scenes it has not seen, no seams, no colour shift, no grid; its training resumes."""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pixverve_lib.models import nano_upscaler, upscalers
from pixverve_lib.models.nano_upscaler import SCALES
from pixverve_lib.pretraining import training, upscaler
from pixverve_lib.scenes import layouts, render

TINY = replace(upscaler.NANO, steps=6, crop={2: 32, 4: 24}, batch={2: 2, 4: 2})


@pytest.fixture(scope="module")
def nano():
    return upscalers.load("nano")


@pytest.fixture(scope="module")
def native():
    """Windows of two scenes that were not trained on, one sharp, one seen by a camera."""
    return upscaler.draw_windows(2, upscaler.HELD_OUT + 3)


@pytest.fixture(scope="module")
def low():
    return render.window(layouts.compose("street", 77), 2600, 3900, 1400, 1500, 96, 120)


def area(rgb, scale):
    return cv2.resize(rgb, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("scale", SCALES)
def test_nano_is_nearer_than_bicubic_in_pixels_and_much_nearer_in_spectrum(nano, native, scale):
    for rgb in native:
        ours, bicubic = (upscaler.scores(each, rgb, scale) for each in (nano, upscalers.load("bicubic")))
        assert ours["PSNR (dB)"] > bicubic["PSNR (dB)"] + 0.2
        assert ours["spectral distance (dB)"] < 0.6 * bicubic["spectral distance (dB)"]
        assert ours["energy beyond the input"] > 2 * bicubic["energy beyond the input"]


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
    free = np.repeat(np.repeat((area(larger, scale) > 40) & (area(larger, scale) < 215), scale, 0), scale, 1)
    squares = larger.reshape(96, scale, 120, scale, 3)
    unclipped = ((squares > 0) & (squares < 255)).all((1, 3))
    assert free.any() and np.abs(area(larger, scale) - low)[unclipped].max() < 0.01


@pytest.mark.parametrize("scale", SCALES)
def test_a_straight_edge_is_sharper_than_bicubic_without_rings_or_fraying(nano, scale):
    tile = np.full((24, 24, 3), 60, np.uint8)
    tile[:, 12:] = 180
    row = nano(tile, scale, "")[10 * scale:-10 * scale, :, 0]
    assert np.ptp(row, axis=0).max() < 1  # every row is the same
    row, bicubic = row[0], upscalers.load("bicubic")(tile, scale, "")[0, :, 0]
    assert row.min() > 60 - 10 and row.max() < 180 + 10  # bicubic: 7 levels on either side
    assert np.abs(np.diff(row)).max() > 1.2 * np.abs(np.diff(bicubic)).max()


@pytest.mark.parametrize("scale", SCALES)
def test_the_squares_of_input_pixels_do_not_show(nano, native, scale):
    made = torch.from_numpy(np.stack([np.rint(nano(area(rgb, scale), scale, "")) for rgb in native]))
    assert upscaler.unevenness(made, scale) < 0.1  # 0.3 if enlarged by repeating pixels
    assert upscaler.pattern(made, scale) < 0.05


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

"""DemoFusion's parts: crops, grids, skip residual, the count of network calls; and pictures that survive a crash."""
import math

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipeline import TEXT, pipeline

from pixverve_lib.models import noise_levels
from pixverve_lib.schemes import demofusion, planner, sampling
from pixverve_lib.schemes.demofusion import Recipe

PROMPTS = ["red circle centre, dark tiles", "blue ring top-left, light paper"]
SETTINGS = {"steps": 2, "guidance": 3.0, "seed": 3, "views": 8} | TEXT
NEVER = math.inf  # an exponent that leaves a part out wherever there is something else

pytestmark = pytest.mark.usefixtures("one_thread")


def generated(folder, prompts=PROMPTS[:1], side=128, **changes):
    return demofusion.generate(pipeline(), prompts, folder, side, side, **(SETTINGS | {"own_side": 64} | changes))


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=random(seed))


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


@pytest.fixture
def calls(monkeypatch):
    """Shapes of what the transformer is given, call by call."""
    seen, forward = [], pipeline().transformer.forward
    monkeypatch.setattr(pipeline().transformer, "forward",
                        lambda **given: seen.append(tuple(given["hidden_states"].shape)) or forward(**given))
    return seen


def test_at_the_model_s_own_side_it_is_plain_sampling_bit_for_bit(tmp_path):
    ours = generated(tmp_path / "ours", PROMPTS, side=64)
    plain = sampling.generate(pipeline(), PROMPTS, tmp_path / "plain", 64, 64, 3, 2, 3.0, **TEXT)
    for a, b in zip(ours["path"], plain["path"], strict=True):
        assert np.array_equal(pixels(a), pixels(b))


def test_one_crop_without_skip_residual_is_euler_s_method():
    start, target = noise(1, 4, 8, 8), noise(1, 4, 8, 8, seed=1)
    levels = noise_levels.visited(4, 2.0).tolist()
    found = demofusion.denoise(lambda views, t: torch.sin(views) - t, target, start, 1, levels,
                               Recipe(skip=NEVER, dilated=NEVER), 16, random())
    x = start
    for now, after in zip(levels, levels[1:], strict=False):
        x = x + (after - now) * (torch.sin(x) - now)
    torch.testing.assert_close(found, x)


def test_with_all_weight_on_the_skip_residual_the_network_sees_the_noised_reference():
    start, reference = noise(1, 2, 16, 24), noise(1, 2, 16, 24, seed=1)
    seen = []
    demofusion.denoise(lambda views, t: seen.append((t, views)) or torch.zeros_like(views), reference, start, 2,
                       [1.0, 0.7, 0.2, 0.0], Recipe(skip=0, dilated=NEVER), 99, random())
    assert [t for t, _ in seen] == [1.0, 0.7, 0.2]
    for t, views in seen[1:]:
        expected = (1 - t) * reference + t * start
        torch.testing.assert_close(views[0], expected[0, :, :8, :12])
        torch.testing.assert_close(views[-1], expected[0, :, -8:, -12:])


@pytest.mark.parametrize("scale", [1, 2, 3, 5])
def test_grids_are_every_scale_th_latent_and_make_the_whole_again(scale):
    x = noise(1, 3, 4 * scale, 6 * scale)
    grids = demofusion.split(x, scale)
    assert grids.shape == (scale**2, 3, 4, 6)
    assert torch.equal(grids[-1], x[0, :, scale - 1::scale, scale - 1::scale])
    assert torch.equal(demofusion.merged(grids, scale), x)
    assert torch.equal(demofusion.by_grids(lambda part: 2 * part, x, scale, views=2), 2 * x)


@pytest.mark.parametrize(("length", "window", "overlap"), [(8, 8, 0.5), (24, 8, 0.5), (80, 8, 0.75), (80, 8, 0.0),
                                                           (1280, 128, 0.5), (30, 8, 0.25)])
def test_crops_cover_an_axis_wherever_chance_moves_them(length, window, overlap):
    for seed in range(20):
        places = demofusion.starts(length, window, overlap, random(seed))
        assert places[0] == 0 and places[-1] == length - window
        assert all(0 <= b - a <= window for a, b in zip(places, places[1:], strict=False))
    moving = (window - max(1, round(window * (1 - overlap)))) // 4 > 0 and length > 2 * window
    assert moving == (demofusion.starts(length, window, overlap, random(1)) != places)


def test_weights_of_crops_sum_to_one_everywhere():
    x = noise(1, 3, 24, 32)
    found = demofusion.by_crops(lambda crops: 3 * crops, x, (8, 16), 0.75, 5, random())
    torch.testing.assert_close(found, 3 * x)


def test_the_network_is_asked_exactly_as_often_as_counted(tmp_path, calls):
    generated(tmp_path, side=192)
    at_own = 2 * 2  # the stock pipeline asks with and without the prompt one after the other
    at_2 = 2 * 1 + 1 * 2  # 4 grids in one call each step; in the second step 3 x 3 crops in two
    at_3 = 2 * 2 + 1 * 4  # 9 grids in two; 5 x 5 crops in four
    assert len(calls) == at_own + at_2 + at_3
    assert {tokens for _, tokens, _ in calls} == {4 * 4} and max(views for views, *_ in calls) == 2 * 8


def test_a_wide_picture_is_made_of_wide_views_of_whatever_side_the_model_has(tmp_path, calls):
    made = demofusion.generate(pipeline(), PROMPTS[:1], tmp_path, 64, 128, own_side=64, **SETTINGS)["path"][0]
    assert pixels(made).shape == (64, 128, 3) and {tokens for _, tokens, _ in calls} == {2 * 4}
    calls.clear()
    generated(tmp_path, side=128, own_side=128)
    assert {tokens for _, tokens, _ in calls} == {8 * 8}


def test_a_killed_picture_goes_on_after_its_last_finished_scale(tmp_path, monkeypatch, calls):
    whole = generated(tmp_path / "whole", side=192)["path"][0]
    at_all, denoise = len(calls), demofusion.denoise

    def killed(velocity, reference, start, scale, *rest):
        if scale == 3:
            raise KeyboardInterrupt
        return denoise(velocity, reference, start, scale, *rest)
    calls.clear()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(demofusion, "denoise", killed)
        generated(tmp_path / "killed", side=192)
    before = len(calls)
    assert [path.name for path in (tmp_path / "killed").iterdir()] == [f"{whole.stem}.partly.png"]
    resumed = generated(tmp_path / "killed", side=192)["path"][0]
    assert len(calls) == at_all and 0 < before < at_all
    assert np.array_equal(pixels(resumed), pixels(whole)) and resumed.name == whole.name
    assert list((tmp_path / "killed").iterdir()) == [resumed]
    generated(tmp_path / "killed", side=192)
    assert len(calls) == at_all  # nothing is made twice


def test_other_settings_make_another_picture_and_a_file_says_what_made_it(tmp_path):
    first = generated(tmp_path)
    known = sampling.parameters(first["path"][0])
    assert (known["method"], known["scales"], known["skip"], known["own"]) == ("DemoFusion", [2], 3.0, [64, 64])
    changes = [{"seed": 4}, {"recipe": Recipe(skip=1.0)}, {"recipe": Recipe(overlap=0.25)}]
    paths = [generated(tmp_path, **change)["path"][0] for change in changes]
    shown = [pixels(path) for path in (*first["path"], *paths)]
    assert not any(np.array_equal(a, b) for number, a in enumerate(shown) for b in shown[:number])


def test_what_does_not_fit_is_refused_before_the_first_picture(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="200 x 200 pixels are 4 times .* multiples of 64"):
        generated(tmp_path, side=200)
    with pytest.raises(ValueError, match=r"scales \(3, 2\) do not rise from 2 or more to 4"):
        generated(tmp_path, side=256, scales=(3, 2))
    monkeypatch.setattr(planner, "_free", lambda *_: 1e7)
    with pytest.raises(planner.DoesNotFit):
        generated(tmp_path)
    assert not list(tmp_path.iterdir())

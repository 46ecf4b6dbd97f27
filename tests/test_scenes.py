"""The built-in scenes: reproducible, drawn in bands, natural in their statistics, and true to their own captions."""
import numpy as np
import pytest
from scipy import fft

from pixverve_lib.scenes import damage, layouts, primer, render, truth
from pixverve_lib.scenes.compiled import VERSION
from pixverve_lib.scenes.scene import Scene
from pixverve_lib.scenes.shapes import BOX, FLAT, GLOW


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_the_same_seed_draws_the_same_picture_and_another_seed_another(layout):
    one, again, other = (render.draw(layouts.compose(layout, seed), 96, 144) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert np.mean(one != other) > 0.5


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_bands_of_any_height_join_without_a_trace(layout):
    scene = layouts.compose(layout, 3, 1.3)
    whole = render.draw(scene, 133, 173)
    assert np.array_equal(np.concatenate([rgb for _, rgb, _ in render.bands(scene, 133, 173, band=37)]), whole)


def test_what_is_compiled_depends_on_every_file_of_the_room():
    """numba's cache would else draw with an older shading.py: the version must be in the closure of what it keeps."""
    for entry in (render._render, render._skyline, primer._paint):
        assert [cell.cell_contents for cell in entry.py_func.__closure__] == [VERSION]


def test_a_window_is_that_part_of_the_whole_picture():
    scene = layouts.compose("landscape", 3, 1.3)
    assert np.array_equal(render.window(scene, 133, 173, 31, 57, 80, 99), render.draw(scene, 133, 173)[31:111, 57:156])


def test_a_picture_of_two_hundred_megapixels_is_drawn_band_by_band():
    scene = layouts.compose("landscape", 1, 15348 / 13031)  # Tab. 2: the average size
    first_row, rgb, owners = next(render.bands(scene, 13031, 15348, band=16))
    assert (first_row, rgb.shape, owners.shape) == (0, (16, 15348, 3), (16, 15348))


def _slope(gray):
    """Exponent of the radially averaged power spectrum between 1/100 and 0.4 cycles a pixel."""
    n = len(gray)
    window = np.hanning(n)[:, None] * np.hanning(n)
    power = np.abs(fft.rfft2((gray - gray.mean()) * window)) ** 2
    f = np.hypot(fft.fftfreq(n)[:, None], fft.rfftfreq(n))
    rings = np.arange(0.01, 0.4, 0.01)
    mean = [power[(f >= r) & (f < r + 0.01)].mean() for r in rings]
    return np.polyfit(np.log(rings + 0.005), np.log(mean), 1)[0]


def test_the_measured_slope_of_white_noise_is_zero():
    assert abs(_slope(np.random.default_rng(0).normal(size=(512, 512)))) < 0.05


def test_spectra_fall_like_those_of_natural_pictures_at_every_size():
    for height in (512, 2048):
        slopes = [_slope(render.window(layouts.compose(layout, 1, 1.0), height, height, height - 512, 0, 512, 512)
                         .mean(axis=2))
                  for layout in layouts.LAYOUTS]
        assert -3.2 < np.mean(slopes) < -1.6, slopes


def test_detail_exists_at_one_pixel():
    grass = render.window(layouts.compose("foliage", 1, 1.0), 1024, 1024, 512, 0, 512, 1024).astype(float).mean(axis=2)
    assert np.abs(np.diff(grass, axis=1)).mean() > 1.0


def _two_boxes():
    scene = Scene("still life", "midday", 0, 2.0, (-0.5, -0.6, 0.62, 0.35, 1.2, 0.0, *(0.5,) * 3, *(1.0,) * 3))
    scene.add(BOX, FLAT, 1.0, 0.5, 5, 5, (0.1, 0.1, 0.1))
    for x, colour, depth in ((0.5, "red", 0.4), (1.5, "blue", 0.6)):
        scene.add(BOX, FLAT, x, 0.5, 0.25, 0.25, (0.5, 0.1, 0.1), instance=scene.begin("box", colour, "plaster", depth))
    return scene


def test_boxes_masks_and_places_are_where_the_things_were_put():
    seen = {s.colour: s for s in truth.visible(_two_boxes())}
    assert seen["red"].box == pytest.approx((0.125, 0.25, 0.375, 0.75), abs=1 / 256)
    assert seen["red"].area == pytest.approx(0.125, abs=0.003)
    assert (seen["red"].place, seen["blue"].place) == ("left", "right")


def test_relations_follow_from_positions_and_depth():
    scene = _two_boxes()
    scene.add(BOX, FLAT, 1.5, 0.7, 0.1, 0.1, (0.1, 0.5, 0.1), instance=scene.begin("box", "green", "plaster", 0.9))
    told = truth.relations(truth.visible(scene))
    assert (0, "left of", 1) in told and (2, "in front of", 1) in told
    assert (1, "left of", 0) not in told and (1, "in front of", 2) not in told


def test_what_is_hidden_is_not_told():
    scene = _two_boxes()
    scene.add(BOX, FLAT, 0.5, 0.5, 0.3, 0.3, (0.1, 0.5, 0.1), instance=scene.begin("box", "green", "plaster", 0.9))
    assert {s.colour for s in truth.visible(scene)} == {"green", "blue"}


def test_light_without_body_owns_no_pixels():
    scene = _two_boxes()
    scene.add(BOX, GLOW, 0.5, 0.5, 0.3, 0.3, (0.1, 0.5, 0.1), opacity=0.8)
    assert {s.colour for s in truth.visible(scene)} == {"red", "blue"}


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_what_is_told_to_be_in_front_is_drawn_over_the_other(layout):
    for seed in range(4):
        scene = layouts.compose(layout, seed)
        seen = {s.number: s for s in truth.visible(scene)}
        told = [(a, b) for a, relation, b in truth.relations(seen.values()) if relation == "in front of"]
        assert all(a > b for a, b in told)
        if layout == "still life":  # and what is drawn over something stands nearer to the eye
            assert all(seen[a].depth >= seen[b].depth - 0.15 for a, b in told)


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_captions_name_what_is_visible(layout):
    scene = layouts.compose(layout, 5)
    seen = truth.visible(scene)
    short, long = truth.short_caption(scene, seen), truth.long_caption(scene, seen)
    assert len(seen) >= 2
    assert max(seen, key=lambda s: s.area).name in short
    assert all(s.name in long.lower() and s.colour in long.lower() for s in seen)
    assert len(long) > 2 * len(short)


def test_damage_does_what_it_says():
    rgb = render.draw(layouts.compose("foliage", 1), 200, 300)
    assert (damage.exposed(rgb, 5) > 250).mean() > (rgb > 250).mean() + 0.2
    assert (damage.exposed(rgb, -5) < 5).mean() > 0.5
    for blurred in (damage.defocused(rgb, 8), damage.shaken(rgb, 41)):
        assert np.abs(np.diff(blurred.astype(int), axis=0)).mean() < 0.5 * np.abs(np.diff(rgb.astype(int),
                                                                                          axis=0)).mean()
    assert len(np.unique(damage.posterised(rgb))) == 3
    assert damage.cropped(rgb, 0.1).shape == (180, 270, 3)

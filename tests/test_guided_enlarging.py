"""SDEdit and I-Max: their two limits, what is pulled, and pictures that are made once."""
import math

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny_pipeline import TEXT, pipeline

from pixverve_lib.exhibits import guided
from pixverve_lib.imaging import reading
from pixverve_lib.models import noise_levels, proportional_attention, rotary
from pixverve_lib.paper import published
from pixverve_lib.schemes import enlarging, guided_enlarging, planner, sampling
from pixverve_lib.schemes.guided_enlarging import IMAX, SDEDIT, Recipe

PROMPTS = ["red circle centre, dark tiles", "blue ring top-left, light paper"]
SETTINGS = {"steps": 3, "guidance": 3.0, "seed": 3} | TEXT

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def references(folder, height=64, width=64):
    """Two soft pictures, without a network."""
    folder.mkdir(exist_ok=True)
    rows, columns = np.mgrid[:height, :width]
    for number in range(len(PROMPTS)):
        rgb = np.stack([rows * 3 % 256, columns * 2 % 256, (rows + columns + 90 * number) % 256], -1).astype(np.uint8)
        Image.fromarray(rgb).save(folder / f"{number}.png")
    return pd.DataFrame({"prompt": PROMPTS, "path": [folder / f"{number}.png" for number in range(len(PROMPTS))]})


def enlarged(folder, recipe=IMAX, height=128, width=128, drawn=None, **changes):
    drawn = references(folder / "own") if drawn is None else drawn
    return guided_enlarging.enlarge(pipeline(), drawn, folder / "made", height, width, recipe, **(SETTINGS | changes))


@pytest.mark.parametrize(("height", "width", "own"), [(16, 24, (4, 6)), (15, 7, (6, 3)), (8, 8, (8, 8))])
def test_low_frequencies_are_an_orthogonal_projection_that_keeps_what_the_small_picture_can_hold(height, width, own):
    x = noise(2, 3, height, width).double()
    kept = guided_enlarging.low(x, own)
    torch.testing.assert_close(guided_enlarging.low(kept, own), kept, atol=1e-12, rtol=0)
    assert (kept * (x - kept)).sum().abs() < 1e-9
    constant = torch.full_like(x, 0.3)
    torch.testing.assert_close(guided_enlarging.low(constant, own), constant, atol=1e-12, rtol=0)
    frequencies = torch.fft.rfft(torch.cat([kept, kept.flip(2)], 2), dim=2).abs()[:, :, own[0]:]
    assert frequencies.max() < 1e-9  # of the mirrored picture: above those of the small one nothing is left


def test_with_a_true_velocity_any_recipe_gives_the_picture_that_it_points_to():
    target, start = noise(1, 4, 8, 8), noise(1, 4, 8, 8, seed=1)
    levels = [0.8, 0.5, 0.2, 0.0]
    found = guided_enlarging.denoise(lambda x, t: (x - target) / t, target, start, levels, 1.0, (4, 4))
    torch.testing.assert_close(found, target, atol=1e-5, rtol=0)


def test_without_pull_it_is_euler_s_method_from_the_noised_reference():
    reference, start = noise(2, 4, 8, 8), noise(2, 4, 8, 8, seed=1)
    levels = [0.6, 0.3, 0.0]
    found = guided_enlarging.denoise(lambda x, t: torch.sin(x) - t, reference, start, levels, 0.0, (4, 4))
    x = 0.4 * reference + 0.6 * start
    x = x - 0.3 * (torch.sin(x) - 0.6)
    x = x - 0.3 * (torch.sin(x) - 0.3)
    torch.testing.assert_close(found, x)


def test_the_pull_moves_low_frequencies_alone_and_fades_over_the_steps():
    reference, start, other = (noise(1, 2, 12, 12, seed=seed) for seed in range(3))
    levels, own = noise_levels.visited(4, 2.0).tolist(), (4, 4)
    seen = []

    def towards_another(x, t):
        seen.append(x)
        return (x - other) / t
    pulled = guided_enlarging.denoise(towards_another, reference, start, levels, 1.0, own)
    x = start
    for step, (now, after) in enumerate(zip(levels, levels[1:], strict=False)):
        torch.testing.assert_close(seen[step], x, atol=1e-5, rtol=1e-5)
        share = (1 + math.cos(math.pi * step / 4)) / 2
        clean = other + share * guided_enlarging.low(reference - other, own)
        x = clean + after / now * (x - clean)
    torch.testing.assert_close(pulled, x, atol=1e-5, rtol=1e-5)
    high = pulled - guided_enlarging.low(pulled, own)
    torch.testing.assert_close(high, other - guided_enlarging.low(other, own), atol=1e-5, rtol=0)


def test_with_hardly_any_noise_the_enlarged_reference_stays(tmp_path):
    drawn = references(tmp_path / "own")
    near, far = (pixels(enlarged(tmp_path, Recipe(start, 0.0), drawn=drawn)["path"][0]) for start in (1e-4, 1.0))
    big = cv2.resize(reading.read_rgb(drawn["path"][0]), (128, 128), interpolation=cv2.INTER_CUBIC)
    latents = pipeline()._unpatchify_latents(enlarging.encoded(pipeline(), big, 1024))
    kept = enlarging.decoded(pipeline(), latents, 1024).astype(int)
    assert np.abs(near - kept).max() <= 1 < np.abs(far - kept).max()


def test_a_wide_picture_and_a_scale_that_is_no_whole_number_work(tmp_path):
    drawn = references(tmp_path / "own", 64, 128)
    made = enlarged(tmp_path, height=96, width=192, drawn=drawn)["path"]
    assert [pixels(path).shape for path in made] == [(96, 192, 3)] * 2


def test_batches_draw_what_single_pictures_are_and_nothing_is_made_twice(tmp_path, monkeypatch):
    drawn = references(tmp_path / "own")
    single = enlarged(tmp_path / "one", drawn=drawn)
    batch = enlarged(tmp_path / "two", drawn=drawn, batch=2)
    for a, b in zip(single["path"], batch["path"], strict=True):
        assert np.abs(pixels(a) - pixels(b)).max() <= 1 and a.name == b.name
    monkeypatch.setattr(enlarging, "velocity", lambda *_, **__: pytest.fail("made again"))
    again = enlarged(tmp_path / "two", drawn=drawn)
    assert again["path"].equals(batch["path"]) and again["seconds"].equals(batch["seconds"])


def test_another_reference_recipe_or_network_makes_another_picture(tmp_path):
    drawn = references(tmp_path / "own")
    star = guided_enlarging.starred(pipeline(), 4)
    paths = [enlarged(tmp_path, drawn=drawn)["path"][0], enlarged(tmp_path, SDEDIT, drawn=drawn)["path"][0],
             enlarged(tmp_path, drawn=drawn.assign(path=list(drawn["path"][::-1])))["path"][0],
             guided_enlarging.enlarge(star, drawn, tmp_path / "made", 128, 128, IMAX, **SETTINGS)["path"][0]]
    assert len({path.name for path in paths}) == 4
    known = sampling.parameters(paths[0])
    assert (known["method"], known["start"], known["pull"], known["own"]) == ("guided enlarging", 1.0, 1.0, [64, 64])


@pytest.mark.parametrize("guidance", [0.5, 1.0])
def test_without_guidance_the_network_is_asked_once_a_step(tmp_path, monkeypatch, guidance):
    seen, forward = [], pipeline().transformer.forward
    monkeypatch.setattr(pipeline().transformer, "forward",
                        lambda **given: seen.append(len(given["hidden_states"])) or forward(**given))
    enlarged(tmp_path, guidance=guidance)
    assert seen == [1] * 3 * 2
    seen.clear()
    enlarged(tmp_path, batch=2)
    assert seen == [4] * 3


def test_the_starred_base_shares_its_weights_and_leaves_the_other_as_it_was():
    star = guided_enlarging.starred(pipeline(), 4).transformer
    assert rotary.installed(star)["kind"] == "interpolated" and proportional_attention.installed(star) == {"trained": 4}
    assert rotary.installed(pipeline().transformer) is None
    weights = dict(pipeline().transformer.named_parameters())
    assert all(weights[name] is weight for name, weight in star.named_parameters())


def test_rows_of_tab_1_are_drawn_and_scored_with_one_set_of_references(tmp_path):
    rows = guided_enlarging.tab_1(pipeline(), guided_enlarging.starred(pipeline(), 4), 4)
    found = guided_enlarging.comparison(tmp_path, pipeline(), rows, PROMPTS[:1], 64, 128,
                                        lambda paths: {"n": len(paths)}, steps=1, guidance=1.0, **TEXT)
    assert found.scores["method"].tolist() == list(rows) == list(found.pictures) and set(found.scores["n"]) == {1}
    assert len(list((tmp_path / "reference").iterdir())) == 1
    assert {pixels(path).shape for paths in found.pictures.values() for path in paths} == {(128, 128, 3)}


def test_rows_are_those_that_the_paper_prints_and_gains_know_which_way_is_better():
    rows = guided_enlarging.tab_1(pipeline(), None, 4), guided_enlarging.tab_3(pipeline(), None, None, 4)
    for table, made in zip(("urae_tab_1", "urae_tab_3"), rows, strict=True):
        assert set(made) <= set(published.table(table)["method_setting"])
    measured = pd.DataFrame({"method": list(rows[0]), "side": 256, "seconds": 1.0,
                             "pos": [0.1, 0.2, 0.3, 0.5, 0.5, 0.6, 0.4], "nano-FID": [9.0, 8, 7, 6, 7, 5, 4]})
    gains = guided.gains(measured).query("source == 'measured'").set_index(["score", "method"])["better"]
    assert gains["pos"].to_dict() == {"FLUX-1.dev*": True, "SDEdit": False, "I-Max": False}
    assert gains["nano-FID"].to_dict() == {"FLUX-1.dev*": True, "SDEdit": False, "I-Max": True}
    printed = guided.gains(measured).query("source == 'published' and method != 'FLUX-1.dev*'")
    assert printed["better"].tolist() == [True] * 14  # URAE Tab. 1: 14 of 14 cells
    counted = guided.helped(measured).query("source == 'measured'").set_index("method")
    assert counted.loc["SDEdit"].tolist() == ["measured", "0 of 2", "pos +0, nano-FID +1"]
    table = guided.tab_1(measured).set_index("method")
    assert table.loc["I-Max", "pos ↑ measured"] == 0.6 and table.loc["I-Max", "FID ↓ published"] == 33.66


def test_what_does_not_fit_is_refused_before_the_first_picture(tmp_path, monkeypatch):
    drawn = references(tmp_path / "own")
    for height, width in ((100, 100), (48, 48), (128, 256)):
        with pytest.raises(ValueError, match=f"64 x 64 pixels cannot become {height} x {width}"):
            enlarged(tmp_path, height=height, width=width, drawn=drawn)
    with pytest.raises(ValueError, match="start must lie in"):
        enlarged(tmp_path, Recipe(0.0, 0.0), drawn=drawn)
    Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(drawn["path"][1])
    with pytest.raises(ValueError, match="references have 2 sizes"):
        enlarged(tmp_path, drawn=drawn)
    monkeypatch.setattr(planner, "_free", lambda *_: 1e6)
    with pytest.raises(planner.DoesNotFit):
        enlarged(tmp_path, drawn=references(tmp_path / "own"))
    assert not (tmp_path / "made").exists()

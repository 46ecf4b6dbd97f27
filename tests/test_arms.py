"""Ablations, the aesthetic curriculum and wavelet statistics: what they train on, count and print."""
import math

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny_pipeline import TEXT, pipeline, scenes

from pixverve_lib.exhibits import wavelets
from pixverve_lib.imaging import appeal
from pixverve_lib.models import rotary
from pixverve_lib.models.criteria import HuberWavelet, Wavelet, squared
from pixverve_lib.paper import published
from pixverve_lib.schemes import (
    arms,
    curriculum,
    dataset,
    engine,
    flow,
    full_attention,
    latent_statistics,
    placement,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    return dataset.prepare(*scenes(6, 64), pipeline(), tmp_path_factory.mktemp("cache"), **TEXT)


def test_the_range_of_the_second_stage_has_both_readings_and_the_default_is_noise():
    first, second = curriculum.stages(3000)
    assert first == (3000, (0.0, 1.0), 1.0) and second == (200, (pytest.approx(0.541), 1.0), 0.05)
    assert curriculum.stages(3000, "time")[1].times == (0.0, 0.459)
    with pytest.raises(ValueError, match="reading 'steps' is unknown; use one of: index, time"):
        curriculum.stages(9, "steps")


def test_the_best_pictures_are_chosen_in_their_order_with_their_captions():
    pictures, captions = list("abcdef"), list("ABCDEF")
    assert curriculum.chosen(pictures, captions, [1, 9, 3, 8, 8, 0], 0.5) == (["b", "d", "e"], ["B", "D", "E"])
    assert curriculum.chosen(pictures, captions, range(6), 0.05) == (["e", "f"], ["E", "F"])
    for scores in ([1, 2], [1, 2, 3, 4, 5, math.nan]):
        with pytest.raises(ValueError, match="6 pictures need as many scores that are numbers"):
            curriculum.chosen(pictures, captions, scores, 0.5)
    with pytest.raises(ValueError, match="share 5 is no share"):
        curriculum.chosen(pictures, captions, range(6), 5)


def test_half_of_a_plain_pool_is_spoilt_and_the_classical_score_knows_it():
    plain, captions = curriculum.pool(40, 96)
    clean, same = curriculum.pool(40, 96, spoilt=0)
    harmed = np.array([not np.array_equal(*pair) for pair in zip(plain, clean, strict=True)])
    assert captions == same and harmed.sum() == 20
    scores = np.array([appeal.colour_and_light(rgb) for rgb in plain])
    assert scores[harmed].mean() < scores[~harmed].mean()


def test_the_second_stage_starts_where_the_first_ended_and_sees_its_noise_only(cached, tmp_path, monkeypatch):
    starts, sigmas, train, levels = [], [], engine.train, flow.noise_levels

    def noted(network, *rest):
        starts.append({name: weight.detach().clone() for name, weight in engine.trained(network).items()})
        return train(network, *rest)
    monkeypatch.setattr(engine, "train", noted)
    monkeypatch.setattr(flow, "noise_levels", lambda *given: sigmas.append(levels(*given)) or sigmas[-1])
    plan = curriculum.Stage(3, (0.0, 1.0), 1.0), curriculum.Stage(2, (0.541, 1.0), 0.5)
    tuned = curriculum.run(tmp_path, pipeline(), [cached, cached], plan, batch=2, criterion=HuberWavelet())
    ended = load_file(engine.kept(tuned[0].run, 3))
    assert all(torch.equal(weight, ended[name]) for name, weight in starts[1].items())
    assert torch.cat(sigmas[3:]).min() >= 0.541 and len(tuned[1].metrics) == 2


def test_arms_are_trained_apart_scored_and_found_again(cached, tmp_path):
    calls = []

    def score(paths):
        calls.append([path.name for path in paths])
        return {"number": len(paths)}
    resonant = {rotary: {"kind": "resonance", "trained": 4}}
    given = {"base": None, "both": {"cached": cached, "criterion": HuberWavelet(), "retrofits": resonant}}
    options = {"steps": 2, "seeds": (0, 1), "batch": 2, "sampling": {"steps": 1, "batch": 2, **TEXT}}
    first = arms.train_arms(tmp_path, pipeline(), given, cached, ["red circle"] * 2, 64, score, **options)
    assert first.scores[["arm", "seed"]].values.tolist() == [["base", 0], ["both", 0], ["both", 1]]
    assert len({name for names in calls for name in names}) == 2 * 3 and set(first.scores.number) == {2}
    assert sorted(set(first.curves.step)) == [0, 1, 2] and rotary.installed(pipeline().transformer) is None
    again = arms.train_arms(tmp_path, pipeline(), given, cached, ["red circle"] * 2, 64, score, **options)
    pd.testing.assert_frame_equal(again.scores, first.scores)
    assert again.pictures == first.pictures


def test_equal_weights_train_exactly_alike_and_other_criteria_do_not(cached):
    criteria = {"squared": squared, "WLF": Wavelet(), "weighted": Wavelet((1, 2, 2, 4)),
                "released": Wavelet(released=True)}
    found = arms.compare(pipeline().transformer, cached, criteria).set_index("criterion")
    assert found.ratio["WLF"] == pytest.approx(1, abs=1e-12) and found.gradient["WLF"] < 1e-6
    assert (found.gradient[["weighted", "released"]] > 1e-3).all()
    assert wavelets.parseval(found.reset_index())["loss / first"].iloc[1] == "1"


def test_white_latents_have_even_bands_with_gaussian_tails_in_any_number_of_parts():
    white = torch.randn(6, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    whole, parts = (latent_statistics.measure(each) for each in ([white], white.split(1)))
    pd.testing.assert_frame_equal(whole.summary, parts.summary)
    pd.testing.assert_frame_equal(whole.histogram, parts.histogram)
    facts = whole.summary
    assert np.allclose(facts.share, 0.25, atol=0.01) and np.allclose(facts["kurtosis"], 3, atol=0.15)
    assert np.allclose(facts.above_one, facts.gaussian_one, atol=0.01)
    assert np.allclose(whole.histogram["count"].sum(), white.numel())
    with pytest.raises(ValueError, match="no latents"):
        latent_statistics.measure([])


def test_tables_put_the_printed_numbers_beside_the_measured_ones_and_effects_add_up():
    scores = pd.DataFrame({"arm": list("ABCD") * 2, "seed": [0] * 4 + [1] * 4, "loss": 1.0, "seconds": 2.0,
                           "pos": [0.1, 0.2, 0.4, 0.7] * 2})
    table = wavelets.ultraflux_tab_1(scores).set_index("arm")
    assert table.loc["D", "FID ↓ published"] == 145.81 and table.loc["B", "pos ↑ measured"] == 0.2
    effects = wavelets.interactions(published.numbers("ultraflux_tab_1"), scores,
                                    {"fid": "published", "pos": "measured"}).set_index("score")
    assert effects.loc["FID ↓", ["sum", "together"]].tolist() == pytest.approx([-5.36, -6.28])
    assert effects.loc["pos ↑", "interaction"] == pytest.approx(0.2)
    energies = wavelets.energies(latent_statistics.measure([torch.ones(1, 2, 4, 4)]).summary)
    assert energies.measured[0] == 1 and energies.difference[0] == pytest.approx(1 - 0.874)


def test_the_printed_presets_are_settings_that_a_paper_run_takes():
    for name, (rate, batch) in {"Diffusion-4K": (1e-6, 32), "UltraFlux": (1e-6, 64)}.items():
        preset = dict(arms.PRINTED[name])
        assert preset.pop("batch") * arms.GPUS == batch and preset.pop("criterion") != squared
        settings = full_attention.preset("full", "paper", **preset)
        assert settings.rate == rate and settings.shard in placement.SHARDS

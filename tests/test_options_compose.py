"""Options of all systems in one training: windows, minor components, a Huber wavelet loss, Resonance positions."""
import copy

import pytest
import torch
from tiny_pipeline import TEXT, pipeline, scenes

from pixverve_lib.models import proportional_attention, rotary, window_attention
from pixverve_lib.models.criteria import HuberWavelet, Wavelet
from pixverve_lib.schemes import checkpoints, dataset, engine, flow, full_attention, retrofits

SCHEDULE = ((1, 1), (2, 4))
QUICK = {"steps": 5, "batch": 2, "every": 2, "rank": 4, "rate": 0.01, "warmup": 0, "criterion": HuberWavelet()}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    return dataset.prepare(*scenes(4, 128), pipeline(), tmp_path_factory.mktemp("cache"), **TEXT)


@pytest.fixture
def made():
    """A pipeline with every retrofit."""
    return retrofits.retrofitted(pipeline(), {
        window_attention: {"schedule": SCHEDULE}, rotary: {"kind": "resonance+yarn", "trained": 4},
        proportional_attention: {"trained": 4}})


def predicted(transformer):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, transformer.config.in_channels, 8, 8, generator=random)
    text = torch.randn(2, 24, 192, generator=random)
    with torch.no_grad():
        return flow.predict(transformer, x, torch.tensor([0.2, 0.7]), text)


@pytest.mark.parametrize("variant", ["minor", "full"])
def test_all_options_train_together_and_apply_to_the_stock_pipeline_again(cached, made, tmp_path, monkeypatch, variant):
    trained, train = [], engine.train
    monkeypatch.setattr(engine, "train", lambda network, *rest: (trained.append(network), train(network, *rest))[1])
    before = predicted(made.transformer)
    tuned = full_attention.finetune(tmp_path, made, cached, variant, held_out=cached, **QUICK | {"every": 5})
    assert tuned.metrics["step"].tolist() == [1, 2, 3, 4, 5] and tuned.metrics["norm"].gt(0).all()
    after = predicted(trained[0])
    assert (after - before).abs().max() > 1e-3 and torch.equal(predicted(made.transformer), before)
    again = full_attention.apply(pipeline(), tuned.weights).transformer
    assert (predicted(again) - after).abs().max() < 1e-5
    for module in retrofits.FILES:
        assert module.installed(again) == module.installed(made.transformer) is not None
        assert module.installed(pipeline().transformer) is None


def test_each_retrofit_moves_the_prediction_and_taking_all_away_gives_the_stock_one(made):
    stock, found = predicted(pipeline().transformer), predicted(made.transformer)
    fingerprints = {checkpoints.fingerprint(made.transformer)}
    for module in (window_attention, rotary, proportional_attention):
        module.remove(made.transformer)
        without, found = found, predicted(made.transformer)
        assert not torch.equal(found, without)
        fingerprints.add(checkpoints.fingerprint(made.transformer))
    assert torch.equal(found, stock) and len(fingerprints) == 4


def test_an_interrupted_training_of_minor_components_goes_on_to_the_same_weights(cached, made, tmp_path, monkeypatch):
    whole = full_attention.finetune(tmp_path / "whole", made, cached, "minor", **QUICK)
    loss, calls = flow.loss, []

    def failing(*given, **options):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return loss(*given, **options)
    monkeypatch.setattr(flow, "loss", failing)
    with pytest.raises(KeyboardInterrupt):
        full_attention.finetune(tmp_path / "cut", made, cached, "minor", **QUICK)
    resumed = full_attention.finetune(tmp_path / "cut", made, cached, "minor", **QUICK)
    assert len(calls) == 4 + 3  # from the checkpoint of step 2
    states = [predicted(full_attention.apply(pipeline(), each.weights).transformer) for each in (whole, resumed)]
    assert torch.equal(*states)


def test_every_option_is_a_part_of_a_run_s_identity(cached, tmp_path, monkeypatch):
    folders = []

    def noted(network, loss, batches, settings, folder, *rest):
        folders.append(folder)
        raise KeyboardInterrupt
    monkeypatch.setattr(engine, "train", noted)
    other = copy.deepcopy(pipeline().transformer)
    other.proj_out.weight.data += 1
    teachers = flow.Teacher(pipeline().transformer, 1), flow.Teacher(pipeline().transformer, 3), flow.Teacher(other, 1)
    for options in ({}, {"criterion": Wavelet()}, {"criterion": Wavelet(released=True)}, {"times": (0.5, 1.0)},
                    *({"teacher": teacher} for teacher in teachers), {"variant": "minor"}, {"variant": "major"}):
        with pytest.raises(KeyboardInterrupt):
            full_attention.finetune(tmp_path, pipeline(), cached, steps=1, **options)
    assert len(set(folders)) == len(folders) == 9


def test_a_network_without_a_guidance_embedding_cannot_be_told_one(cached, tmp_path):
    with pytest.raises(ValueError, match="guidance 3.0 cannot be told to a network without a guidance embedding"):
        full_attention.finetune(tmp_path, pipeline(), cached, "full", steps=1, guidance=3.0)

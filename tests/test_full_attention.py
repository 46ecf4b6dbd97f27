"""Scheme I: what is trained, from where, and that others can load it."""
import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinPipeline
from safetensors.torch import load_file, save_file
from tiny_pipeline import TEXT, pipeline, sampled, scenes

from pixverve_lib.models import nano_klein
from pixverve_lib.paper import training
from pixverve_lib.paper.published import numbers
from pixverve_lib.schemes import checkpoints, dataset, engine, full_attention, planner
from pixverve_lib.schemes.full_attention import Stage, finetune

QUICK = {"steps": 3, "batch": 2, "every": 2}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    return {side: dataset.prepare(*scenes(6, side), pipeline(), folder / str(side), **TEXT) for side in (64, 128)}


def state(transformer):
    return {name: tensor.clone() for name, tensor in transformer.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("variant", full_attention.VARIANTS)
def test_a_fine_tuned_transformer_draws_something_else_and_the_base_stays(cached, tmp_path, variant):
    before, drawn = state(pipeline().transformer), sampled(pipeline())
    tuned = finetune(tmp_path, pipeline(), cached[128], variant, held_out=cached[64], rate=0.01,
                     **QUICK)
    better = full_attention.apply(pipeline(), tuned.weights)
    assert np.abs(sampled(better) - drawn).max() > 1e-5
    assert same(state(pipeline().transformer), before) and np.array_equal(sampled(pipeline()), drawn)
    assert tuned.metrics["step"].tolist() == [1, 2, 3] and set(tuned.validation["step"]) == {0, 2, 3}
    assert tuned.epochs == pytest.approx(3 / 3) and tuned.device_hours > 0  # 6 pictures are 3 batches


def test_what_is_finished_is_found_and_another_setting_has_another_folder(cached, tmp_path, monkeypatch):
    first = finetune(tmp_path, pipeline(), cached[64], "lora", **QUICK)
    other = finetune(tmp_path, pipeline(), cached[64], "lora", alpha=16, **QUICK)
    monkeypatch.setattr(full_attention.flow, "loss", lambda *_, **__: pytest.fail("trained again"))
    again = finetune(tmp_path, pipeline(), cached[64], "lora", **QUICK)
    assert again.weights == first.weights != other.weights and again.metrics.equals(first.metrics)


def test_a_saved_lora_draws_the_same_picture_in_another_process_with_the_stock_pipeline(cached, tmp_path):
    pipeline().save_pretrained(tmp_path / "base")
    base = Flux2KleinPipeline.from_pretrained(tmp_path / "base")
    tuned = finetune(tmp_path, base, cached[64], "lora", rate=0.01, alpha=16, **QUICK)
    here = sampled(full_attention.apply(base, tuned.weights))
    out, script = tmp_path / "picture.npy", Path(__file__).with_name("load_lora.py")
    subprocess.run([sys.executable, script, tmp_path / "base", tuned.weights, out], check=True, capture_output=True)
    assert np.array_equal(np.load(out), here) and np.abs(here - sampled(base)).max() > 1e-5


def test_alpha_halves_the_lora_that_is_loaded(cached, tmp_path):
    tuned = finetune(tmp_path, pipeline(), cached[64], "lora", alpha=16, **QUICK)
    transformer = full_attention.apply(pipeline(), tuned.weights).transformer
    scalings = {layer.scaling["default_0"] for layer in transformer.modules() if hasattr(layer, "scaling")}
    assert scalings == {16 / 32}


def test_the_lora_of_the_paper_has_33_million_weights_on_the_real_shapes():
    transformer = nano_klein.build_full(device="meta").transformer
    lora = full_attention.adapted(transformer, "lora", training.LORA_RANK, 32, engine.Settings(1, 1e-4))
    trained = engine.trained(lora)
    assert sum(weight.numel() for weight in trained.values()) == 33_423_360
    assert {weight.dtype for weight in trained.values()} == {torch.float32}
    assert sum(weight.numel() for weight in transformer.parameters()) == 3_875_544_576


def test_full_training_at_8k_starts_from_half_of_4k_and_every_lora_from_the_base(cached, tmp_path, monkeypatch):
    monkeypatch.setitem(full_attention.STEPS, "laptop", {"4K": 4, "8K": 2, "10K": 2})
    starts = []
    monkeypatch.setattr(full_attention.engine, "train", spy(starts, engine.train))
    sets = {"4K": cached[64], "8K": cached[128], "10K": cached[128]}
    full = full_attention.progressive(tmp_path, pipeline(), sets, "full", batch=2)
    assert list(full) == ["4K", "8K"]
    assert same(starts[1], load_file(engine.kept(full["4K"].run, 2)))
    starts.clear()
    lora = full_attention.progressive(tmp_path, pipeline(), sets, "lora", batch=2)
    assert list(lora) == ["4K", "8K", "10K"] and same(starts[0], starts[1]) and same(starts[1], starts[2])


def spy(starts, train):
    def spied(network, *given):
        starts.append({name: weight.detach().clone() for name, weight in engine.trained(network).items()})
        return train(network, *given)
    return spied


def test_epochs_of_the_paper_decide_the_steps_at_budget_paper(cached):
    stages = full_attention.CURRICULUM["lora"]
    assert [full_attention._steps(stage, cached[64], "paper", {}) for stage in stages] == [18, 2, 2]  # of 6 pictures
    assert full_attention._steps(stages[0], cached[64], "paper", {"batch": 3, "accumulate": 2}) == 3


def test_what_cannot_work_is_refused_before_the_first_step(cached, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="variant 'half' is unknown; use one of: full, lora"):
        finetune(tmp_path, pipeline(), cached[64], "half", steps=1)
    start = tmp_path / "start.safetensors"
    weights = {name: weight.detach() for name, weight in pipeline().transformer.named_parameters()}
    save_file(weights | {"proj_out.weight": torch.zeros(2, 2)}, start, {"about": "{}"})
    with pytest.raises(checkpoints.BadCheckpoint, match=r"of another network: proj_out.weight is \(2, 2\) there"):
        finetune(tmp_path, pipeline(), cached[64], "full", steps=1, start=start)
    monkeypatch.setattr(planner, "_free", lambda *_: 1e6)
    with pytest.raises(planner.DoesNotFit, match="0.00 GB that are free"):
        finetune(tmp_path, pipeline(), cached[64], "full", steps=1)
    assert not list(tmp_path.glob("full-*"))


def test_the_curriculum_is_that_of_tab_a1_and_e1():
    published = numbers("tab_a1").set_index(["method", "resolution"])["number_of_epochs"]
    for variant, method in (("full", "Scheme I (Full)"), ("lora", "Scheme I (LoRA)")):
        stages = full_attention.CURRICULUM[variant]
        assert {stage.scale: stage.epochs for stage in stages} == published[method].to_dict()
    assert full_attention.CURRICULUM["full"][1] == Stage("8K", 0.25, "4K", 3)
    others = {"Scheme II": {"4K": training.WINDOW_EPOCHS_4K}, "Scheme III": {
        "4K": training.PIXEL_EPOCHS_4K, "8K": training.PIXEL_EPOCHS_8K, "10K": training.PIXEL_EPOCHS_10K}}
    assert all(published[method].to_dict() == epochs for method, epochs in others.items())
    gpus = numbers("tab_a2").set_index("method")["number_of_gpus"]
    assert set(gpus["Scheme I (Full)"]) == set(gpus[["Scheme II"]]) == {training.FULL_ATTENTION_GPUS}
    assert set(gpus["Scheme III"]) == {training.PIXEL_GPUS}


def test_presets_are_the_paper_s_where_the_paper_s_size_is_trained():
    assert full_attention.preset("full", "paper", 9).rate == 1e-5
    assert full_attention.preset("lora", "gpu", 9).rate == 1e-4 and training.LORA_RANK == 32
    assert full_attention.preset("full", "laptop", 9, rate=1.0) == engine.Settings(
        9, 1.0, "cosine", warmup=20, average=0.99)


def test_every_training_constant_is_one_literal_on_a_line_that_cites_its_source():
    source = Path(training.__file__).read_text(encoding="utf-8")
    _docstring, *statements = ast.parse(source).body
    lines = [source.splitlines()[statement.lineno - 1] for statement in statements]
    cited = r"[A-Z][A-Z0-9_]* = .+  # (Sec\. \d\.\d|App\. E\.\d|Tab\. \d|not in paper: \w)"
    assert [line for line in lines if not re.match(cited, line)] == []
    assert all(ast.literal_eval(statement.value) is not None for statement in statements)
    texts = sorted((Path(__file__).parents[2] / "shared" / "papers").glob("000_*.txt"))
    if not texts:
        pytest.skip("the paper's text is not beside this checkout (../shared/papers)")
    text = texts[0].read_text(encoding="utf-8")
    assert [quote for quote in re.findall(r'# .*?"([^"]+)"', source) if quote not in text] == []

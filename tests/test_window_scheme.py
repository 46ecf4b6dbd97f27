"""Scheme II as a stage: the retrofit, its training, what is kept of it, and what it costs."""
import copy

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import Flux2Transformer2DModel
from tiny_pipeline import TEXT, pipeline, sampled, scenes
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pixverve_lib.exhibits import scheme2
from pixverve_lib.models import nano_klein, window_attention, window_schedules
from pixverve_lib.paper import training
from pixverve_lib.schemes import dataset, flow, full_attention, planner, sampling, window_checks, window_costs
from pixverve_lib.schemes import window_attention as scheme

SCHEDULE = ((2, 4), (4, 2))
QUICK = {"steps": 2, "batch": 2, "every": 2}
TEXTS = ["red circle centre, dark tiles", "blue square top-left, light paper"]
DRAWN = {"steps": 2, "batch": 2, "guidance": 3.0} | TEXT

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    return dataset.prepare(*scenes(4, 128), pipeline(), tmp_path_factory.mktemp("cache"), **TEXT)


def test_a_tuned_retrofit_remembers_its_windows_and_the_base_stays_stock(cached, tmp_path):
    before = sampled(pipeline(), 128)
    tuned = scheme.finetune(tmp_path, pipeline(), cached, SCHEDULE, merge="lse", held_out=cached, **QUICK)
    better = full_attention.apply(pipeline(), tuned.weights)
    assert window_attention.installed(better.transformer) == {"schedule": SCHEDULE, "merge": "lse"}
    assert np.abs(sampled(better, 128) - before).max() > 1e-5
    assert window_attention.installed(pipeline().transformer) is None
    assert np.array_equal(sampled(pipeline(), 128), before)
    stock = Flux2Transformer2DModel.from_pretrained(tuned.weights)  # nothing but weights of the stock network
    assert list(stock.state_dict()) == list(pipeline().transformer.state_dict())


def test_the_schedule_and_the_merge_are_a_part_of_what_a_run_is(cached, tmp_path):
    runs = {scheme.finetune(tmp_path, pipeline(), cached, schedule, merge=merge, **QUICK).run
            for schedule, merge in ((SCHEDULE, "average"), (SCHEDULE, "lse"), (SCHEDULE[::-1], "average"))}
    again = scheme.finetune(tmp_path, pipeline(), cached, SCHEDULE, **QUICK)
    assert len(runs) == 3 and again.run in runs


def test_a_lora_on_a_retrofit_is_loaded_with_its_windows(cached, tmp_path):
    made = scheme.retrofit(pipeline(), SCHEDULE)
    tuned = full_attention.finetune(tmp_path, made, cached, "lora", rate=0.01, **QUICK)
    better = full_attention.apply(pipeline(), tuned.weights)
    assert window_attention.installed(better.transformer)["schedule"] == SCHEDULE
    assert np.abs(sampled(better, 128) - sampled(made, 128)).max() > 1e-6


def counted(paths):
    """Stands for scores of pictures, which are the business of `bench`."""
    return {"drawn": len(paths)}


def test_pictures_of_another_schedule_have_other_names(tmp_path):
    made = [pipeline(), *(scheme.retrofit(pipeline(), SCHEDULE, merge) for merge in window_attention.MERGES)]
    drawing = {"steps": 1, "guidance": 1.0} | TEXT
    paths = {sampling.generate(each, ["red circle centre"], tmp_path, 64, 64, **drawing)["path"][0] for each in made}
    assert len(paths) == 3


def test_rates_and_steps_are_the_paper_s_at_its_size(cached, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(full_attention, "finetune", lambda *_, **options: asked.append(options))
    scheme.finetune(tmp_path, pipeline(), cached, SCHEDULE, budget="paper")
    scheme.finetune(tmp_path, pipeline(), cached, SCHEDULE, budget="laptop")
    scheme.finetune(tmp_path, pipeline(), cached, SCHEDULE, budget="laptop", rate=1.0, steps=7)
    assert [(each["rate"], each["steps"]) for each in asked] == [
        (training.WINDOW_RATE, 3 * 4), (scheme.NANO_RATE, scheme.STEPS["laptop"]), (1.0, 7)]


def test_learning_goes_from_the_start_through_every_kept_step(cached, tmp_path):
    made = scheme.retrofit(pipeline(), SCHEDULE)
    tuned = scheme.finetune(tmp_path / "run", pipeline(), cached, SCHEDULE, keep=(1, 2), rate=0.05, **QUICK)
    found = scheme.learning(tmp_path / "drawn", made, tuned, cached, TEXTS, 64, counted, **DRAWN)
    assert found["step"].tolist() == [0, 1, 2] and found["loss"].nunique() == 3
    assert found["drawn"].eq(len(TEXTS)).all()
    assert len(list((tmp_path / "drawn").iterdir())) == 3 * 2


def test_what_windows_cost_untrained_is_nothing_with_one_window(cached, tmp_path):
    schedules = {"one window": [(1, 1)], "many": SCHEDULE}
    found = scheme.untrained(tmp_path, pipeline(), schedules, cached, TEXTS[:1], 64, counted, **DRAWN)
    assert found["schedule"].tolist() == ["full attention", "one window", "one window", "many", "many"]
    assert found["merge"].tolist() == ["–", "average", "lse", "average", "lse"]
    assert found["loss"][:3].nunique() == 1 and found["loss"].nunique() == 3


@pytest.mark.parametrize("partition", [(1, 1), (2, 4), (3, 5)])
def test_operations_by_formula_are_what_a_counter_counts(partition):
    transformer, grid = copy.deepcopy(pipeline().transformer), (8, 8)
    window_attention.install(transformer, [partition])
    latents = torch.randn(1, transformer.config.in_channels, *grid)
    text = torch.randn(1, 6, transformer.config.joint_attention_dim)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        flow.predict(transformer, latents, torch.ones(1), text)
    counted = sum(sum(counter.get_flop_counts()[f"Flux2Transformer2DModel.{name}"].values())
                  for name in ("transformer_blocks.0.attn", "single_transformer_blocks.0.attn"))
    shape = transformer.config | {"num_layers": 1, "num_single_layers": 1}
    outside = 2 * 9 * transformer.inner_dim**2 * (64 + 6)  # the MLP of a double block is not in its attention
    assert counted == sum(window_costs.operations(shape, grid, [partition], 6).values()) - outside


def test_the_real_shapes_cost_what_the_facts_say():
    table = window_costs.at_full_size().set_index(["scale", "attention"])
    total = table["total PFLOP"].round(1)
    assert (total["4K", "full attention"], total["4K", "released"]) == (1.7, 0.7)
    assert (total["8K", "full attention"], total["8K", "released"]) == (22.8, 6.0)
    assert table["published share"]["4K", "released"] == pytest.approx(71 / 103)


def test_time_is_measured_for_every_attention_and_the_network_stays_stock(capsys, monkeypatch):
    grown = window_costs.growth((16,), 1)
    assert grown["attention"].tolist() == ["full attention", "window grows", "window stays"]
    assert (grown["seconds"] > 0).all()
    assert grown["law"][0] == 4 * 128 * 256**2 * 6 and grown["law"][1] == grown["law"][0] * 2 / 8
    monkeypatch.setattr(nano_klein, "FULL_TOKENS", 8)
    network = copy.deepcopy(pipeline().transformer)
    timed = window_costs.timed(network, {"4K": 512}, ("4K",), 1)
    assert (timed[["blocks", "call"]] > 0).all(axis=None) and window_attention.installed(network) is None
    if not torch.cuda.is_available():
        assert window_costs.latency().empty and "no GPU here" in capsys.readouterr().out


def test_a_scale_that_does_not_fit_is_not_timed(monkeypatch, capsys):
    monkeypatch.setattr(planner, "_free", lambda *_: 1e6)
    assert window_costs.timed(pipeline().transformer, {"4K": 512}, ("4K",), 1).empty
    assert "4K is not timed (memory: " in capsys.readouterr().out


def test_exhibits_show_what_a_query_sees_and_what_training_gives():
    schedules = {name: window_schedules.maps((16, 16), window_schedules.preset(name, "4K", nano=True), (5, 9))
                 for name in window_schedules.NAMES}
    titles = [axis.get_title() for axis in scheme2.seen(schedules, (5, 9)).axes]
    expected = ["2 × 2 windows: sees 44%", "2 × 4 windows: sees 23%", "1 × 1 windows: sees 100%"]
    assert titles[:2] + titles[5:6] == expected
    curve = pd.DataFrame({"method": ["full attention", "paper"], "step": 0, "loss": 0.4, "pos": 0.4, "stray": 0.1})
    assert [len(axis.lines) for axis in scheme2.learning(curve, chance=0.05).axes] == [2, 3, 2]
    table = scheme2.untrained(pd.DataFrame({"schedule": ["full attention", "paper"], "merge": ["–", "lse"],
                                            "loss": [0.4, 0.55], "pos": 0.4, "shape": 0.1, "stray": 0.2}))
    assert table["loss difference"].tolist() == [0, 0.15]


def test_the_table_at_full_size_takes_seconds_where_there_are_any():
    formula = window_costs.at_full_size()
    seconds = formula[["scale", "attention"]].assign(blocks=1.0, call=2.0, picture=100.0, share=0.5)
    columns = set(scheme2.full_size(formula, seconds)) - set(scheme2.full_size(formula, seconds[:0]))
    assert columns == {"measured s a call", "measured s, whole", "measured s a picture", "measured share"}


def test_the_facts_that_the_notebook_checks_hold_and_a_wrong_attention_would_not(monkeypatch):
    measured = window_checks.measure(pipeline().transformer, [(1, 1), (2, 4)], (8, 8), (2, 3))
    assert len(measured) == 5 and measured.holds.all()
    monkeypatch.setattr(window_schedules, "seen", lambda grid, partition, query: np.ones(grid, np.uint8))
    wrong = window_checks.measure(pipeline().transformer, [(2, 4)], (8, 8), (2, 3))
    assert not wrong.holds[3] and not wrong.holds[4]

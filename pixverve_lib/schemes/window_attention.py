"""Scheme II (Sec. 3.2): FLUX.2-klein retrofitted with window attention, then all of its transformer trained.

    schedule = window_schedules.preset("paper", "4K", nano=True)
    tuned = finetune(folder, pipeline, cached, schedule, steps=120)
    faster = full_attention.apply(pipeline, tuned.weights)         # with the windows it was trained with
"""
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import cv2
import pandas as pd
from diffusers import Flux2KleinPipeline

from pixverve_lib.imaging import reading
from pixverve_lib.models import window_attention
from pixverve_lib.models.window_attention import MERGES
from pixverve_lib.models.window_schedules import Partition
from pixverve_lib.paper import training
from pixverve_lib.scenes import primer_checker
from pixverve_lib.scenes.primer import PLACES
from pixverve_lib.schemes import checkpoints, engine, flow, full_attention, sampling
from pixverve_lib.schemes.cache import CachedSet
from pixverve_lib.schemes.order import Order

NANO_RATE = 8e-4  # of the 1:16 model, as in Scheme I; not in paper: choice
STEPS = {"smoke": 8, "laptop": 120, "gpu": 10}  # 4K, below `paper`, where epochs decide; not in paper: choice
PICTURES = 8  # at a time, in validation; not in paper: choice


def retrofit(pipeline, schedule: Sequence[Partition], merge: str = "average") -> Flux2KleinPipeline:
    """A pipeline like this one, of the same weights in memory, whose transformer sees windows; this one stays stock."""
    made = copy.copy(pipeline)
    shared = {id(weight): weight for weight in pipeline.transformer.parameters()}
    made.register_modules(transformer=copy.deepcopy(pipeline.transformer, shared))
    window_attention.install(made.transformer, schedule, merge)
    return made


def finetune(folder, pipeline, cached: CachedSet, schedule: Sequence[Partition], *, steps: int | None = None,
             budget: str = "laptop", merge: str = "average", **options) -> full_attention.Tuned:
    """Retrofit and train the whole transformer; as `full_attention.finetune`, whose `options` these are.

    The base, a stock pipeline, is where the paper starts (Sec. E.1). steps: None are those of the budget, at `paper` 3
    epochs (Tab. A1). The weights remember their windows.
    """
    nano = budget in ("smoke", "laptop")
    options = {"rate": NANO_RATE if nano else training.WINDOW_RATE} | options
    steps = steps or STEPS.get(budget) or _paper_steps(cached, options)
    made = retrofit(pipeline, schedule, merge)
    return full_attention.finetune(folder, made, cached, "full", steps=steps, budget=budget, **options)


def prompt_scores(pipeline, prompts: Sequence, folder, side: int, **options) -> dict[str, float]:
    """How far pictures of this side (pixels) show what was asked: {"pos", "shape", "stray"}, all in [0, 1].

    pos, shape: shares of things, see `primer_checker`; stray: share of the places without a thing where one is seen.
    prompts: of `primer.bench_prompts`; options: of `sampling.generate`. Pictures that are there are used.
    """
    texts = [prompt.short for prompt in prompts]
    drawn = sampling.generate(pipeline, texts, folder, side, side, **options)
    pictures = [reading.read_rgb(path) for path in drawn["path"]]
    specs = [prompt.spec for prompt in prompts]
    return primer_checker.scores(pictures, specs) | {"stray": _stray(pictures, specs)}


def untrained(folder, pipeline, schedules: Mapping[str, Sequence[Partition]], held_out: CachedSet, prompts: Sequence,
              side: int, merges: Iterable[str] = MERGES, **options) -> pd.DataFrame:
    """What windows cost before training: columns schedule, merge, loss and those of `prompt_scores`; stock is first.

    loss: of flow matching on `held_out`, mean over noise levels; options: of `sampling.generate`.
    """
    made = {("full attention", "–"): pipeline}
    made |= {(name, merge): retrofit(pipeline, schedules[name], merge) for name, merge in product(schedules, merges)}
    rows = [{"schedule": name, "merge": merge, "loss": _loss(each, held_out)}
            | prompt_scores(each, prompts, folder, side, **options) for (name, merge), each in made.items()]
    return pd.DataFrame(rows)


def learning(folder, start, tuned: full_attention.Tuned, held_out: CachedSet, prompts: Sequence, side: int,
             **options) -> pd.DataFrame:
    """Scores against steps of training: columns step, loss and those of `prompt_scores`; step 0 is `start`.

    start: the pipeline that training began with, retrofitted where it was; tuned: of a run with `keep`, whose steps
    these are; held_out, prompts, side, options: as in `untrained`.
    """
    rows = [{"step": step, "loss": _loss(each, held_out)} | prompt_scores(each, prompts, folder, side, **options)
            for step, each in _snapshots(start, tuned.run)]
    return pd.DataFrame(rows)


def _stray(pictures, specs):
    side = primer_checker.SIDE
    small = [cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA) for rgb in pictures]
    found = [primer_checker.look(rgb, place)[0] is not None for rgb, spec in zip(small, specs, strict=True)
             for place in PLACES if place not in {thing.place for thing in spec.things}]
    return sum(found) / len(found)


def _snapshots(start, run) -> Iterator[tuple[int, Flux2KleinPipeline]]:
    yield 0, start
    for path in sorted(Path(run).glob("step-*.safetensors")):
        made = copy.copy(start)
        made.register_modules(transformer=copy.deepcopy(start.transformer))
        checkpoints.load_weights(path, dict(made.transformer.named_parameters()))
        yield checkpoints.about(path)["step"], made


def _loss(pipeline, held_out):
    levels = flow.losses_by_level(pipeline.transformer, held_out.all_batches(PICTURES))
    return sum(levels.values()) / len(levels)


def _paper_steps(cached, options):
    batches = Order(cached, options.get("batch") or full_attention.PAPER_BATCH, 0).per_epoch
    parts = engine.processes().num_processes * options.get("accumulate", 1)
    return max(1, round(training.WINDOW_EPOCHS_4K * batches / parts))

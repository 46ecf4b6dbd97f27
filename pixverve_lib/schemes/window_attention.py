"""Scheme II (Sec. 3.2): FLUX.2-klein retrofitted with window attention, then all of its transformer trained.

    schedule = window_schedules.preset("paper", "4K", nano=True)
    tuned = finetune(folder, pipeline, cached, schedule, steps=120)
    faster = full_attention.apply(pipeline, tuned.weights)         # with the windows it was trained with
"""
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import pandas as pd
from diffusers import Flux2KleinPipeline

from pixverve_lib.models import window_attention
from pixverve_lib.models.window_attention import MERGES
from pixverve_lib.models.window_schedules import Partition
from pixverve_lib.paper import training
from pixverve_lib.schemes import checkpoints, engine, flow, full_attention, sampling
from pixverve_lib.schemes.bases import is_nano
from pixverve_lib.schemes.cache import CachedSet
from pixverve_lib.schemes.order import Order
from pixverve_lib.schemes.retrofits import retrofitted

NANO_RATE = 8e-4  # of the 1:16 model, as in Scheme I; not in paper: choice
STEPS = {"smoke": 4, "laptop": 60, "gpu": 10}  # 4K, below `paper`, where epochs decide; not in paper: choice
PICTURES = 8  # at a time, in validation; not in paper: choice


def retrofit(pipeline, schedule: Sequence[Partition], merge: str = "average") -> Flux2KleinPipeline:
    """A pipeline like this one, of the same weights in memory, whose transformer sees windows; this one stays stock."""
    return retrofitted(pipeline, {window_attention: {"schedule": schedule, "merge": merge}})


def finetune(folder, pipeline, cached: CachedSet, schedule: Sequence[Partition], *, steps: int | None = None,
             budget: str = "laptop", merge: str = "average", **options) -> full_attention.Tuned:
    """Retrofit and train the whole transformer; as `full_attention.finetune`, whose `options` these are.

    The base, a stock pipeline, is where the paper starts (Sec. E.1). steps: None are those of `steps_at`. The weights
    remember their windows.
    """
    options = {"rate": NANO_RATE if is_nano(budget) else training.WINDOW_RATE} | options
    steps = steps or steps_at(budget, cached, options.get("batch"), options.get("accumulate", 1))
    made = retrofit(pipeline, schedule, merge)
    return full_attention.finetune(folder, made, cached, "full", steps=steps, budget=budget, **options)


def steps_at(budget: str, cached: CachedSet, batch: int | None = None, accumulate: int = 1) -> int:
    """Steps of a training at a budget; at `paper` 3 epochs (Tab. A1)."""
    if budget in STEPS:
        return STEPS[budget]
    order = Order(cached, batch or full_attention.PAPER_BATCH, 0)
    return engine.steps_of(training.WINDOW_EPOCHS_4K, order.per_epoch, accumulate)


def untrained(folder, pipeline, schedules: Mapping[str, Sequence[Partition]], held_out: CachedSet, texts: Sequence[str],
              side: int, score: Callable, merges: Iterable[str] = MERGES, **options) -> pd.DataFrame:
    """What windows cost before training: columns schedule, merge, loss and those of `score`; stock is first.

    loss: of flow matching on `held_out`, mean over noise levels; score: paths of pictures of `texts`, in their order ->
    {name: value}; side: pixels; options: of `sampling.generate`. Pictures that are there are used.
    """
    made = {("full attention", "–"): pipeline}
    made |= {(name, merge): retrofit(pipeline, schedules[name], merge) for name, merge in product(schedules, merges)}
    return pd.DataFrame([{"schedule": name, "merge": merge, "loss": _loss(each, held_out)}
                         | score(sampling.generate(each, texts, folder, side, side, **options)["path"])
                         for (name, merge), each in made.items()])


def learning(folder, start, tuned: full_attention.Tuned, held_out: CachedSet, texts: Sequence[str], side: int,
             score: Callable, **options) -> pd.DataFrame:
    """Scores against steps of training: columns step, loss and those of `score`; step 0 is `start`.

    start: the pipeline that training began with, retrofitted where it was; tuned: of a run with `keep`, whose steps
    these are; the others as in `untrained`.
    """
    return pd.DataFrame([{"step": step, "loss": _loss(each, held_out)}
                         | score(sampling.generate(each, texts, folder, side, side, **options)["path"])
                         for step, each in _snapshots(start, tuned.run)])


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

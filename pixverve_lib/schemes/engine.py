"""One training loop for all schemes, on one CPU or many GPUs: what it trains and by which loss is the caller's.

    python ...                                    one process
    torchrun --nproc-per-node 8 script.py         eight: each holds the network (DDP), or an eighth of it (`shard`)

Everything random in global batch n is a function of (seed, n): which pictures, noise, noise level. n counts over
processes and accumulated parts alike, so two processes do what one does that accumulates two, and a run that was killed
goes on bit for bit from its last checkpoint.
"""
import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from accelerate.state import PartialState
from accelerate.utils import gather_object

from pixverve_lib.kit.artefacts import whole_folder
from pixverve_lib.schemes import checkpoints, placement
from pixverve_lib.schemes.records import Records, bar_of

BETAS = (0.9, 0.95)  # of AdamW; not in paper: choice
HOW = ("accumulate", "recompute", "shard", "every")  # settings that may change when a run goes on


class NotFinite(RuntimeError):
    """The loss or its gradient is no number any more; the line names the step and the pictures."""


@dataclass(frozen=True)
class Settings:
    """How to train. What the paper does not print has a choice of ours as its default."""

    steps: int
    rate: float
    schedule: str = "constant"  # or "cosine", to 0; Sec. 4.1: "fixed"
    warmup: int = 0  # steps
    accumulate: int = 1  # batches a step and process
    clip: float = 1.0  # norm of the gradient
    weight_decay: float = 0.01
    average: float = 0.0  # decay of the exponential moving average of the weights, 0 for none
    seed: int = 0
    precision: str = "auto"  # float32 | bfloat16; auto: bfloat16 on a GPU
    recompute: bool = False  # gradient checkpointing: activations again in the backward pass, not kept
    shard: str = ""  # over all processes: "zero2" gradients and optimiser; "full" weights, too (FSDP)
    every: int = 100  # steps between validations, and between checkpoints
    keep: tuple[int, ...] = ()  # steps whose weights stay


class Outcome(NamedTuple):
    """What a run leaves beside the trained network."""

    metrics: pd.DataFrame  # step loss rate norm seconds memory_gb
    validation: pd.DataFrame  # step level loss


def train(network: torch.nn.Module, loss: Callable, batches: Callable, settings: Settings, folder: Path,
          identity: Mapping | None = None, validate: Callable | None = None) -> Outcome:
    """Train what of `network` requires gradients, in place, from the last checkpoint in `folder` if there is one.

    loss(network, batch, generator) -> scalar; batches(n) -> batch n with `.to(device)` and `.names`; validate(network)
    -> {level: loss}, first before any step, where the lowest mean so far is kept as `best`. identity: what else must be
    the same when a run goes on (digests of data and start). At the end the network holds the averaged weights, if an
    average is kept.
    Raises NotFinite, and checkpoints.BadCheckpoint when `folder` holds another run.
    """
    if settings.shard not in placement.SHARDS:
        raise ValueError(f"shard {settings.shard!r} is unknown; use one of: {', '.join(map(repr, placement.SHARDS))}")
    accelerator = placement.accelerator_of(settings.precision, folder)
    world, rank = accelerator.num_processes, accelerator.process_index
    model = placement.placed(network.train(), accelerator, settings.shard, settings.recompute)
    weights = trained(network)
    decay = settings.weight_decay
    optimizer = torch.optim.AdamW(weights.values(), settings.rate, BETAS, weight_decay=decay, fused=True)
    average = {name: weight.detach().clone() for name, weight in weights.items()} if settings.average else {}
    result = average or weights
    state = checkpoints.Trained(weights, optimizer, average)
    about = {"settings": json.loads(json.dumps(same(settings, world) | dict(identity or {})))}
    last, begin = Path(folder) / "last.safetensors", 0
    if last.exists():
        begin = checkpoints.restore(last, state, about["settings"])
    accelerator.wait_for_everyone()
    records, is_main = Records(folder, begin, accelerator), accelerator.is_main_process
    with contextlib.ExitStack() as on:
        on.callback(records.close)
        bar = on.enter_context(bar_of(Path(folder).name, begin, settings.steps, is_main))
        if accelerator.mixed_precision == "bf16" and accelerator.device.type == "cpu":
            on.enter_context(placement.attention_in_float32())
        if validate is not None and not begin:
            records.validated(0, _levels(accelerator, model, weights, average, validate))
        for step in range(begin + 1, settings.steps + 1):
            clock, total, names = time.perf_counter(), 0.0, []
            for group in optimizer.param_groups:
                group["lr"] = _rate(settings, step)
            for part in range(settings.accumulate):
                number = ((step - 1) * settings.accumulate + part) * world + rank
                batch = batches(number).to(accelerator.device)
                is_last = part == settings.accumulate - 1
                with contextlib.nullcontext() if is_last else accelerator.no_sync(model):
                    with accelerator.autocast():
                        value = loss(model, batch, generator(settings.seed, number)) / settings.accumulate
                    accelerator.backward(value)
                total, names = total + value.detach(), [*names, *batch.names]
            norm = accelerator.clip_grad_norm_(weights.values(), settings.clip)
            total, norm = accelerator.reduce(total.float(), "mean").item(), float(checkpoints.whole(norm))
            if not math.isfinite(total + norm):
                pictures = ", ".join(dict.fromkeys(gather_object(names)))
                raise NotFinite(f"step {step}: loss {total}, gradient {norm}, with the pictures {pictures}; look at "
                                f"these or lower the rate ({settings.rate}); {folder} keeps the last checkpoint")
            optimizer.step()
            optimizer.zero_grad()
            for name, mean in average.items():
                mean.lerp_(weights[name].detach(), 1 - min(settings.average, (1 + step) / (10 + step)))
            seconds, memory = time.perf_counter() - clock, placement.memory_gb(accelerator.device)
            records.trained(step, total, _rate(settings, step), norm, seconds, memory)
            bar.set_postfix_str(f"loss {total:.4f}, {seconds:.2f} s/step, {memory:.2f} GB", refresh=False)
            bar.update()
            if step % settings.every and step not in settings.keep and step != settings.steps:
                continue
            if validate is not None:
                records.validated(step, _levels(accelerator, model, weights, average, validate))
                if records.is_best(step):
                    best = Path(folder) / "best.safetensors"
                    checkpoints.save_weights(best, result, {"step": step}, is_main)
            if step in settings.keep:
                checkpoints.save_weights(kept(folder, step), result, {"step": step}, is_main)
            checkpoints.save(last, state, about | {"step": step}, is_main)
    _copy(average, weights)
    accelerator.wait_for_everyone()
    accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    return Outcome(*records.outcome())


def processes() -> PartialState:
    """This process among those that torchrun started: `num_processes`, `is_main_process`, ..."""
    return PartialState(cpu=not torch.cuda.is_available())


def trained(network) -> dict[str, torch.nn.Parameter]:
    """The weights that require gradients, by name."""
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


def same(settings: Settings, processes: int) -> dict:
    """What must be equal for a run to go on."""
    kept = {name: value for name, value in asdict(settings).items() if name not in HOW}
    return kept | {"batches a step": processes * settings.accumulate}


def digest(settings: Settings, identity: Mapping) -> str:
    """Of everything that makes a run what it is, for the name of its folder."""
    parts = same(settings, processes().num_processes) | dict(identity)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def steps_of(epochs: float, per_epoch: int, accumulate: int = 1) -> int:
    """Steps of all processes together for so many epochs of `per_epoch` batches."""
    return max(1, round(epochs * per_epoch / (processes().num_processes * accumulate)))


def export(network, folder: Path, write: Callable) -> Path:
    """A folder with finished weights, whole or not at all; one that is there stays. Every process calls this.

    write(state, folder): puts a state dict, on the CPU, there in the format of its readers
    """
    state = {name: checkpoints.whole(tensor) for name, tensor in network.state_dict().items()}
    if processes().is_main_process and not folder.exists():
        with whole_folder(folder) as fresh:
            write(state, fresh)
    processes().wait_for_everyone()
    return folder


def generator(seed: int, number: int) -> torch.Generator:
    """The source of everything random in global batch `number`, on the CPU: every device draws alike."""
    state = np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def kept(folder, step) -> Path:
    """Where the weights of a step of `Settings.keep` are."""
    return Path(folder) / f"step-{step:08d}.safetensors"


def _rate(settings, step):
    """Learning rate of a step, from 1."""
    rate = settings.rate * min(1.0, step / (settings.warmup + 1))
    if settings.schedule == "constant":
        return rate
    return rate * (1 + math.cos(math.pi * (step - 1) / settings.steps)) / 2


@torch.no_grad()
def _copy(source, target):
    for name, tensor in source.items():
        target[name].copy_(tensor)


@contextlib.contextmanager
def _swapped(weights, average):
    """The averaged weights in the network's place, without gradients."""
    held = {name: weights[name].detach().clone() for name in average}
    _copy(average, weights)
    with torch.no_grad():
        yield
    _copy(held, weights)


def _levels(accelerator, model, weights, average, validate):
    """Validation losses of the averaged weights by noise level, the same in every process."""
    with _swapped(weights, average), accelerator.autocast():
        levels = validate(model)
    for module in model.modules():
        if hasattr(module, "reshard"):  # or the averaged weights would be trained on next
            module.reshard()
    means = accelerator.reduce(torch.tensor(list(levels.values()), device=accelerator.device), "mean")
    return dict(zip(levels, means.tolist(), strict=True))

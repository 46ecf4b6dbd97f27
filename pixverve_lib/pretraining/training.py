"""The loop that trains the shipped assets: a step depends on its number only, so that a killed run resumes exactly.

Larger trainings with several processes are the business of the training engine in `schemes/`.
"""
import math
import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from pixverve_lib.kit.artefacts import atomic, whole_folder

WARM_UP = 100  # steps; not in paper: choice
CLIP = 1.0  # norm of the gradient; not in paper: choice
CHECKPOINT_S = 60


class BadCheckpoint(ValueError):
    """A checkpoint that is damaged or of another network; the line says which, and what to do."""


def train(model: nn.Module, optimizers: Sequence[Optimizer], loss_at: Callable[[int], torch.Tensor], steps: int,
          cool_down: int, decay: float, checkpoint: Path) -> nn.Module:
    """Train `model` for `steps`, from `checkpoint` if there is one; returns its exponential moving average.

    loss_at: the loss of a step, random only through generators seeded by the step's number. The rates that the
    optimizers come with are reached after WARM_UP steps and fall to zero along a cosine in the last `cool_down`.
    Raises FloatingPointError when a loss is not finite, BadCheckpoint for one that is damaged or of another network.
    """
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    parts = {"model": model, "average": average} | {f"optimizer{n}": each for n, each in enumerate(optimizers)}
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    done, saved = _resume(parts, checkpoint), time.monotonic()
    bar = tqdm(range(done, steps), initial=done, total=steps, unit=" steps", mininterval=5, leave=False)
    for step in bar:
        _set_rates(optimizers, rates, step, max(0.0, 1 - (steps - step) / cool_down))
        loss = loss_at(step)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss of step {step} is {loss.item()}: lower the rate and start again")
        _update(model, optimizers, loss)
        average.update_parameters(model)
        bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
        if step + 1 == steps or time.monotonic() - saved >= CHECKPOINT_S:
            _save(parts, step + 1, checkpoint)
            saved = time.monotonic()
    return average.module


def save_half(part, folder: Path) -> None:
    """Write what `save_pretrained` writes, in half precision, as one folder that appears whole."""
    parts = [part] if isinstance(part, nn.Module) else part.components.values()
    modules = [each for each in parts if isinstance(each, nn.Module)]
    for module in modules:
        module.half()
    with whole_folder(folder) as fresh:
        part.save_pretrained(fresh)
    for module in modules:
        module.float()


def report(scores: dict[str, float], expected: dict[str, tuple[float, float]]) -> None:
    """Print measured beside expected (value, tolerance), and say what is further away."""
    for name, score in scores.items():
        line = f"{name}: measured {score:.3f}"
        if name in expected:
            value, tolerance = expected[name]
            far = abs(score - value) > tolerance
            line += f", expected {value:.3f} +- {tolerance}" + (" - NOT within the tolerance" if far else "")
        print(line)


def generator(*numbers: int) -> torch.Generator:
    """A generator seeded by a tuple of small numbers, such as (seed, step)."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number) % (1 << 62)
    return torch.Generator().manual_seed(seed)


def _set_rates(optimizers, rates, step, cooled):
    factor = min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * cooled))
    for optimizer, first in zip(optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, first, strict=True):
            group["lr"] = rate * factor


def _update(model, optimizers, loss):
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def _save(parts, step, checkpoint):
    with atomic(checkpoint) as temporary:
        torch.save({"step": step} | {name: part.state_dict() for name, part in parts.items()}, temporary)


def _resume(parts, checkpoint):
    """The number of steps that are done already."""
    if not checkpoint.exists():
        return 0
    try:
        state = torch.load(checkpoint, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return state["step"]
    except (RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{checkpoint} is damaged or of another network: delete it, and the training starts again "
                            "from its first step") from error

"""Checkpoints of a training run: atomic, whole, bounded in number, and refused where they do not belong.

    last.safetensors        trained weights, optimiser state and averaged weights; replaced in place
    best.safetensors        weights with the lowest validation loss
    step-00000480.safetensors    weights of the steps that `keep` names, where a later stage starts

Tensors are whole: a run that was sharded over eight processes goes on in one, and the other way round.
"""
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from pixverve_lib.kit.artefacts import atomic

SAMPLE = 64  # values at either end of a tensor that go into a fingerprint


class BadCheckpoint(ValueError):
    """A checkpoint that is damaged or of another run; the line says which, and what to do."""


class Trained(NamedTuple):
    """What a checkpoint holds beside its step."""

    weights: dict[str, torch.Tensor]  # the trained ones by name
    optimizer: torch.optim.Optimizer
    average: dict[str, torch.Tensor]  # of the weights; empty without EMA


def fingerprint(network) -> str:
    """Hash of names, shapes and both ends of every tensor of a network: two that were trained apart differ."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        flat = tensor.detach().flatten()
        ends = torch.cat([flat[:SAMPLE], flat[-SAMPLE:]]).double().cpu().numpy()
        digest.update(repr((name, tuple(tensor.shape))).encode() + ends.tobytes())
    return digest.hexdigest()[:16]


def write(path: Path, tensors: dict[str, torch.Tensor], about: dict) -> None:
    """Write tensors and what JSON can hold about them, whole or not at all. Raises DiskFull."""
    with atomic(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary,
                  {"about": json.dumps(about)})


def about(path: Path) -> dict:
    """What was written about the tensors of a file. Raises BadCheckpoint."""
    try:
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["about"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{path} is damaged ({error}); delete it, and what it held is made again") from error


def save(path: Path, state: Trained, about: dict, main: bool) -> None:
    """Write everything that a run needs to go on. Every process calls this, for shards are gathered; `main` writes."""
    tensors = {f"weights/{name}": whole(tensor) for name, tensor in state.weights.items()}
    tensors |= {f"average/{name}": whole(tensor) for name, tensor in state.average.items()}
    for name, parameter in state.weights.items():
        for key, value in state.optimizer.state[parameter].items():
            tensors[f"{key}/{name}"] = whole(value)
    if main:
        write(path, tensors, about)


def save_weights(path: Path, weights: dict[str, torch.Tensor], about: dict, main: bool) -> None:
    """Write trained weights alone. Every process calls this; `main` writes."""
    tensors = {name: whole(tensor) for name, tensor in weights.items()}
    if main:
        write(path, tensors, about)


def restore(path: Path, state: Trained, settings: dict) -> int:
    """Put a checkpoint back where it came from, bit for bit; gives the step after which it was taken.

    Raises BadCheckpoint when it is damaged, of another network, or of a run with other settings.
    """
    known = about(path)
    changed = [name for name in settings if known["settings"].get(name) != settings[name]]
    if changed:
        was = ", ".join(f"{name} {known['settings'].get(name)} (now {settings[name]})" for name in changed)
        raise BadCheckpoint(f"{path} is of a run with {was}: train in another folder, or delete this one")
    tensors = load_file(path)
    refuse_other_shapes(path, _part(tensors, "weights"), state.weights)
    for name, parameter in state.weights.items():
        _put(parameter, tensors[f"weights/{name}"])
        kept = {key: tensors[f"{key}/{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        state.optimizer.state[parameter] = {
            key: _like(value, parameter) if value.ndim else value.to(parameter.device) for key, value in kept.items()
        }
    for name, tensor in state.average.items():
        _put(tensor, tensors[f"average/{name}"])
    return known["step"]


def load_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Put weights written by `save_weights` into a network's. Raises BadCheckpoint."""
    about(path)
    tensors = load_file(path)
    refuse_other_shapes(path, tensors, weights)
    for name, tensor in weights.items():
        _put(tensor, tensors[name])


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor on the CPU, gathered when every process holds a shard of it (then all of them must call)."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if _is_sharded(tensor) else tensor).cpu()


def refuse_other_shapes(path, saved, expected) -> None:
    """Raise BadCheckpoint, with the first difference, unless both have the same names and shapes."""
    for name in sorted(saved.keys() | expected.keys()):
        there, here = (tuple(t[name].shape) if name in t else "absent" for t in (saved, expected))
        if there != here:
            raise BadCheckpoint(f"{path} is of another network: {name} is {there} there and {here} here; "
                                "train in another folder, or start from weights of this network")


def _part(tensors, prefix):
    return {name.partition("/")[2]: tensor for name, tensor in tensors.items() if name.startswith(prefix + "/")}


def _like(value, tensor):
    """`value` on the device, or in the shards, of `tensor`."""
    value = value.to(tensor.device)
    if not _is_sharded(tensor):
        return value
    from torch.distributed.tensor import distribute_tensor  # 3 s that only sharded runs should pay
    return distribute_tensor(value, tensor.device_mesh, tensor.placements)


def _is_sharded(tensor):
    return hasattr(tensor, "device_mesh")


@torch.no_grad()
def _put(tensor, value):
    tensor.copy_(_like(value, tensor))

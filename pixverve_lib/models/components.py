"""Adapters that train a part of each weight's own singular value decomposition (URAE Sec. 2.3).

    W = U S V,   A = U_r sqrt(S_r),   B = sqrt(S_r) V_r,   Y = X (W - A B) + X A B          URAE Eq. 5, 6

minor    the r smallest singular values, as URAE; its Eq. 5 means S[:-r, :-r] V[:-r, :] (misprint)
major    the r largest, as PiSSA

    add(network, full_attention.lora_targets(network), 32, "minor")      # A, B train; W - A B is frozen
    layers, metadata = as_lora(network)                                  # a plain LoRA of rank 64 on the unchanged W

The paper's W is in x out, a linear layer's weight its transpose: A^T is `lora_A.weight`, B^T is `lora_B.weight`. The
layers are peft's, and only their start is ours: peft 0.21 starts at the largest ("pissa"), or trains one of the two
factors from the smallest ("mica"), never both factors of Eq. 6, and writes a start like these as a LoRA for its own
PeftModel only, which a transformer of diffusers is not.
"""
import copy
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer

PARTS = ("minor", "major")
ADAPTER = "default"
INPUTS = 16  # vectors that a layer is shown, to see how far it has moved; not in paper: choice
FIRST = {"A": "first_A", "B": "first_B"}  # buffers of a layer that keep the factors it started from


def add(network, targets: Sequence[str], rank: int, which: str) -> None:
    """Put peft's LoRA layers on the linear layers of a diffusers network, in place: the sum of both parts stays W.

    targets: names as peft matches them, whole or ends after a dot; which: one of PARTS. The decomposition is computed
    in float64 and each factor has the sign that makes it repeatable; where W is of half precision the rest W - A B is
    rounded to it. A_0, B_0 stay as buffers, outside of what trains. Raises ValueError, with the network as it was, for
    a rank that does not fit a layer, a target that is no linear layer or absent, and for a second adapter.
    """
    if which not in PARTS:
        raise ValueError(f"components {which!r} are unknown; use one of: {', '.join(PARTS)}")
    for name, layer in _matched(network, targets).items():
        if not 1 <= rank <= min(layer.weight.shape):
            raise ValueError(f"rank {rank} does not fit {name} of {tuple(layer.weight.shape)}: "
                             f"take 1 to {min(layer.weight.shape)}")
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets), init_lora_weights=False)
    network.add_adapter(config, ADAPTER)
    for layer in network.modules():
        if isinstance(layer, LoraLayer):
            _start(layer, rank, which)


def as_lora(network, state: Mapping[str, torch.Tensor] | None = None) -> tuple[dict[str, torch.Tensor], dict]:
    """A LoRA of rank 2 r for the unchanged base: (layers, metadata), as `save_lora_weights` of a pipeline takes them.

        W - A_0 B_0 + A B = W + [A, -A_0] [B; B_0]

    state: of the network, e.g. gathered from shards; its own by default. Raises ValueError for a network without `add`.
    """
    state = network.state_dict() if state is None else state
    layers = {}
    for name in _adapted(network):
        a, b = (state[f"{name}.lora_{side}.{ADAPTER}.weight"] for side in "AB")
        first_a, first_b = (state[f"{name}.{FIRST[side]}"].to(a) for side in "AB")
        layers[f"{name}.lora_A.weight"] = torch.cat([a, first_a])
        layers[f"{name}.lora_B.weight"] = torch.cat([b, -first_b], 1)
    if not layers:
        raise ValueError("the network has no components to write: call components.add before training it")
    metadata = network.peft_config[ADAPTER].to_dict()
    return layers, metadata | {"r": 2 * metadata["r"], "lora_alpha": 2 * metadata["lora_alpha"]}


def factors(weight: torch.Tensor, rank: int, which: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A^T  # rank in, and B^T  # out rank, of Eq. 6 in float64, for the weight of a linear layer  # out in"""
    left, values, right = torch.linalg.svd(weight.detach().double(), full_matrices=False)
    chosen = slice(-rank, None) if which == "minor" else slice(rank)
    left, root, right = left[:, chosen], values[chosen].sqrt(), right[chosen]
    largest = left.gather(0, left.abs().argmax(0, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0)[0].to(root)
    return (sign * root)[:, None] * right, left * (sign * root)


def spectra(network, targets: Sequence[str], rank: int) -> pd.DataFrame:
    """Singular values of the layers that `add` would adapt: layer, component, value, share, part; one row each.

    component: from 1, the largest; share: of the layer's energy, value^2 over their sum; part: "major" (the `rank`
    largest), "minor" (the `rank` smallest, where both meet too) or "rest".
    """
    rows = []
    for name, layer in _matched(network, targets).items():
        values = torch.linalg.svdvals(layer.weight.detach().double()).cpu().numpy()
        count = len(values)
        part = ["minor" if i >= count - rank else "major" if i < rank else "rest" for i in range(count)]
        rows.append(pd.DataFrame({"layer": name, "component": range(1, count + 1), "value": values,
                                  "share": values**2 / (values**2).sum(), "part": part}))
    return pd.concat(rows, ignore_index=True)


@torch.no_grad()
def at_start(network, targets: Sequence[str], rank: int) -> pd.DataFrame:
    """How far adapted layers are from their base before any training: part, layers, weight, output; 0 is not at all.

    weight: largest |(W - A B) + A B - W| of any layer; output: the largest difference that INPUTS normal vectors
    show, relative to the largest output of the layer.
    """
    rows = []
    for which in PARTS:
        made = copy.deepcopy(network)
        add(made, targets, rank, which)
        errors = [_moved(layer, made.get_submodule(name)) for name, layer in _matched(network, targets).items()]
        rows.append((which, len(errors), *map(max, zip(*errors, strict=True))))
    return pd.DataFrame(rows, columns=["part", "layers", "weight", "output"])


def _moved(layer, adapted):
    x = torch.randn(INPUTS, layer.in_features, generator=torch.Generator().manual_seed(0)).to(layer.weight)
    weight = adapted.get_base_layer().weight + adapted.get_delta_weight(ADAPTER)
    output = layer(x)
    return (weight - layer.weight).abs().max().item(), ((adapted(x) - output).abs().max() / output.abs().max()).item()


@torch.no_grad()
def _start(layer, rank, which):
    weight = layer.get_base_layer().weight
    found = dict(zip("AB", factors(weight, rank, which), strict=True))
    for side, factor in found.items():
        trained = getattr(layer, f"lora_{side}")[ADAPTER].weight
        trained.copy_(factor)
        layer.register_buffer(FIRST[side], trained.detach().clone())
    # Of the rounded factors, so that the sum is W again
    weight.sub_((layer.first_B.double() @ layer.first_A.double()).to(weight.dtype))


def _adapted(network):
    """Names of the layers that `add` has made."""
    return [name for name, module in network.named_modules() if isinstance(module, LoraLayer)
            and hasattr(module, FIRST["A"])]


def _matched(network, targets):
    """Linear layers of these names, or ends of names."""
    found = {name: module for name, module in network.named_modules()
             if any(name == target or name.endswith(f".{target}") for target in targets)}
    other = [name for name, module in found.items() if not isinstance(module, torch.nn.Linear)]
    if other or not found:
        what = f"{other[0]} is no linear layer" if other else f"no layer is named {', '.join(targets)}"
        raise ValueError(f"{what}: name linear layers of the network")
    return found

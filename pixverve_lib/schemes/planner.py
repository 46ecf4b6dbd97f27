"""How much memory a run will take, before it starts: what does not fit is refused, with the switches that would help.

    weights + gradients + optimiser + average + kept activations (attention apart) + the work on one block

What a block keeps for the backward pass is linear in its tokens, because attention never writes its N x N matrix
(flash attention, on CPU as on GPU). KEPT says how many bytes; it was counted in autograd (tests/test_planner.py counts
again) and holds for the blocks of FLUX.2. Measured peaks of all tensors on a CPU lie within a factor of 1.25 of the
estimate, and so does what the process grows by, if the C library gives back what was freed
(MALLOC_MMAP_THRESHOLD_=1000000); else it may keep some 0.2 GB more.
"""
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import pandas as pd
import psutil
import torch

from pixverve_lib.schemes.flow import F

# (what is trained, bytes of an activation) -> of a double and of a single block: bytes a token, for each channel of the
# stream, of the MLP's inside, and of the LoRA's rank
KEPT = {
    ("full", 4): ((64.4, 16, 0), (52.4, 16, 0)),
    ("full", 2): ((40.4, 8, 0), (38.4, 8, 0)),
    ("lora", 4): ((36.4, 12, 16.5), (36.4, 16, 8.3)),
    ("lora", 2): ((28.4, 6, 8.3), (26.4, 8, 4.1)),
}
ENDS = 4  # numbers a token and channel that the layers before and after the blocks keep
ROOM = 0.9  # not in paper: choice, share of what is free that a run may take


class DoesNotFit(MemoryError):
    """A run that this machine has no memory for; the line says by how much, and which switch would help."""


class Load(NamedTuple):
    """A run, as far as its memory goes."""

    height: int  # pixels
    width: int
    text_tokens: int
    batch: int = 1  # pictures at a time
    precision: str = "float32"  # of activations: float32 | bfloat16
    recompute: bool = False
    average: bool = False
    shards: int = 1  # processes that share gradients, optimiser and average; 1 with DDP
    whole: bool = False  # whether each of them holds all weights nonetheless, as in ZeRO-2
    training: bool = True  # or sampling

    @property
    def tokens(self):
        return self.batch * (self.height * self.width // F**2 + self.text_tokens)


@dataclass(frozen=True)
class Plan:
    """Estimated bytes by purpose."""

    load: Load
    parts: dict[str, float]
    available: float

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        return self.total <= ROOM * self.available

    def row(self) -> pd.Series:
        """GB by purpose, for a table."""
        return pd.Series({"height": self.load.height, "width": self.load.width, "tokens": self.load.tokens}
                         | {name: size / 1e9 for name, size in self.parts.items()} | {"total": self.total / 1e9})

    def __str__(self):
        parts = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in self.parts.items() if size)
        return f"memory: about {self.total / 1e9:.2f} of {self.available / 1e9:.2f} GB that are free ({parts})"


def plan(network, load: Load, available: float | None = None) -> Plan:
    """The memory to train what of `network` requires gradients, or to sample with it.

    network: a FLUX.2 transformer, on any device ("meta" takes no memory); available: bytes, by default what is free on
    this machine and what the network already holds of it.
    """
    everything = list(network.parameters())
    trained = [weight for weight in everything if weight.requires_grad and load.training]
    number = sum(weight.numel() for weight in trained)
    kind = "full" if len(trained) in (0, len(everything)) else "lora"
    holders = 1 if load.whole else load.shards
    parts = {
        "weights": sum(weight.numel() * weight.element_size() for weight in everything) / holders,
        "gradients": 4 * number / load.shards,
        "optimiser": 8 * number / load.shards,
        "average": 4 * number / load.shards if load.average else 0,
    }
    size = 4 if load.precision == "float32" else 2
    if size == 2 and trained:  # autocast keeps a copy until the backward pass is over
        parts["weights in bfloat16"] = sum(2 * w.numel() for w in everything if w.element_size() == 4) / holders
    parts |= _activations(network, load, kind, size)
    return Plan(load, parts, _free(everything[0].device, parts["weights"]) if available is None else available)


def check(network, load: Load, available: float | None = None) -> Plan:
    """The plan, when it fits. Raises DoesNotFit with the switches, one or two, with which it would."""
    made = plan(network, load, available)
    if made.fits:
        return made
    helped = [f"{name} ({other.total / 1e9:.2f} GB)" for name, other in _alternatives(network, made) if other.fits]
    advice = f"it fits with {', or with '.join(helped[:3])}" if helped else "a LoRA, or a smaller size, takes less"
    raise DoesNotFit(f"{made}, more than {ROOM:.0%} of it: {advice}")


def _alternatives(network, made):
    """Plans with one switch thrown, then with two."""
    load, switches = made.load, {"batch=1": {"batch": 1}} if made.load.batch > 1 else {}
    if load.training and not load.recompute:
        switches["recompute=True"] = {"recompute": True}
    if load.training and load.precision == "float32":
        switches['precision="bfloat16"'] = {"precision": "bfloat16"}
    if load.training and load.shards == 1:
        switches['shard="full" on 8 processes'] = {"shards": 8}
    pairs = {f"{a} and {b}": switches[a] | switches[b] for a, b in combinations(switches, 2)}
    for name, changes in (switches | pairs).items():
        yield name, plan(network, load._replace(**changes), made.available)


def _activations(network, load, kind, size):
    config = network.config
    channels = config.num_attention_heads * config.attention_head_dim
    rank = next((each.r for each in getattr(network, "peft_config", {}).values()), 0)
    widths = channels, config.mlp_ratio * channels, rank
    double, single = (load.tokens * sum(map(_product, kept, widths)) for kept in KEPT[kind, size])
    attention = 4 * load.tokens * channels * size  # queries, keys, values and what comes out
    if not load.training:
        return {"attention": attention, "work on one block": single - attention}
    blocks, ends = (config.num_layers, config.num_single_layers), ENDS * load.tokens * channels * size
    if load.recompute:
        kept = sum(blocks) * load.tokens * channels * size + ends
        return {"attention": attention, "activations": kept, "work on one block": max(double, single) - attention}
    attention *= sum(blocks)
    kept = blocks[0] * double + blocks[1] * single + ends - attention
    return {"attention": attention, "activations": kept, "work on one block": max(double, single) / 2}


def _product(a, b):
    return a * b


def _free(device, weights):
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] + (weights if device.type == "cuda" else 0)
    return psutil.virtual_memory().available + (weights if device.type == "cpu" else 0)

"""A network of a few hundred weights with the transformer's way of being called; importing it needs torch only."""
from typing import NamedTuple

import torch
from torch import nn

from pixverve_lib.schemes import flow


class TinyBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inside = nn.Linear(width, width)

    def forward(self, x):
        return x + torch.tanh(self.inside(x))


class TinyNetwork(nn.Module):
    _no_split_modules = ["TinyBlock"]

    def __init__(self, channels=4, width=16, blocks=2, seed=0):
        torch.manual_seed(seed)
        super().__init__()
        self.enter = nn.Linear(channels + 1, width)
        self.text = nn.Linear(3, width)
        self.blocks = nn.ModuleList(TinyBlock(width) for _ in range(blocks))
        self.leave = nn.Linear(width, channels)

    def forward(self, hidden_states, timestep, encoder_hidden_states, img_ids, txt_ids, return_dict):
        time = timestep[:, None, None].expand(*hidden_states.shape[:2], 1)
        x = self.enter(torch.cat([hidden_states, time], 2)) + self.text(encoder_hidden_states).mean(1, keepdim=True)
        for block in self.blocks:
            x = block(x)
        return (self.leave(x),)


class TinyBatch(NamedTuple):
    names: tuple[str, ...]
    latents: torch.Tensor
    text: torch.Tensor
    empty: torch.Tensor

    def to(self, device):
        return self


def batches(number, pictures=4):
    """Batch `number` of an endless set; only its number decides what is in it."""
    random = torch.Generator().manual_seed(1000 + number)
    latents = 0.3 * torch.randn(pictures, 4, 4, 4, generator=random) + 1
    text, names = torch.randn(pictures, 5, 3, generator=random), tuple(f"{number}-{n}" for n in range(pictures))
    return TinyBatch(names, latents, text, torch.zeros(5, 3))


def no_shift(height, width):
    return 1.0


def loss(network, batch, generator):
    return flow.loss(network, batch, generator, no_shift, drop=0.2)


def validate(network):
    return flow.losses_by_level(network, [batches(999)])

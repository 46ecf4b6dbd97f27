"""What must hold of window attention before anything is trained with it, measured on a transformer (Sec. 3.2 II)."""
import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from pixverve_lib.models import window_attention, window_schedules
from pixverve_lib.models.window_schedules import CLOSE, REMOTE
from pixverve_lib.schemes import engine, flow

UNEVEN = (15, 11), (4, 3)  # tokens, and a partition that divides neither side; not in paper: choice
TEXTS = 8  # text tokens; not in paper: choice
ROUNDING = 1e-5  # largest difference that order of summation may make


def measure(transformer, schedule, grid=(16, 16), query=(5, 9)):
    """Five facts and how far each is from holding: columns fact, unit, difference, allowed, holds.

    transformer: a stock Flux2Transformer2DModel, which stays stock; grid: tokens; query: row and column.
    """
    stock = _predicted(transformer, grid)
    window_attention.install(transformer, [window_attention.FULL])
    one_window = _predicted(transformer, grid)
    window_attention.install(transformer, schedule)
    windows = _predicted(transformer, grid)
    window_attention.remove(transformer)
    partition = next(each for each in schedule if each != window_attention.FULL)
    removed = _predicted(transformer, grid)
    rows = [
        ("with partition (1, 1) the model is the stock one", "velocity", _most(one_window, stock), 0.0),
        ("one window of everything is full attention", "value", _against_masks(grid, window_attention.FULL), ROUNDING),
        ("without the windows the model is the stock one", "velocity", _most(removed, stock), 0.0),
        (f"a gradient through {partition} reaches what maps show", "tokens", _misreached(grid, partition, query), 0),
        (f"{UNEVEN[1]} on {UNEVEN[0]} tokens agrees with explicit masks", "value", _against_masks(*UNEVEN), ROUNDING),
    ]
    print(f"for comparison: the schedule itself changes the velocity by up to {_most(windows, stock):.2g}")
    return pd.DataFrame([(*row, row[2] <= row[3]) for row in rows],
                        columns=["fact", "unit", "difference", "allowed", "holds"])


def _predicted(transformer, grid):
    random = engine.generator(0, 0)
    latents = torch.randn(1, transformer.config.in_channels, *grid, generator=random)
    text = torch.randn(1, TEXTS, transformer.config.joint_attention_dim, generator=random)
    latents, text = (each.to(transformer.device, transformer.dtype) for each in (latents, text))
    with torch.no_grad():
        return flow.predict(transformer, latents, torch.tensor([0.5], device=transformer.device), text)


def _joint(grid):
    """Queries, keys and values of text and image  # each 1 S 2 8"""
    random = engine.generator(0, 1)
    return [torch.randn(1, TEXTS + grid[0] * grid[1], 2, 8, generator=random) for _ in range(3)]


def _misreached(grid, partition, query):
    """Tokens where the gradient of one image query and the map disagree, text included."""
    inputs = [each.requires_grad_() for each in _joint(grid)]
    found = window_attention.attention(*inputs, grid, partition)
    value, token = inputs[2], TEXTS + query[0] * grid[1] + query[1]
    reached = torch.autograd.grad(found[0, token].sum(), value)[0][0].abs().sum((1, 2)).numpy() > 0
    expected = window_schedules.seen(grid, partition, query).ravel() > 0
    return int((reached[TEXTS:] != expected).sum() + (~reached[:TEXTS]).sum())


def _against_masks(grid, partition):
    """Largest difference to two attentions over everything, each under its mask, averaged."""
    joint = _joint(grid)
    heads_first = [each.transpose(1, 2) for each in joint]
    masked = sum(functional.scaled_dot_product_attention(*heads_first, attn_mask=_mask(grid, partition, branch))
                 for branch in (CLOSE, REMOTE)) / 2
    return _most(window_attention.attention(*joint, grid, partition), masked.transpose(1, 2))


def _mask(grid, partition, branch):
    """Which token may see which, text first  # S S bool"""
    mask = np.ones((TEXTS + grid[0] * grid[1],) * 2, bool)
    for token, query in enumerate(np.ndindex(grid)):
        mask[TEXTS + token, TEXTS:] = window_schedules.seen(grid, partition, query).ravel() & branch
    return torch.from_numpy(mask)


def _most(found, expected):
    return (found - expected).abs().max().item()

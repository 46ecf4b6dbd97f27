"""Proportional attention: sharper attention where there are more tokens (the starred baseline of URAE Tab. 1).

    install(pipeline.transformer, trained=64)
    remove(pipeline.transformer)                             # stock again, bit for bit

More keys spread a softmax. Its logits are multiplied by sqrt(log n / log n_trained), n the image tokens of the picture,
so that its entropy stays about what it was in training. Not in paper: URAE names it and prints no formula; this is the
one of the works on variable sizes that it builds on (I-Max, Lumina-Next).
"""
import math

import torch


def install(transformer, trained: int) -> None:
    """Scale every query of a Flux2Transformer2DModel, of text and picture, after its norm.

    trained: side in tokens of the pictures it was trained on; n is read at each call, and pictures of no more tokens
    than that are left alone (not in paper: choice). With window attention n is still that of the whole picture. What is
    installed is a part of the transformer's state, the buffer `proportions`. Raises ValueError.
    """
    if trained < 2:
        raise ValueError(f"proportional attention wants a trained side of at least 2 tokens, not {trained}")
    remove(transformer)
    transformer.proportion = _Proportion()
    hooks = [transformer.register_forward_pre_hook(_tell_tokens, with_kwargs=True)]
    hooks += [norm.register_forward_hook(transformer.proportion) for norm in _query_norms(transformer)]
    transformer.proportion_hooks = hooks
    transformer.register_buffer("proportions", torch.tensor([int(trained)], device=transformer.device))


def remove(transformer) -> None:
    """Give the transformer back its own queries; nothing happens to a stock one."""
    if installed(transformer) is None:
        return
    for hook in transformer.proportion_hooks:
        hook.remove()
    del transformer.proportion_hooks, transformer.proportion, transformer.proportions


def installed(transformer) -> dict | None:
    """What `install` was called with: {"trained": side in tokens}; None for a stock transformer."""
    state = getattr(transformer, "proportions", None)
    return None if state is None else {"trained": state.item()}


def factor(tokens: int, trained: int) -> float:
    """sqrt(log n / log n_trained), at least 1.  trained: side, n_trained its square"""
    return max(1.0, math.sqrt(math.log(tokens) / math.log(trained**2)))


class _Proportion:
    """One factor for all norms of a transformer, which copies share among themselves."""

    factor = 1.0

    def __call__(self, norm, inputs, queries):
        return queries * self.factor


def _query_norms(transformer):
    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        yield block.attn.norm_q
    for block in transformer.transformer_blocks:
        yield block.attn.norm_added_q


def _tell_tokens(transformer, given, options):
    """Before each call: how many tokens the picture has, also when they are then split over GPUs."""
    transformer.proportion.factor = factor(options["img_ids"].shape[-2], **installed(transformer))

"""Scheme II's attention for FLUX.2 (Sec. 3.2): two processors that see windows instead of the whole picture.

    install(pipeline.transformer, window_schedules.preset("paper", "4K"))
    remove(pipeline.transformer)                             # stock again, bit for bit

Text queries see all text and image tokens. An image query sees all text tokens and, in one attention each, its close
window and its remote group (`window_schedules`); the two outputs are averaged, or merged by their weights:

    average   (close + remote) / 2, as the paper does: text, and tokens in both branches, count in both
    lse       ours: (e^l close + e^m remote) / (e^l + e^m), l and m the log-sum-exps of the logits; text counts in close
              only, and so do tokens in both branches, hence this is one softmax over the union, each key once
"""
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux2 import _get_qkv_projections
from torch.nn import functional

from pixverve_lib.models import window_schedules
from pixverve_lib.models.window_schedules import CLOSE, REMOTE, Partition

MERGES = ("average", "lse")
CHUNK = 16  # windows at a time, for bounded memory; not in paper: released code
FULL = (1, 1)


def install(transformer, schedule: Sequence[Partition], merge: str = "average", chunk: int = CHUNK) -> None:
    """Retrofit a stock Flux2Transformer2DModel: block k gets partition k modulo the schedule's length, doubles first.

    The token grid (height, width) is read from `img_ids`, a keyword of every call as in the pipeline;
    joint_attention_kwargs={"grid": ...}, `attention_kwargs` of the pipeline, goes before it. chunk: windows at a time,
    which changes time and the memory of sampling (training keeps all chunks). What is installed is a part of the
    transformer's state, the buffer `windows`: fingerprints tell two schedules apart.
    Raises ValueError for what is no schedule; a call of the transformer does for a partition larger than its grid, a
    grid that its tokens do not fill, and tokens that are split over GPUs.
    """
    schedule = tuple((int(a), int(b)) for a, b in schedule)
    if not schedule or any(min(partition) < 1 for partition in schedule):
        raise ValueError(f"{schedule} is no window schedule: give partitions (a, b) of at least 1 x 1")
    if merge not in MERGES:
        raise ValueError(f"merge {merge!r} is unknown; use one of: {', '.join(MERGES)}")
    remove(transformer)
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    for index, block in enumerate(blocks):
        kind = DoubleWindows if index < len(transformer.transformer_blocks) else SingleWindows
        partition = schedule[index % len(schedule)]
        block.attn.set_processor(kind(block.attn.processor, partition, merge, chunk))
    state = torch.tensor([MERGES.index(merge), *(number for partition in schedule for number in partition)])
    transformer.register_buffer("windows", state.to(transformer.device))
    transformer.windows_hook = transformer.register_forward_pre_hook(_tell_grid, with_kwargs=True)


def remove(transformer) -> None:
    """Give every block back the processor that it had before `install`; nothing happens to a stock transformer."""
    if installed(transformer) is None:
        return
    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        block.attn.set_processor(block.attn.processor.stock)
    transformer.windows_hook.remove()
    del transformer.windows_hook, transformer.windows


def installed(transformer) -> dict | None:
    """What `install` was called with: {"schedule": partitions, "merge": ...}; None for a stock transformer."""
    state = getattr(transformer, "windows", None)
    if state is None:
        return None
    merge, *numbers = state.tolist()
    return {"schedule": tuple(zip(numbers[::2], numbers[1::2], strict=True)), "merge": MERGES[merge]}


class _Windows:
    """What both kinds of blocks share; `stock` is the processor whose place this one takes."""

    def __init__(self, stock, partition, merge, chunk):
        self.stock, self.partition, self.merge, self.chunk = stock, partition, merge, chunk

    def attend(self, query, key, value, rotary, grid):
        """Joint attention  # each N T+HW heads width, text first -> N T+HW heads*width"""
        query, key = (apply_rotary_emb(each, rotary, sequence_dim=1) for each in (query, key))
        return attention(query, key, value, grid, self.partition, self.merge, self.chunk).flatten(2)


class DoubleWindows(_Windows):
    """In a double-stream block, where text and image have projections of their own."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, image_rotary_emb=None,
                 grid=None):
        _check_grid(grid, hidden_states.shape[1])
        if self.partition == FULL:
            return self.stock(attn, hidden_states, encoder_hidden_states, attention_mask, image_rotary_emb)
        projected = [each.unflatten(-1, (-1, attn.head_dim))
                     for each in _get_qkv_projections(attn, hidden_states, encoder_hidden_states)]
        image, text = projected[:3], projected[3:]
        query = torch.cat([attn.norm_added_q(text[0]), attn.norm_q(image[0])], 1)
        key = torch.cat([attn.norm_added_k(text[1]), attn.norm_k(image[1])], 1)
        mixed = self.attend(query, key, torch.cat([text[2], image[2]], 1), image_rotary_emb, grid)
        text, image = mixed.tensor_split([encoder_hidden_states.shape[1]], 1)
        for layer in attn.to_out:
            image = layer(image)
        return image, attn.to_add_out(text)


class SingleWindows(_Windows):
    """In a single-stream block, where one projection makes queries, keys, values and the inside of the MLP."""

    def __call__(self, attn, hidden_states, attention_mask=None, image_rotary_emb=None, grid=None):
        if self.partition == FULL:
            return self.stock(attn, hidden_states, attention_mask, image_rotary_emb)
        *projected, inside = attn.to_qkv_mlp_proj(hidden_states).tensor_split(
            [attn.inner_dim, 2 * attn.inner_dim, 3 * attn.inner_dim], -1)
        query, key, value = (each.unflatten(-1, (-1, attn.head_dim)) for each in projected)
        mixed = self.attend(attn.norm_q(query), attn.norm_k(key), value, image_rotary_emb, grid)
        return attn.to_out(torch.cat([mixed, attn.mlp_act_fn(inside)], -1))


def attention(query, key, value, grid: tuple[int, int], partition: Partition, merge: str = "average",
              chunk: int = CHUNK):
    """Attention of text and image together  # each N T+HW heads width, text first, rotated -> the same shape"""
    texts = query.shape[1] - grid[0] * grid[1]
    text = functional.scaled_dot_product_attention(*(each.transpose(1, 2) for each in (query[:, :texts], key, value)))
    close, remote = (_table(grid, partition, branch, query.device) for branch in (CLOSE, REMOTE))
    attend = partial(_branch, query, key, value, texts, chunk)
    if merge == "average":
        image = (attend(close) + attend(remote)) / 2
    else:
        image = _merged(attend(close, weigh=True), attend(remote, weigh=True, but=close)).to(value.dtype)
    return torch.cat([text.transpose(1, 2), image], 1)


class _Table(NamedTuple):
    """`window_schedules.Groups` as tensors on a device."""

    members: torch.Tensor
    real: torch.Tensor
    place: torch.Tensor
    padded: bool

    def group_of(self, tokens):
        return self.place[tokens] // self.members.shape[1]


@lru_cache(maxsize=64)
def _table(grid, partition, branch, device):
    found = window_schedules.groups(grid, partition, branch)
    with torch.inference_mode(False):  # or training could not use what sampling has left here
        return _Table(*(torch.from_numpy(each).to(device) for each in found), not found.real.all())


def _branch(query, key, value, texts, chunk, table, weigh=False, but=None):
    """Every image query over its group of `table` and, without `but`, over text  # -> N HW heads width

    weigh: log-sum-exps as another number of the width; but: a table whose groups hide their members from each other.
    """
    heard, parts = torch.arange(0 if but else texts, device=query.device), []
    for members, real in zip(table.members.split(chunk), table.real.split(chunk), strict=True):
        keys = torch.cat([heard.expand(len(members), -1), members + texts], 1)
        open_to = None
        if table.padded or but:
            open_to = functional.pad(real, (len(heard), 0), value=True)[:, None]  # groups 1 keys
        if but:
            open_to = open_to & (but.group_of(members)[:, :, None] != but.group_of(members)[:, None])
        open_to = None if open_to is None else open_to.repeat(len(query), 1, 1)[:, None]
        picked = _picked(query, members + texts), _picked(key, keys), _picked(value, keys)
        part = (_weighed if weigh else functional.scaled_dot_product_attention)(*picked, attn_mask=open_to)
        parts.append(part.transpose(1, 2).unflatten(0, (len(query), -1)).flatten(1, 2))
    return torch.cat(parts, 1).index_select(1, table.place)


def _picked(tokens, index):
    """Tokens of each group, as SDPA takes them  # N S heads width, groups n -> N*groups heads n width"""
    picked = tokens.index_select(1, index.flatten()).unflatten(1, index.shape)
    return picked.flatten(0, 1).transpose(1, 2)


def _weighed(query, key, value, attn_mask):
    """Attention written out, because SDPA keeps its log-sum-exps to itself; they follow the width, all in float32."""
    logits = query.float() @ key.float().mT / query.shape[-1] ** 0.5
    if attn_mask is not None:  # finite: a query that may see nothing gets no weight, not NaN
        logits = logits.masked_fill(~attn_mask, torch.finfo(torch.float32).min / 2)
    return torch.cat([logits.softmax(-1) @ value.float(), logits.logsumexp(-1, keepdim=True)], -1)


def _merged(close, remote):
    """Two weighed attentions as one softmax over both sets of keys."""
    share = (close[..., -1:] - remote[..., -1:]).sigmoid()
    return share * close[..., :-1] + (1 - share) * remote[..., :-1]


def _tell_grid(transformer, given, options):
    """Before each call of the transformer: what the processors must know beside their tokens."""
    known = options.get("joint_attention_kwargs") or {}
    if "grid" not in known:
        row, column = options["img_ids"].flatten(0, -2)[-1, 1:3].tolist()
        known = known | {"grid": (int(row) + 1, int(column) + 1)}
    return given, options | {"joint_attention_kwargs": known}


def _check_grid(grid, tokens):
    if grid[0] * grid[1] != tokens:
        raise ValueError(
            f"the token grid {grid[0]} x {grid[1]} does not match {tokens} image tokens: give its height and width as "
            'attention_kwargs={"grid": (height, width)}; window attention takes no reference pictures, and one GPU a '
            "picture")

"""What window attention costs: operations by formula, seconds by the clock, beside Tab. A2 (Sec. 3.2 II, App. E.2).

    full attention       4 (N + T)^2 d                           operations of a block, two a multiply-add
    partition (a, b)     4 d (T (N + T) + 2 N (N / (a b) + T))   N image and T text tokens, d channels

The paper's O(N^2) and O(2 N^2 / (a b)) are the parts of image with image. (1, 1) runs as full attention, once. Blocks
of a kind cost alike, so one of each kind is timed and multiplied out; what lies around the blocks is left out.
"""
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import pandas as pd
import torch

from pixverve_lib.kit.progress import progress
from pixverve_lib.models import nano_klein, window_attention, window_schedules
from pixverve_lib.models.window_attention import FULL
from pixverve_lib.models.window_schedules import Partition
from pixverve_lib.paper import published, training
from pixverve_lib.schemes import flow, planner

SIDES = (16, 32, 64, 128)  # tokens a side, of `growth`
WINDOW = (8, 4)  # tokens, that of the released (2, 4) at 1:16
REPEATS = 3  # not in paper: choice; the fastest counts
STEPS, PASSES = 50, 2  # of the sampler; with and without prompt, for guidance; not in paper: choice
TIMED = ("scale", "attention", "tokens", "blocks", "call", "picture")
FULL_ATTENTION = "full attention"
METHODS = {FULL_ATTENTION: "Scheme I (Full)", "paper": "Scheme II", "released": "Scheme II"}  # of Tab. A2


def attention_operations(grid: tuple[int, int], partition: Partition, texts: int, channels: int) -> int:
    """Of the attention of one block, padding included. Raises ValueError when the partition is larger than the grid."""
    image = grid[0] * grid[1]
    if partition == FULL:
        return 4 * channels * (image + texts) ** 2
    windows, size = window_schedules.groups(grid, partition, window_schedules.CLOSE).members.shape
    return 4 * channels * (texts * (image + texts) + 2 * windows * size * (size + texts))


def operations(config: Mapping, grid: tuple[int, int], schedule: Sequence[Partition], texts: int) -> dict[str, int]:
    """Of one call of a transformer, by purpose: {"attention", "layers"}.  config: of a Flux2Transformer2DModel"""
    channels, blocks = _channels(config), config["num_layers"] + config["num_single_layers"]
    attention = [attention_operations(grid, part, texts, channels) for part in schedule]
    weights = (4 + 3 * config["mlp_ratio"]) * channels**2  # that one token meets in a block
    layers = int(2 * weights * (grid[0] * grid[1] + texts) * blocks)
    return {"attention": sum(attention[k % len(schedule)] for k in range(blocks)), "layers": layers}


def at_full_size() -> pd.DataFrame:
    """By formula at FLUX.2-klein's size: scale, tokens, attention, PFLOP (attention, layers, total) a call, share of
    full attention, and what Tab. A2 prints: published (seconds on 8 GPUs), published share."""
    config, rows = nano_klein.build_full(device="meta").transformer.config, []
    for (scale, side), (name, schedule) in _cases(training.SIDES):
        parts = operations(config, (side // flow.F, side // flow.F), schedule, nano_klein.FULL_TOKENS)
        rows.append({"scale": scale, "tokens": (side // flow.F) ** 2, "attention": name,
                     "attention PFLOP": parts["attention"] / 1e15, "layers PFLOP": parts["layers"] / 1e15,
                     "total PFLOP": sum(parts.values()) / 1e15})
    return _beside_published(pd.DataFrame(rows), "total PFLOP")


def growth(sides: Iterable[int] = SIDES, repeats: int = REPEATS) -> pd.DataFrame:
    """What nano-klein's blocks cost on the CPU against tokens: attention, tokens, operations, layers, law, seconds.

    attention: full; a partition that stays (2, 4), so that the window grows with the picture (`paper`); a window that
    stays 8 x 4 tokens, so that the partition grows (`released`). operations: of all attention of one call, layers: of
    what else the blocks do; law: image with image alone, O(N^2) and O(2 N^2 / (a b)); seconds: of all blocks.
    """
    network = nano_klein.load().transformer
    shape, texts = network.config, nano_klein.TOKENS
    cases = [(side, name, part) for side in sides for name, part in _partitions(side).items()]
    rows = []
    with progress(len(cases), "attention timed", unit="cases") as count:
        for side, name, part in cases:
            seconds = block_seconds(network, (side, side), part, texts, repeats)
            parts = operations(shape, (side, side), [part], texts)
            rows.append((name, side * side, parts["attention"], parts["layers"], _law(shape, side * side, part),
                         multiplied_out({part: seconds}, [part], shape)))
            count("ok")
    return pd.DataFrame(rows, columns=["attention", "tokens", "operations", "layers", "law", "seconds"])


def block_seconds(network, grid: tuple[int, int], partition: Partition, texts: int,
                  repeats: int = REPEATS) -> dict[str, float]:
    """Seconds of the first double and the first single block: {"double", "single"}, the fastest of `repeats`.

    network: a Flux2Transformer2DModel, which stays stock; grid: tokens; texts: number of text tokens.
    """
    window_attention.install(network, [partition])
    device, dtype = network.device, network.dtype
    image, text = (torch.randn(1, number, network.inner_dim, device=device, dtype=dtype)
                   for number in (grid[0] * grid[1], texts))
    ids = nano_klein.positions(1, 1, device, texts), nano_klein.positions(*grid, device)
    rotary = tuple(map(torch.cat, zip(*map(network.pos_embed, ids), strict=True)))
    level = torch.zeros(1, network.inner_dim, device=device, dtype=dtype)
    known = {"image_rotary_emb": rotary, "joint_attention_kwargs": {"grid": grid}}
    double = partial(network.transformer_blocks[0], image, text, network.double_stream_modulation_img(level),
                     network.double_stream_modulation_txt(level), **known)
    single = partial(network.single_transformer_blocks[0], torch.cat([text, image], 1), None,
                     network.single_stream_modulation(level), **known)
    try:
        return {"double": _fastest(double, device, repeats), "single": _fastest(single, device, repeats)}
    finally:
        window_attention.remove(network)


def multiplied_out(seconds: Mapping[Partition, Mapping[str, float]], schedule: Sequence[Partition],
                   config: Mapping) -> float:
    """Seconds of all blocks of a transformer from those of one of each kind and partition (`block_seconds`)."""
    kinds = ["double"] * config["num_layers"] + ["single"] * config["num_single_layers"]
    return sum(seconds[schedule[k % len(schedule)]][kind] for k, kind in enumerate(kinds))


def latency(whole: Sequence[str] = ("4K", "8K"), repeats: int = 2) -> pd.DataFrame:
    """Seconds at FLUX.2-klein's size with random weights on one GPU, as `timed` gives them.

    An empty frame, and a line, where there is no GPU.
    """
    if torch.cuda.is_available():
        return timed(nano_klein.build_full().transformer, training.SIDES, whole, repeats)
    print("no GPU here: seconds at full size are measured at budget gpu")
    return pd.DataFrame(columns=[*TIMED, "share", "published", "published share"])


def timed(network, sides: Mapping[str, int], whole: Sequence[str], repeats: int) -> pd.DataFrame:
    """Seconds of a transformer with every attention: scale, attention, tokens, blocks, call, picture, share, published.

    sides: scale -> pixels; one that memory does not allow has no rows, but a line; blocks: seconds of all blocks of a
    call, one of each kind and partition timed; call: of a call timed as a whole, at the scales of `whole`, else NaN;
    picture: blocks x 50 steps x 2 passes.
    """
    sides = {scale: side for scale, side in sides.items() if _fits(network, scale, side)}
    cases, rows = _cases(sides), []
    with progress(len(cases), "attention timed", unit="cases") as count:
        for (scale, side), (name, schedule) in cases:
            grid = (side // flow.F, side // flow.F)
            seconds = {part: block_seconds(network, grid, part, nano_klein.FULL_TOKENS, repeats)
                       for part in set(schedule)}
            blocks = multiplied_out(seconds, schedule, network.config)
            call = call_seconds(network, grid, schedule, nano_klein.FULL_TOKENS) if scale in whole else float("nan")
            rows.append((scale, name, grid[0] * grid[1], blocks, call, blocks * STEPS * PASSES))
            count("ok")
    return _beside_published(pd.DataFrame(rows, columns=TIMED), "blocks")


def call_seconds(network, grid: tuple[int, int], schedule: Sequence[Partition], texts: int) -> float:
    """Seconds of one whole call of a transformer, the second of two; it stays stock."""
    window_attention.install(network, schedule)
    made = partial(torch.randn, device=network.device, dtype=network.dtype)
    call = partial(flow.predict, network, made(1, network.config.in_channels, *grid),
                   torch.ones(1, device=network.device), made(1, texts, network.config.joint_attention_dim))
    try:
        return _fastest(call, network.device, 1)
    finally:
        window_attention.remove(network)


def _fits(network, scale, side):
    kind = str(network.dtype).removeprefix("torch.")
    try:
        planner.check(network, planner.Load(side, side, nano_klein.FULL_TOKENS, precision=kind, training=False))
    except planner.DoesNotFit as error:
        print(f"{scale} is not timed ({error})")
        return False
    return True


def _law(config, tokens, partition):
    branches, windows = (1, 1) if partition == FULL else (2, partition[0] * partition[1])
    blocks = config["num_layers"] + config["num_single_layers"]
    return 4 * _channels(config) * tokens**2 * branches / windows * blocks


def _channels(config):
    return config["num_attention_heads"] * config["attention_head_dim"]


def _cases(sides):
    """((scale, side in pixels), (name, schedule)) of everything that is compared at full size."""
    names = (FULL_ATTENTION, *window_schedules.NAMES)
    return [((scale, side), (name, (FULL,) if name == FULL_ATTENTION else window_schedules.preset(name, scale)))
            for scale, side in sides.items() for name in names]


def _partitions(side):
    return {FULL_ATTENTION: FULL, "window grows": (2, 4), "window stays": (side // WINDOW[0], side // WINDOW[1])}


def _beside_published(frame, of):
    """With the share of full attention, and Tab. A2's seconds and share for Schemes I and II."""
    table = published.numbers("tab_a2").set_index(["method", "resolution"])["inference_time_s"]
    full = frame[frame.attention == FULL_ATTENTION].set_index("scale")[of]
    printed = [table.get((METHODS.get(name), scale), float("nan"))
               for scale, name in zip(frame.scale, frame.attention, strict=True)]
    frame = frame.assign(share=frame[of] / frame.scale.map(full), published=printed)
    base = frame.scale.map({scale: table.get((METHODS[FULL_ATTENTION], scale)) for scale in frame.scale})
    return frame.assign(**{"published share": frame.published / base})


@torch.inference_mode()
def _fastest(call, device, repeats):
    """Seconds of the fastest call after a first that does not count."""
    seconds = []
    for _ in range(repeats + 1):
        clock = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - clock)
    return min(seconds[1:])

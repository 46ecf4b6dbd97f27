"""What the three schemes cost at full size, from shapes alone: FLOPs, bytes, and the seconds of Tab. A2 they predict.

FLOPs are those of matrix products, attention and convolutions, two a multiply-add; tests/test_cost_model.py counts the
same numbers in the real networks, exactly. Norms, activations and rotations are left out, and so is what happens once a
picture (text encoder; the decoder of FLUX.2's VAE takes 0.3 PFLOP at 4K, 0.3 % of Scheme I's transformer).

Seconds have two parameters, each fitted on one cell of Tab. A2 (`FITTED`): `rate`, FLOP/s a GPU in transformers, and
`flow`, bytes/s in the head, whose layers of 3 to 64 channels move much and multiply little. The other cells follow
within 8 %: 58 s for 58, 81 s for 88 of Scheme III, 96 s for 103 and 2975 s for 2977 of Scheme I. The exception is
Scheme II, 39 s for 71: its FLOPs fall to 41 %, but gathering tokens into windows, and many small attentions instead of
a large one, take time without FLOPs. `rate` is 77 % of an H20's peak, for 50 forwards of FLUX.2; for 100, which 50
steps with guidance would take, it were 154 %. `flow` is 6 % of an H20's 4 TB/s: it stands for all that is done a pixel,
slow thin convolutions as well as guidance, steps and saving.

The bytes of Schemes I and II are those of schemes.planner, those of Scheme III are here (`pixel_memory`).
"""
import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from pixverve_lib.models import nano_klein, pixel_head, window_schedules
from pixverve_lib.models.zimage_pixel import GUIDANCE, PATCHES, STEPS
from pixverve_lib.paper import published, training
from pixverve_lib.schemes.flow import F
from pixverve_lib.schemes.window_costs import attention_operations

H20 = 148e12  # FLOP/s in bfloat16, data sheet; Tab. A1 names the H20, Tab. A2 no device
ZIMAGE_TEXT = 160  # tokens; not in paper: choice, mean of a long caption (Tab. 2: 234 words) and the empty prompt
PADDED = 32  # Z-Image fills text and picture to multiples of it
LATENT_FORWARDS = 50  # a picture; not in paper: choice, see above
PIXEL_FORWARDS = STEPS * (1 + (GUIDANCE != 1))  # as released
FITTED = {"rate": ("Scheme I (LoRA)", "8K"), "flow": ("Scheme III", "8K")}
HALF = 2  # bytes of a bfloat16


class Klein(NamedTuple):
    """Widths of a FLUX.2 transformer; by default klein-base-4B."""

    width: int = 3072
    double: int = 5
    single: int = 20
    mlp: float = 3.0
    latent: int = 128
    text_width: int = 7680
    time: int = 256

    @classmethod
    def of(cls, network) -> "Klein":
        config = network.config
        return cls(config.num_attention_heads * config.attention_head_dim, config.num_layers, config.num_single_layers,
                   config.mlp_ratio, config.in_channels, config.joint_attention_dim, config.timestep_guidance_channels)


class ZImage(NamedTuple):
    """Widths of a Z-Image transformer over token patches of pixels; by default the 6 B one."""

    width: int = 3840
    layers: int = 30
    refiners: int = 2
    text_width: int = 2560

    @classmethod
    def of(cls, network) -> "ZImage":
        config = network.config
        return cls(config.dim, config.n_layers, config.n_refiner_layers, config.cap_feat_dim)


class Cost(NamedTuple):
    """A forward: image tokens; FLOPs of attention, of the rest of the transformer, of the head; bytes it moves."""

    tokens: int
    attention: float
    dense: float
    head: float = 0
    moved: float = 0

    @property
    def trunk(self) -> float:
        return self.attention + self.dense


def latent(side: int, text: int = nano_klein.FULL_TOKENS, partitions: Sequence[tuple[int, int]] = ((1, 1),),
           shape: Klein = Klein()) -> Cost:  # noqa: B008
    """A forward of Schemes I and II for a square picture (pixels); partitions: the window schedule, (1, 1) is stock."""
    grid, w, inside = side // F, shape.width, int(shape.mlp * shape.width)
    image, blocks = grid * grid, shape.double + shape.single
    schedule = (partitions * math.ceil(blocks / len(partitions)))[:blocks]
    dense = (
        _linear(1, shape.time, w) + _linear(1, w, w) + _linear(1, w, (6 + 6 + 3 + 2) * w)  # time and modulation
        + 2 * _linear(image, shape.latent, w) + _linear(text, shape.text_width, w)  # in and out
        + blocks * (_linear(image + text, w, 3 * w + 2 * inside) + _linear(image + text, w + inside, w))
    )
    return Cost(image, sum(attention_operations((grid, grid), partition, text, w) for partition in schedule), dense)


def pixel(side: int, patch: int, text: int = ZIMAGE_TEXT, shape: ZImage = ZImage()) -> Cost:  # noqa: B008
    """A forward of Scheme III for a square picture (pixels) with this token patch (pixels)."""
    pixel_head.check_size(side, side, patch)
    tokens, w, inside = (side // patch) ** 2, shape.width, int(shape.width / 3 * 8)
    image, words = _filled(tokens), _filled(text)
    seen = [image] * shape.refiners + [words] * shape.refiners + [image + words] * shape.layers
    time = min(w, 256)
    dense = (
        _linear(1, 256, 1024) + _linear(1, 1024, time) + (shape.refiners + shape.layers) * _linear(1, time, 4 * w)
        + _linear(image, 3 * patch**2, w) + _linear(words, shape.text_width, w)
        + sum(_linear(n, w, 4 * w) + 3 * _linear(n, w, inside) for n in seen)
    )
    head = sum(2 * (side // layer.reduction) ** 2 * layer.kernel**2 * layer.enter * layer.leave
               for layer in pixel_head.convolutions(patch, w))
    return Cost(tokens, sum(_attention(n, n, w) for n in seen), dense, head, HALF * _moved(side, patch, w))


def schemes(scale: str) -> dict[str, Cost]:
    """A forward of every scheme at a scale, by its name in Tab. A2; III also with the printed patch at 10K (M10)."""
    side, schedule = training.SIDES[scale], window_schedules.preset("released", scale)
    full = latent(side)
    found = {"Scheme I (Full)": full, "Scheme I (LoRA)": full, "Scheme II": latent(side, partitions=schedule),
             "Scheme III": pixel(side, PATCHES[scale])}
    if scale == "10K":
        found[f"Scheme III, patch {training.TOKEN_PATCH_10K}"] = pixel(side, training.TOKEN_PATCH_10K)
    return found


def table() -> pd.DataFrame:
    """TFLOP of a forward: columns method, scale, tokens, attention, dense, head, total, head_share (percent)."""
    rows = []
    for scale in training.SIDES:
        for method, cost in schemes(scale).items():
            parts, total = [cost.attention / 1e12, cost.dense / 1e12, cost.head / 1e12], cost.trunk + cost.head
            rows.append((method, scale, cost.tokens, *parts, total / 1e12, 100 * cost.head / total))
    columns = ["method", "scale", "tokens", "attention", "dense", "head", "total", "head_share"]
    return pd.DataFrame(rows, columns=columns)


def predict(fitted=FITTED) -> pd.DataFrame:
    """Tab. A2 from two parameters: columns method, scale, gpus, published, predicted, error (percent), trunk, head
    (seconds of it), role ("fitted" | "predicted"); a cell that Tab. A2 leaves out has no published seconds.

    attrs: rate (FLOP/s a GPU), flow (bytes/s). fitted: the cells (method, scale) that they come from.
    """
    cells = published.numbers("tab_a2").set_index(["method", "resolution"]).inference_time_s
    rate, flow = _parameters(cells, fitted)
    rows = []
    for scale, method in ((name, method) for name in training.SIDES for method in schemes(name)):
        work, moved = _work(method, scale)
        trunk, head, known = work / rate / _gpus(method), moved / flow, cells.get((method, scale), math.nan)
        role = "fitted" if (method, scale) in fitted.values() else "predicted"
        rows.append((method, scale, _gpus(method), known, trunk + head, 100 * ((trunk + head) / known - 1), trunk, head,
                     role))
    columns = ["method", "scale", "gpus", "published", "predicted", "error", "trunk", "head", "role"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.attrs |= {"rate": rate, "flow": flow}
    return frame


def pixel_memory(network, side: int, tile: int = pixel_head.TILE) -> dict[str, float]:
    """Bytes at the peak of `zimage_pixel.generate` in bfloat16, by purpose, and in total; cuDNN may borrow more.

    network: a PixelZImage on any device ("meta" takes no memory); side: pixels of the square picture; tile: pixels,
    side of the head's tiles. A bound: the largest tile of a small picture may see less.
    """
    patch, w, picture = network.patch, network.dim, 3 * 4 * side**2
    weights = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    words = _filled((side // patch) ** 2) + ZIMAGE_TEXT
    patches, block = 3 * 3 * HALF * side**2, HALF * words * (6 * w + 3 * int(w / 3 * 8))
    seen = min(side, tile + 2 * pixel_head.HALO * pixel_head.cell(patch))
    parts = {"weights": weights, "noisy picture": picture, "trunk": max(patches, block),
             "next picture": picture, "head, a tile": head_memory(patch, w, seen)}
    once = max(parts["trunk"], parts["next picture"] + parts["head, a tile"])  # one after the other
    return parts | {"total": weights + picture + once}


def head_memory(patch: int, width: int, side: int, size: int = HALF) -> float:
    """Bytes of all tensors that the head holds at its peak for a square of `side` pixels, without gradients.

    A convolution counts a copy of its input in blocks of 16 channels, as oneDNN makes it.
    """
    levels, peaks, held, below = pixel_head.levels(patch), [], 3 * side**2, 0
    areas = [(side // 2**number) ** 2 for number in range(len(levels))]
    for level, area in zip(levels, areas, strict=True):
        peaks.append(held + area * (below + level.skip + max(_filled(level.enter, 16), level.skip)))
        held, below = held + area * level.skip, level.skip
    bottom = below + width
    peaks.append(held + areas[-1] / 4 * (width + bottom + pixel_head.BOTTOM + _filled(bottom, 16)))
    for level, area in zip(reversed(levels), reversed(areas), strict=True):
        joined, quarter = level.up + level.skip, level.below / 4
        raised = max(level.below + _filled(level.below, 16), joined)
        peaks.append(held + area * (quarter + level.up + raised))
        held -= area * level.skip
        peaks.append(held + area * (quarter + joined + level.out + max(_filled(joined, 16), level.out)))
    return size * max(peaks)


def _parameters(cells, fitted):
    """rate and flow with which the fitted cells come out as printed."""
    work, _ = _work(*fitted["rate"])
    rate = work / _gpus(fitted["rate"][0]) / cells[fitted["rate"]]
    work, moved = _work(*fitted["flow"])
    return rate, moved / (cells[fitted["flow"]] - work / rate / _gpus(fitted["flow"][0]))


def _work(method, scale):
    """FLOPs of the transformer and bytes of the head, of one picture."""
    cost = schemes(scale)[method]
    forwards = PIXEL_FORWARDS if cost.head else LATENT_FORWARDS
    return forwards * cost.trunk, forwards * cost.moved


def _gpus(method):
    return training.PIXEL_GPUS if "III" in method else training.FULL_ATTENTION_GPUS


def _linear(rows, enter, leave):
    return 2 * rows * enter * leave


def _attention(queries, keys, width):
    return 4 * queries * keys * width


def _filled(number, step=PADDED):
    return -(-number // step) * step


def _moved(side, patch, width):
    """Numbers that the layers of the head read and write, each layer by itself."""
    total, levels = 0, pixel_head.levels(patch)
    for number, level in enumerate(levels):
        area, joined = (side // 2**number) ** 2, level.up + level.skip
        down = level.enter + level.skip + 2 * level.skip + 1.25 * level.skip  # convolution, SiLU, pooling
        up = 1.25 * level.below + level.below + level.up  # up-sampling, convolution
        total += area * (down + up + 2 * joined + joined + level.out + 2 * level.out)  # and joining, convolution, SiLU
    bottom = levels[-1].skip + width
    total += (side // 2 ** len(levels)) ** 2 * (3 * bottom + 3 * pixel_head.BOTTOM)
    return total + side**2 * (levels[0].out + 3)

"""Rotary positions of rows and columns in pictures that are larger than those a model was trained on.

    install(pipeline.transformer, "yarn", trained=64)
    remove(pipeline.transformer)                             # stock again, bit for bit

An axis of d numbers has d / 2 bands; band k turns a token by w_k = base^(-2k/d) a place, which makes r_k = L w_k / 2 pi
cycles in the window of L tokens that was trained. A picture of L' tokens is s = max(1, L' / L) times as long:

    stock            w
    interpolated     w / s            position interpolation: "scaled RoPE" of URAE Tab. 1 (it has no formula)
    ntk              w of the base  base s^(d / (d - 2)): the slowest band is divided by s, the fastest is kept
    yarn             w where r >= 1.25, w / s where r <= 0.75, linear between
    resonance        2 pi max(1, round r) / L, at every length (UltraFlux Supp. Sec. 3)
    resonance+yarn   those of resonance, scaled as by yarn; which bands are scaled is decided by r before rounding

Orientation of YaRN's ramp. UltraFlux Supp. Tab. 3 prints (alpha, beta) = (1.25, 0.75) and no formula. YaRN's own ramp,
(r - alpha) / (beta - alpha) as the share that keeps w, wants alpha < beta: read literally it would keep the slow bands,
which have not seen a whole cycle and so must be stretched, and stretch the fast ones, which carry detail. Here 1.25
cycles are the upper and 0.75 the lower end, as in the authors' public code. That code also has what the paper does not
print: NTK frequencies above the ramp, a second ramp between 2 and 16 cycles, an attention temperature 0.1 ln s + 1 (not
here), and it rounds L / (2 pi w) where the paper rounds L w / 2 pi (`as_released`).
"""
import math

import pandas as pd
import torch
from torch import nn

KINDS = ("stock", "interpolated", "ntk", "yarn", "resonance", "resonance+yarn")
RAMP = (0.75, 1.25)  # cycles; UltraFlux Supp. Tab. 3, its order is ours
FLUX1 = {"length": 64, "dimension": 56, "base": 10_000}  # base UltraFlux Supp. Tab. 3; 64: Fig. 2; 56: not in paper
FLUX2 = {"length": 64, "dimension": 32, "base": 2000}  # not in paper: FLUX.2-klein's configuration, 1024 px
GRIDS = ((64, 64), (128, 64), (64, 128), (128, 32))  # height, width in tokens: UltraFlux Supp. Fig. 2
ROWS, COLUMNS = 1, 2  # axes of FLUX.2's position ids


def install(transformer, kind: str, trained: int, limit: float | None = None) -> None:
    """Give a Flux2Transformer2DModel the positions `kind`; base, axes, time and text stay its own.

    trained: side in tokens of the pictures it was trained on. The tokens of a picture are read from `img_ids` at each
    call, rows and columns apart. limit: no s above this one; UltraFlux Supp. Tab. 3 prints a "maximum extrapolation
    scale" of 2, read here as the largest that was used (2048 to 4096 px) and not as a bound. What is installed is a
    part of the transformer's state, the buffer `positions`. Raises ValueError.
    """
    if kind not in KINDS:
        raise ValueError(f"positions {kind!r} are unknown; use one of: {', '.join(KINDS)}")
    if trained < 1 or (limit is not None and limit < 1):
        raise ValueError(f"positions want a trained side of at least 1 token and a limit of at least 1, not {trained} "
                         f"and {limit}")
    remove(transformer)
    what = {"kind": kind, "trained": int(trained), "limit": limit}
    transformer.pos_embed = Positions(transformer.pos_embed, what)
    state = torch.tensor([KINDS.index(kind), int(trained), round(1000 * (limit or 0))])  # whole: no dtype may round it
    transformer.register_buffer("positions", state.to(transformer.device))
    transformer.positions_hook = transformer.register_forward_pre_hook(_tell_lengths, with_kwargs=True)


def remove(transformer) -> None:
    """Give the transformer back its own positions; nothing happens to a stock one."""
    if installed(transformer) is None:
        return
    transformer.pos_embed = transformer.pos_embed.stock
    transformer.positions_hook.remove()
    del transformer.positions_hook, transformer.positions


def installed(transformer) -> dict | None:
    """What `install` was called with: {"kind", "trained", "limit"}; None for a stock transformer."""
    return getattr(transformer.pos_embed, "what", None)


class Positions(nn.Module):
    """In the place of `stock`, a Flux2PosEmbed; `lengths`: (rows, columns) of the last call of the transformer."""

    def __init__(self, stock, what):
        super().__init__()
        self.stock, self.what, self.lengths = stock, what, None

    def forward(self, ids):
        """ids  # tokens axes -> cosines, sines  # each tokens, sum of the axes' dimensions, float32"""
        lengths = dict(zip((ROWS, COLUMNS), self.lengths or _lengths(ids), strict=True))
        angles = []
        for axis, dimension in enumerate(self.stock.axes_dim):
            asked = self.what | {"length": lengths[axis]} if axis in lengths else {"kind": "stock", "trained": 1}
            frequency = spectrum(dimension=dimension, base=self.stock.theta, **asked)
            angles.append(torch.outer(ids[:, axis].to(frequency), frequency))
        angles = torch.cat(angles, 1)
        return tuple(each.repeat_interleave(2, 1).float().to(ids.device) for each in (angles.cos(), angles.sin()))


def _lengths(ids):
    """Rows and columns of a picture  # ids: (1) tokens axes"""
    return tuple(int(last) + 1 for last in ids.flatten(0, -2).amax(0)[[ROWS, COLUMNS]].tolist())


def _tell_lengths(transformer, given, options):
    """Before each call: how large the picture is, also when its tokens are then split over GPUs."""
    transformer.pos_embed.lengths = _lengths(options["img_ids"])


def spectrum(kind: str, dimension: int, base: float, trained: int, length: int = 1, limit: float | None = None):
    """Angle a place, in radians, of every band of one axis  # dimension / 2, float64

    trained, length: L and L' in tokens
    """
    stock = frequencies(dimension, base)
    scale = min(max(1.0, length / trained), limit or math.inf)
    if kind == "ntk" and scale > 1:
        return frequencies(dimension, base * scale ** (dimension / (dimension - 2)))
    if kind == "interpolated":
        return stock / scale
    used = snapped(stock, trained) if "resonance" in kind else stock
    return yarn(used, cycles(stock, trained), scale) if "yarn" in kind else used


def frequencies(dimension: int, base: float):
    """w_k = base^(-2k/d)  # d / 2, float64, radians a place"""
    return 1.0 / base ** (torch.arange(0, dimension, 2, dtype=torch.float64) / dimension)


def cycles(frequency, length: int):
    """r_k = L w_k / 2 pi: cycles in the trained window (UltraFlux Supp. Sec. 3)"""
    return length * frequency / (2 * torch.pi)


def snapped(frequency, length: int):
    """2 pi max(1, round r_k) / L: whole cycles in the trained window, at least one (UltraFlux Supp. Sec. 3)"""
    return 2 * torch.pi * cycles(frequency, length).round().clamp(min=1) / length


def as_released(frequency, length: int):
    """What the authors' public code makes of the same rounding: it rounds L / (2 pi w), not L w / 2 pi.

    So each *inverse* frequency becomes a whole multiple of 2 pi / L, which leaves slow bands nearly as they are, and no
    band closes at L.
    """
    return length / (2 * torch.pi * cycles(1 / frequency, length).round().clamp(min=1))


def yarn(frequency, turns, scale: float):
    """Bands of at least 1.25 turns in the trained window are kept, of at most 0.75 divided by the scale."""
    low, high = RAMP
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return frequency if scale == 1 else kept * frequency + (1 - kept) * frequency / scale


def wrap(angle):
    """The same angle in [-pi, pi]"""
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


def closure(frequency, length: int):
    """|wrap(L w)|: how far from where it began a band is after the window, in radians (UltraFlux Supp. Fig. 1 b)"""
    return wrap(length * frequency).abs()


def bands(length: int, dimension: int, base: float) -> pd.DataFrame:
    """UltraFlux Supp. Fig. 1 a, b: a row a band; cycles of each kind in the window, closure errors in radians.

    factor: of the frequency, by snapping; unlike: of the patterns of Fig. 2 at L x L tokens, as in `regularity`.
    """
    stock = frequencies(dimension, base)
    resonant, released = snapped(stock, length), as_released(stock, length)
    axes = {"length": length, "dimension": dimension, "base": base}
    return pd.DataFrame({
        "band": range(len(stock)), "cycles": cycles(stock, length), "snapped": cycles(resonant, length).round(),
        "factor": resonant / stock, "closure": closure(stock, length), "closure snapped": closure(resonant, length),
        "factor released": released / stock, "closure released": closure(released, length),
        "unlike": [_apart(*(pattern(kind, length, length, **axes, band=band) for kind in ("stock", "resonance")))
                   for band in range(len(stock))],
    })


def differences(length: int, dimension: int, base: float, windows: int = 2):
    """UltraFlux Supp. Fig. 1 c: |wrap(p w - p w^)| in radians  # bands, windows * L + 1 positions p; numpy"""
    stock = frequencies(dimension, base)
    positions = torch.arange(windows * length + 1, dtype=torch.float64)
    return wrap(torch.outer(stock - snapped(stock, length), positions)).abs().numpy()


def representative(length: int, dimension: int, base: float) -> int:
    """The band of Fig. 2, which names none: of those with 1.5 cycles or more the one that fits its caption best.

    I.e. whose stripes snapping changes least on the trained window (not in paper: choice).
    """
    found = bands(length, dimension, base)
    striped = found[found.cycles >= 1.5]
    return int(striped.unlike.idxmin()) if len(striped) else 0


def pattern(kind: str, height: int, width: int, length: int, dimension: int, base: float, band: int,
            shift: tuple[int, int] = (0, 0)):
    """UltraFlux Supp. Fig. 2: cos(h w_H + w w_W) of one band on a grid of tokens  # H W float64; numpy

    shift: tokens by which the grid is moved; the frequencies stay
    """
    axes = []
    for side, start in zip((height, width), shift, strict=True):
        frequency = spectrum(kind, dimension, base, length, side)[band]
        axes.append((start + torch.arange(side, dtype=torch.float64)) * frequency)
    return (axes[0][:, None] + axes[1]).cos().numpy()


def regularity(length: int, dimension: int, base: float, band: int, grids=GRIDS,
               kinds=("stock", "resonance", "resonance+yarn")) -> pd.DataFrame:
    """Numbers for Fig. 2's "more regular": a row a kind and grid.

    direction, spacing: of the stripes, in degrees from the rows' axis and in tokens; they follow from (w_H, w_W) alone.
    irregular: rms of the pattern minus itself one trained window further, along rows and columns alike, over twice its
    own rms: 0 repeats, 0.71 unrelated, 1 opposite. unlike stock: the same of two kinds on one grid.
    """
    axes = {"length": length, "dimension": dimension, "base": base, "band": band}
    rows = []
    for height, width in grids:
        stock = pattern("stock", height, width, **axes)
        for kind in kinds:
            down, across = (spectrum(kind, dimension, base, length, side)[band].item() for side in (height, width))
            here = pattern(kind, height, width, **axes)
            moved = [pattern(kind, height, width, **axes, shift=shift) for shift in ((length, 0), (0, length))]
            rows.append((kind, height, width, math.degrees(math.atan2(down, across)),
                         2 * math.pi / math.hypot(down, across),
                         sum(_apart(here, each) ** 2 / 2 for each in moved) ** 0.5, _apart(stock, here)))
    return pd.DataFrame(rows, columns=["kind", "height", "width", "direction", "spacing", "irregular", "unlike stock"])


def _apart(one, other):
    """Rms of the difference over the sum of both rms: 0 the same, 1 opposite"""
    return float(((one - other) ** 2).mean() ** 0.5 / ((one**2).mean() ** 0.5 + (other**2).mean() ** 0.5))

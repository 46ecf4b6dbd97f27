"""The detailer head of nano-pixel: a U-Net over noisy pixels, with the token map joined at its bottleneck.

Its outer levels add what averages to 0 over 2 x 2 pixels: shrunk, a result is what the inner levels alone would give,
and a larger picture costs outer levels without touching what the inner ones know. Each level works at half of its
pictures' resolution (2 x 2 pixels become channels): the outermost, the most expensive one, costs a quarter.

Whatever works at a coarser resolution sees pixels averaged over k x k, where noise has a k-th of its strength:
    x_t = (1 - t) x + t e   averages to   ((1 - t) + t / k) x_t'   with   t' = t / (t + k (1 - t))
Sizes of layers are not in paper: choice.
"""
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle, silu

FEATURES = 128  # channels of the token map
WIDTHS = (48, 96, 128)  # channels of the inner levels at 1/2, 1/4 and 1/8 of their picture; L2P: 32 to 512
OUTER_WIDTHS = (32, 24, 16)  # of the outer levels, from inside to outside; L2P: 16
ANGLES = 12  # of a noise level's embedding
SPREAD = 0.5  # standard deviation of pixels in [-1, 1]


class Head(nn.Module):
    """The detailer: a U-Net over noisy pixels."""

    def __init__(self, levels: int):
        super().__init__()
        self.inner = Inner()
        widths = (WIDTHS[0], *OUTER_WIDTHS)
        self.outer = nn.ModuleList(Outer(*widths[n:n + 2]) for n in range(levels))

    def forward(self, pixels: torch.Tensor, sigma: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """N 3 H W, N, N FEATURES h w -> N 3 H W"""
        factors = [2**n for n in range(len(self.outer), -1, -1)]
        views = [seen(avg_pool2d(pixels, k) if k > 1 else pixels, sigma, k) for k in factors]
        clean, features = self.inner(*views[0], tokens)
        for level, view in zip(self.outer, views[1:], strict=True):
            clean, features = level(*view, clean, features)
        return clean


class Inner(nn.Module):
    """The levels down to the tokens: at 1/2, 1/4 and 1/8 of the side; the map of the trunk joins at the last."""

    def __init__(self):
        super().__init__()
        first, second, third = WIDTHS
        self.into = nn.Conv2d(12, first, 3, padding=1)
        self.down = nn.ModuleList([nn.Conv2d(first, second, 3, padding=1), nn.Conv2d(second, third, 3, padding=1)])
        self.join = nn.Conv2d(third + FEATURES, third, 1)
        self.up = nn.ModuleList([nn.Conv2d(third, second, 1), nn.Conv2d(second, first, 1)])
        self.blocks = nn.ModuleList(Block(width) for width in (first, second, third, third, second, first))
        self.out = nn.Conv2d(first, 12, 3, padding=1)
        self.polish = Polish(first)

    def forward(self, x, t, tokens):
        """x_t at the base's resolution -> (clean pixels  # N 3 h w, features  # N WIDTHS[0] h/2 w/2)"""
        enter, lower, bottom, again, rise, leave = self.blocks
        first = enter(self.into(pixel_unshuffle(x, 2)), t)
        second = lower(self.down[0](avg_pool2d(first, 2)), t)
        third = self.down[1](avg_pool2d(second, 2))
        fitted = interpolate(tokens, third.shape[2:], mode="bilinear") if tokens.shape != third.shape else tokens
        third = again(bottom(self.join(torch.cat([third, fitted], 1)), t), t)
        second = rise(second + _doubled(self.up[0](third)), t)
        first = leave(first + _doubled(self.up[1](second)), t)
        level, guess = per_picture(t), pixel_shuffle(self.out(silu(first)), 2)
        power = (1 - level) ** 2 * SPREAD**2 + level**2  # of x_t; the best linear guess of x, and what it leaves over
        clean = (1 - level) * SPREAD**2 / power * x + level * SPREAD / power.sqrt() * guess
        return self.polish(x, t, clean, first), first


class Polish(nn.Module):
    """Takes away the grain that the inner levels leave at low noise: what they add there is far smaller than x_t."""

    def __init__(self, width: int):
        super().__init__()
        self.into = nn.Conv2d(24, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(2))
        self.out = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x, t, clean, features):
        """x_t and a guess of what it hides  # N 3 h w, twice; N width h/2 w/2 -> a better guess  # N 3 h w"""
        features = features + self.into(pixel_unshuffle(torch.cat([x, clean], 1), 2))
        for block in self.blocks:
            features = block(features, t)
        return clean + pixel_shuffle(self.out(silu(features)), 2)


class Outer(nn.Module):
    """A level that doubles the side of what the inner ones give; new ones add nothing."""

    def __init__(self, inner: int, width: int):
        super().__init__()
        self.project = nn.Conv2d(inner, width, 1)
        self.into = nn.Conv2d(12 + 3, width, 3, padding=1)
        self.block = Block(width)
        self.out = nn.Conv2d(width, 12, 3, padding=1)
        self.gate = nn.Linear(ANGLES, 1)
        for layer in (self.out, self.gate):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x, t, clean, features):
        """x_t  # N 3 2h 2w and what the inner levels give  # N 3 h w, N inner h/2 w/2 -> the same, twice as large"""
        squares = pixel_unshuffle(x, 2)
        seen_here = self.into(torch.cat([squares, clean], 1)) + _doubled(self.project(features))
        features = self.block(seen_here, t)
        added = self.out(silu(features)) + self.gate(embedding(t))[:, :, None, None] * squares
        added = added.unflatten(1, (3, 4))
        detail = pixel_shuffle((added - added.mean(2, keepdim=True)).flatten(1, 2), 2)
        return _doubled(clean) + detail, features


class Block(nn.Module):
    """Two convolutions beside a shortcut, told the noise level by scale and offset."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.level = nn.Linear(ANGLES, 2 * width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x, t):
        scale, offset = self.level(embedding(t))[:, :, None, None].chunk(2, 1)
        return x + self.second(silu(self.first(silu(x)) * (1 + scale) + offset))


def seen(pixels: torch.Tensor, sigma: torch.Tensor, k: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(x_t', t') where pixels are averaged over k x k already, or will be."""
    level = sigma.float()
    scale = 1 / ((1 - level) + level / k)
    return pixels * per_picture(scale), level / (level + k * (1 - level))


def embedding(t: torch.Tensor) -> torch.Tensor:
    """Waves over the logarithm of the signal-to-noise ratio  # N -> N ANGLES"""
    place = (torch.logit(t.clamp(1e-4, 1 - 1e-4)) / 10 + 1) / 2
    return torch.cos(torch.pi * place[:, None] * torch.arange(ANGLES, device=t.device))


def per_picture(values: torch.Tensor) -> torch.Tensor:
    """N -> N 1 1 1"""
    return values[:, None, None, None]


def _doubled(x):
    return interpolate(x, scale_factor=2, mode="nearest")

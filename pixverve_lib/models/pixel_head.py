"""The detailer head of Scheme III: a U-Net over the noisy pixels that reads the transformer's tokens at its bottom.

Layers and names are those of the released checkpoints (`local_decoder.*`), so that these load as they are. The paper
prints none of it: Sec. 3.2 names L2P, whose head comes from DiP.

    head = PixelHead(patch=160, width=3840)
    velocity = head(pixels, features)  # whole
    velocity = head.tiled(pixels, features, tile=1024)  # the same, in the memory of a tile

One cell is what the bottom sees as one pixel: 64 pixels of the picture, 128 at 8K. A tile reads HALO cells more on each
side: the layers on the way up look 2 cells far, those on the way down less than one. So nothing of the tile depends on
what lies beyond, and zeros stand only where the picture ends, as they do for the whole.
"""
import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

HALO = 3  # cells
TILE = 2048  # pixels, side of a tile without its halo; not in paper: choice
CHANNELS = 3  # of a picture
BOTTOM = 512  # channels; not in paper: as released
WIDTHS = {"0": 16, "0b": 32, "1": 64, "2": 128, "3": 256, "4": 512}  # of the levels; not in paper: as released
OUTER = {128: "_8k", 160: "_10k_a", 320: "_10k_a"}  # patch -> level around these; only 160 is released (M10)
SHALLOW = (160, 320)  # patches whose head lacks level 4: 10240 is no power of two times 64


class Level(NamedTuple):
    """Channels of one level: into and out of its encoder, into and out of its up-sampling, out of its decoder."""

    name: str
    enter: int
    skip: int
    below: int
    up: int
    out: int


class Convolution(NamedTuple):
    """One layer for arithmetic: every `reduction`-th pixel each way, channels in and out, side of its kernel."""

    reduction: int
    enter: int
    leave: int
    kernel: int


def levels(patch: int) -> list[Level]:
    """The levels of the head of a token patch (pixels), the outermost first. Raises ValueError for an unknown patch."""
    if patch not in (64, *OUTER):
        raise ValueError(f"no head for token patches of {patch} px; there are 64 (4K), 128 (8K), 160 and 320 (10K)")
    names = [name for name in WIDTHS if not (name == "4" and patch in SHALLOW)]
    widths = [WIDTHS[name] for name in names]
    found = [
        Level(name, enter, width, below, width, out)
        for name, enter, width, below, out in zip(
            names, [CHANNELS, *widths], widths, [*widths[:-1], BOTTOM], [widths[0], *widths], strict=False
        )
    ]
    if patch in OUTER:
        found.insert(0, Level(OUTER[patch], CHANNELS, CHANNELS, widths[0], widths[0], widths[0]))
    return found


def cell(patch: int) -> int:
    """Pixels of a cell, each way."""
    return 2 ** len(levels(patch))


def convolutions(patch: int, width: int) -> list[Convolution]:
    """Every layer of `PixelHead(patch, width)` in the order in which it runs, for FLOP and memory sums."""
    found = levels(patch)
    sizes = [2**number for number in range(len(found))]
    down = [Convolution(size, level.enter, level.skip, 3) for size, level in zip(sizes, found, strict=True)]
    bottom = Convolution(cell(patch), found[-1].skip + width, BOTTOM, 1)
    up = [
        layer for size, level in zip(reversed(sizes), reversed(found), strict=True)
        for layer in (Convolution(size, level.below, level.up, 3),
                      Convolution(size, level.up + level.skip, level.out, 3))
    ]
    return [*down, bottom, *up, Convolution(1, found[0].out, CHANNELS, 1)]


def check_size(height: int, width: int, patch: int) -> None:
    """Raises ValueError, naming the nearest valid sides, when tokens or cells do not fill a picture (pixels)."""
    step = math.lcm(patch, cell(patch))
    for name, length in (("height", height), ("width", width)):
        if length < step or length % step:
            near = [side for side in (length // step * step, -(-length // step) * step) if side]
            raise ValueError(f"a {name} of {length} px is no multiple of {step} (token patches of {patch} px): "
                             f"take {' or '.join(map(str, dict.fromkeys(near)))}")


class PixelHead(nn.Module):
    """Noisy pixels and token features in, the network's (negative) velocity of every pixel out.

    patch: pixels a token, each way: 64 | 128 | 160 | 320; width: channels of the tokens.
    """

    def __init__(self, patch: int, width: int):
        super().__init__()
        found = levels(patch)
        self.patch, self.names = patch, [level.name for level in found]
        for level in found:
            self.add_module(f"enc{level.name}", nn.Sequential(_convolution(level.enter, level.skip), nn.SiLU()))
            self.add_module(f"up{level.name}", nn.Sequential(
                nn.Upsample(scale_factor=2, mode="nearest"), _convolution(level.below, level.up),
            ))
            inside = _convolution(level.up + level.skip, level.out)
            self.add_module(f"dec{level.name}", nn.Sequential(inside, nn.SiLU()))
        bottom = found[-1].skip
        self.bottleneck = nn.Sequential(nn.Conv2d(bottom + width, BOTTOM, 1), nn.SiLU())
        self.out_conv = nn.Conv2d(WIDTHS["0"], CHANNELS, 1)

    def forward(self, pixels: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """pixels  # N 3 H W, features  # N width h w, one a token or one a cell -> N 3 H W"""
        x, skips = pixels, []
        for name in self.names:
            skips.append(self._part("enc", name)(x))
            x = functional.max_pool2d(skips[-1], 2)
        x = self.bottleneck(torch.cat([x, functional.interpolate(features, size=x.shape[2:], mode="nearest")], 1))
        for name in reversed(self.names):
            x = self._part("dec", name)(torch.cat([self._part("up", name)(x), skips.pop()], 1))
        return self.out_conv(x)

    def tiled(self, pixels: torch.Tensor, features: torch.Tensor, tile: int = TILE) -> torch.Tensor:
        """`forward` in tiles: equal to it within rounding; beside the result only one tile is held.

        At 10240 x 10240 in bfloat16 that is 0.9 GB for a tile of 2048 pixels, where the whole picture takes 15.5 GB
        (schemes.cost_model.head_memory, for other sizes); with their halos tiles of 2048 take 1.3 times its work.
        """
        result = torch.empty_like(pixels)
        for rows, columns in self.tiles(*pixels.shape[2:], tile):
            result[:, :, rows, columns] = self.tile(pixels, features, rows, columns)
        return result

    def tiles(self, height: int, width: int, tile: int = TILE) -> Iterator[tuple[slice, slice]]:
        """Rows and columns (pixels) of each tile of a picture; sides are rounded up to whole cells."""
        check_size(height, width, self.patch)
        side = -(-tile // cell(self.patch)) * cell(self.patch)
        for top in range(0, height, side):
            for left in range(0, width, side):
                yield slice(top, min(top + side, height)), slice(left, min(left + side, width))

    def tile(self, pixels: torch.Tensor, features: torch.Tensor, rows: slice, columns: slice) -> torch.Tensor:
        """`forward` of one tile of `tiles`: pixels  # N 3 H W, of any dtype -> N 3 rows columns"""
        size, (height, width) = cell(self.patch), pixels.shape[2:]
        seen = [_widened(rows, height, size), _widened(columns, width, size)]
        near = pixels[:, :, seen[0], seen[1]].to(self.out_conv.weight.dtype)
        tokens = [_tokens(length, span, size, count).to(features.device)
                  for length, span, count in zip((height, width), seen, features.shape[2:], strict=True)]
        wide = self(near, features[:, :, tokens[0][:, None], tokens[1]])
        return wide[:, :, _inside(rows, seen[0]), _inside(columns, seen[1])]

    def _part(self, kind, name):
        return self.get_submodule(kind + name)


def _convolution(enter, leave):
    return nn.Conv2d(enter, leave, 3, padding=1)


def _widened(span, length, size):
    return slice(max(span.start - HALO * size, 0), min(span.stop + HALO * size, length))


def _inside(span, seen):
    return slice(span.start - seen.start, span.stop - seen.start)


def _tokens(length, span, size, count):
    """The token that each cell of a span reads: nearest, as the whole picture is up-sampled."""
    places = torch.arange(count, dtype=torch.float32)[None, None]
    cells = functional.interpolate(places, size=length // size, mode="nearest")[0, 0].long()
    return cells[span.start // size : span.stop // size]

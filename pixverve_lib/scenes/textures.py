"""Materials: periodic 512-px tiles of surface detail, each a small dead-leaves or 1/f field of its own.

The renderer samples a tile at several scales, eight times apart,
so that a surface shows real detail at one pixel and at
one thousand. Dead leaves (occluding shapes with radii distributed as r^-3) give the power spectrum of natural images,
about f^-2 (Lee, Mumford and Huang 2001, Int. J. Comput. Vis. 41).
"""
from functools import lru_cache

import numba
import numpy as np

SIDE = 512
STEP = 24.0  # tiles are int8: STEP counts are one standard deviation
MATERIALS = ("stone", "foliage", "grass", "wood", "fabric", "plaster", "water", "cloud", "peel", "metal")
NUMBER = {name: number for number, name in enumerate(MATERIALS)}


@numba.njit(cache=True)
def _dead_leaves(seed, smallest, largest, stretch, spread, relief):
    """Front-to-back disks of radius ~ r^-3 on a torus; `relief` shades each from its lit upper left to its far side."""
    np.random.seed(seed)
    tile = np.zeros((SIDE, SIDE), np.float32)
    empty = np.ones((SIDE, SIDE), np.bool_)
    left = SIDE * SIDE
    while left > SIDE * SIDE // 500:
        u = np.random.random()
        r = 1.0 / np.sqrt(u / smallest**2 + (1 - u) / largest**2)  # inverse of the r^-3 distribution function
        angle = spread * (np.random.random() - 0.5)
        c, s = np.cos(angle), np.sin(angle)
        y0, x0 = np.random.random() * SIDE, np.random.random() * SIDE
        tone = np.random.normal()
        reach = int(r * stretch) + 2
        for y in range(int(y0) - reach, int(y0) + reach):
            for x in range(int(x0) - reach, int(x0) + reach):
                j, i = y % SIDE, x % SIDE
                if not empty[j, i]:
                    continue
                a = (c * (x - x0) + s * (y - y0)) / r
                b = (c * (y - y0) - s * (x - x0)) / (r * stretch)
                if a * a + b * b < 1:
                    tile[j, i] = tone - relief * (0.6 * (x - x0) + 0.8 * (y - y0)) / (r * max(1.0, 0.6 * stretch))
                    empty[j, i] = False
                    left -= 1
    return tile


def _power_law(rng, slope, stretch=1.0):
    """White noise shaped to a power spectrum of f^slope; `stretch` > 1 draws it out along x."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None] * stretch
    f = np.hypot(fy, fx)
    f[0, 0] = np.inf
    return np.fft.irfft2(np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * f ** (slope / 2), (SIDE, SIDE))


def _weave():
    y, x = np.mgrid[:SIDE, :SIDE]
    over = ((x // 8 + y // 8) % 2).astype(float)
    return np.where(over > 0, np.sin(np.pi * (x % 8 + 0.5) / 8), np.sin(np.pi * (y % 8 + 0.5) / 8) - 0.3) * 2


def _unit(tile):
    return (tile - tile.mean()) / tile.std()


@lru_cache(1)
def bank():
    """All tiles.  # len(MATERIALS) 512 512 int8, zero mean, one standard deviation = STEP counts, clipped at +-5"""
    rng = np.random.default_rng(20260520)
    grain = _unit(_power_law(rng, -1.6))
    tiles = {
        "stone": _unit(_dead_leaves(1, 1.2, 40.0, 1.0, 6.3, 0.7)) + 0.35 * grain,
        "foliage": _unit(_dead_leaves(2, 2.0, 26.0, 2.2, 6.3, 1.0)) + 0.2 * grain,
        "grass": _unit(_dead_leaves(3, 0.8, 5.0, 7.0, 1.1, 0.9)) + 0.2 * grain,
        "wood": _unit(_power_law(rng, -2.2, 0.06)) + 0.35 * _unit(_dead_leaves(4, 0.7, 6.0, 9.0, 0.2, 0.3)),
        "fabric": 0.5 * _unit(_weave()) + _unit(_power_law(rng, -2.0)),
        "plaster": _unit(_power_law(rng, -2.0)) + 0.3 * _unit(_dead_leaves(5, 0.8, 5.0, 1.0, 6.3, 1.2)),
        "water": _unit(_power_law(rng, -2.4, 0.22).T) + 0.3 * _unit(_dead_leaves(6, 1.0, 9.0, 0.3, 0.3, 0.8)),
        "cloud": _unit(_power_law(rng, -3.2)),
        "peel": 0.5 * _unit(_dead_leaves(7, 1.5, 4.0, 1.0, 6.3, 1.5)) + _unit(_power_law(rng, -2.2)),
        "metal": _unit(_power_law(rng, -1.8, 0.02).T) + 0.4 * grain,
    }
    return np.stack([np.clip(np.rint(_unit(tiles[name]) * STEP), -120, 120) for name in MATERIALS]).astype(np.int8)

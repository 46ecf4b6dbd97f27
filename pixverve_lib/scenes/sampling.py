"""Per-pixel samplers of the materials: compiled, pure functions of a place, called by the renderer for every pixel."""
import math

import numba

from pixverve_lib.scenes.textures import SIDE, STEP

WRAP = SIDE - 1
COMPILED = numba.njit(error_model="numpy")
INLINED = numba.njit(error_model="numpy", inline="always")  # calls by the pixel cost a third of the time
WALL, GLASS, LIT_GLASS, FRAME = 0, 1, 2, 3


@COMPILED
def hashed(x, y, seed):
    """A fixed pseudo-random number for a place.  # [0, 1)"""
    h = (x * 374761393 + y * 668265263 + seed * 974634777) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) / 16777216.0


@COMPILED
def noise(x, seed):
    """Smooth noise along a line.  # [-0.5, 0.5)"""
    i = int(math.floor(x))
    f = x - i
    f = f * f * (3 - 2 * f)
    return (1 - f) * hashed(i, 7, seed) + f * hashed(i + 1, 7, seed) - 0.5


@COMPILED
def smooth(x, y, bank, m):
    """Quadratic B-spline sample of a periodic tile, in its standard deviations."""
    i, j = int(math.floor(x)), int(math.floor(y))
    a, b = x - i, y - j
    a0, a2 = 0.5 * (1 - a) * (1 - a), 0.5 * a * a
    b0, b2 = 0.5 * (1 - b) * (1 - b), 0.5 * b * b
    a1, b1 = 1 - a0 - a2, 1 - b0 - b2
    i0, i1, i2 = i & WRAP, (i + 1) & WRAP, (i + 2) & WRAP
    j0, j1, j2 = j & WRAP, (j + 1) & WRAP, (j + 2) & WRAP
    return (b0 * (a0 * bank[m, j0, i0] + a1 * bank[m, j0, i1] + a2 * bank[m, j0, i2])
            + b1 * (a0 * bank[m, j1, i0] + a1 * bank[m, j1, i1] + a2 * bank[m, j1, i2])
            + b2 * (a0 * bank[m, j2, i0] + a1 * bank[m, j2, i1] + a2 * bank[m, j2, i2])) * (1 / STEP)


@COMPILED
def fine(x, y, bank, m):
    """The tile at one texel a pixel, unsmoothed: this is where detail at 1:1 comes from."""
    return bank[m, int(math.floor(y)) & WRAP, int(math.floor(x)) & WRAP] * (1 / STEP)


@COMPILED
def surface(px, py, reach, seed, bank, m):
    """Detail at three scales eight times apart; scales larger than the thing itself (reach, pixels) fade.

    Returns (all of it, its coarse part), about unit variance.
    """
    ox, oy = 137.0 * seed, 71.0 * seed
    mid = coarse = 0.0
    w1, w2 = min(1.0, reach / 64), min(1.0, reach / 768)
    if w1 > 0.1:
        mid = 0.9 * w1 * smooth((0.96 * px + 0.28 * py) / 8 + oy, (0.96 * py - 0.28 * px) / 8 + ox, bank, m)
    if w2 > 0.1:
        coarse = 0.6 * w2 * smooth((0.8 * px - 0.6 * py) / 64 + ox, (0.8 * py + 0.6 * px) / 64 + oy, bank, m)
    return 1.1 * fine(px + ox, py + oy, bank, m) + mid + coarse, mid + coarse


@COMPILED
def linear(x, y, bank, m):
    """Bilinear sample of a periodic tile, in its standard deviations."""
    i, j = int(math.floor(x)), int(math.floor(y))
    a, b = x - i, y - j
    i0, i1 = i & WRAP, (i + 1) & WRAP
    j0, j1 = j & WRAP, (j + 1) & WRAP
    return ((1 - b) * ((1 - a) * bank[m, j0, i0] + a * bank[m, j0, i1])
            + b * ((1 - a) * bank[m, j1, i0] + a * bank[m, j1, i1])) * (1 / STEP)


@COMPILED
def perspective(wx, wy, level, bank, m):
    """Detail of a constant size on the screen whatever the distance: two neighbouring octaves of the tile, blended.

    Returns (detail of a pixel's size, detail eight times as large).
    """
    octave = int(math.floor(level))
    f = level - octave
    x, y = wx * math.ldexp(1.0, octave), wy * math.ldexp(1.0, octave)
    x8, y8 = x / 8, y / 8
    near, far = 17 * (octave + 1), 17 * octave
    detail = (1 - f) * linear(x + far, y, bank, m) + f * linear(2 * x + near, 2 * y, bank, m)
    return detail, (1 - f) * linear(x8 + far, y8, bank, m) + f * linear(2 * x8 + near, 2 * y8, bank, m)


@COMPILED
def facade(u, v, row, pixels):
    """What stands at (u, v) of a wall with windows: (WALL | GLASS | LIT_GLASS | FRAME, brightness)."""
    columns, rows, seed = row.windows // 100, row.windows % 100, row.seed
    a, b = (u + 1) * 0.5 * columns, (v + 1) * 0.5 * rows
    i, j = int(math.floor(a)), int(math.floor(b))
    a, b = a - i, b - j
    if 0.22 < a < 0.78 and 0.2 < b < 0.8:
        if min(a - 0.22, 0.78 - a) < 0.04 or min(b - 0.2,
                                                 0.8 - b) < 0.04 or abs(a - 0.5) < 0.02 or abs(b - 0.45) < 0.02:
            return FRAME, 0.8
        chance = hashed(i, j, seed)
        return (LIT_GLASS if chance < row.softness else GLASS), 0.35 + 0.5 * (1 - b) + 0.3 * chance
    if 0.8 <= b < 0.86 and 0.18 < a < 0.82:
        return FRAME, 1.15
    if pixels < 40 * rows:  # courses of brick only where they are wide enough to see
        return WALL, 0.95
    course = b * 14
    brick = a * 9 + 0.5 * (math.floor(course) % 2)
    if course - math.floor(course) < 0.12 or brick - math.floor(brick) < 0.06:
        return WALL, 0.72
    return WALL, 0.86 + 0.24 * hashed(int(i * 9 + math.floor(brick)), int(j * 14 + math.floor(course)), seed)

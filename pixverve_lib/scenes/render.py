"""Draws a scene's table, any rows of it at any size: a tiled, front-to-back compositor with procedural materials.

A pixel is a function of (scene, size, place) alone, so that bands and whole pictures agree to the bit.
`light` is a row of 12: direction (x, y, z), ambient share, exposure, grain, haze (r, g, b), sun (r, g, b).
"""
import math

import numba
import numpy as np

from pixverve_lib.scenes import textures
from pixverve_lib.scenes.compiled import VERSION
from pixverve_lib.scenes.sampling import COMPILED, INLINED, hashed, noise
from pixverve_lib.scenes.shading import FRAY, colour, ground, ridge, sky, thing
from pixverve_lib.scenes.shapes import BLOB, GLOW, GROUND, LIGHT, RIDGE, ROW, SKY

TILE = 32  # pixels; the shapes that may touch a tile are listed once for it
BAND = 256  # rows drawn at a time
TONES = 4096
BRIGHTEST = 4.0  # linear light; above it everything is white
NOTHING = -2  # the owner of a pixel that belongs to no instance


def _tone_curve():
    """sqrt(linear light / BRIGHTEST) -> sRGB through a soft shoulder.  # TONES, uint8-ranged float32"""
    light = np.linspace(0, 1, TONES) ** 2 * BRIGHTEST
    film = 1 - np.exp(-1.3 * light)
    return (255 * np.where(film <= 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)).astype(np.float32)


@COMPILED
def _ridge_line(row, width, scale):
    """Upper edge of a ridge: fractal noise with octaves down to a pixel.  # width, in picture heights"""
    line = np.empty(width, np.float32)
    for i in range(width):
        x, frequency, amplitude, total = (i + 0.5) / scale, 1.0 / row.half_width, 1.0, 0.0
        while frequency < scale:
            total += amplitude * noise(x * frequency, row.seed)
            frequency *= 2.03
            amplitude *= row.bend
        line[i] = row.y + row.half_height * total
    return line


@COMPILED
def _may_touch(row, left, top, right, bottom, scale):
    """Whether a shape may cover part of a rectangle of pixels."""
    if row.kind == SKY:
        return True
    if row.kind == GROUND:
        return bottom / scale > row.y - 0.01 and top / scale < row.half_height
    if row.kind == RIDGE:
        return bottom / scale > row.y - row.half_height
    limit, pixel = FRAY if row.kind == BLOB else 1.0, 1.0 / scale
    half_width = pixel + limit * (abs(row.cos) * row.half_width + abs(row.sin) * row.half_height)
    half_height = pixel + limit * (abs(row.sin) * row.half_width + abs(row.cos) * row.half_height)
    return (abs(row.x - 0.5 * (left + right) / scale) < half_width + 0.5 * (right - left) / scale
            and abs(row.y - 0.5 * (top + bottom) / scale) < half_height + 0.5 * (bottom - top) / scale)


@INLINED
def _pixel(table, listed, count, lines, line_of, bank, light, scale, px, py):
    """Composites what stands at one pixel, nearest first.  Returns linear (r, g, b) and the instance that owns it."""
    x, y, i = px / scale, py / scale, int(px)
    red = green = blue = u = v = 0.0
    through, owner = 1.0, -1
    for n in range(count):
        k = listed[n]
        row = table[k]
        kind, fog = row.kind, row.fog
        if kind == SKY:
            cover = 1.0
            r, g, b = sky(row, x, y, light, bank)
        else:
            if kind == RIDGE:
                cover, brightness, rough, coarse = ridge(row, lines, line_of[k], i, px, py, y, scale, light, bank)
            elif kind == GROUND:
                cover, brightness, rough, coarse = ground(row, x, y, scale, light, bank)
                fog *= math.exp(-6 * (y - row.y))
            else:
                cover, brightness, rough, coarse, u, v = thing(row, px, py, x, y, scale, light, bank)
            if cover == 0:
                continue
            r, g, b = colour(row, brightness, rough, coarse, u, v, scale, light)
        if owner == -1 and cover > 0.5 and (row.shade != GLOW or row.instance >= 0):
            owner = row.instance if row.instance >= 0 else NOTHING
        red += through * cover * (r + fog * (light.haze_red - r))
        green += through * cover * (g + fog * (light.haze_green - g))
        blue += through * cover * (b + fog * (light.haze_blue - b))
        through *= 1 - cover
        if through < 0.004:
            break
    return red, green, blue, owner


@INLINED
def _tone(value, grain, tones):
    """Linear light -> 8 bits."""
    tone = tones[int(math.sqrt(min(1.0, max(0.0, value) / BRIGHTEST)) * (TONES - 1))]
    return int(min(255.0, max(0.0, tone + grain)))


@numba.njit(nogil=True, error_model="numpy")
def _fill(table, line_of, lines, bank, light, tones, scale, top, left, out, ids):
    """Fills out  # H W 3 uint8  and ids  # H W int16  with what lies below `top` and right of `left`."""
    height, width = ids.shape
    listed = np.empty(len(table), np.int64)
    for tile_y in range(0, height, TILE):
        for tile_x in range(0, width, TILE):
            below, right = min(height, tile_y + TILE), min(width, tile_x + TILE)
            n = 0
            for k in range(len(table) - 1, -1, -1):  # front to back
                if _may_touch(table[k], left + tile_x, top + tile_y, left + right, top + below, scale):
                    listed[n] = k
                    n += 1
            for j in range(tile_y, below):
                for i in range(tile_x, right):
                    x, y = left + i, top + j
                    r, g, b, owner = _pixel(table, listed, n, lines, line_of, bank, light, scale, x + 0.5, y + 0.5)
                    ids[j, i] = owner
                    grain = light.grain * (hashed(x, y, 11) + hashed(x, y, 12) - 1) + 0.5
                    out[j, i, 0] = _tone(r * light.exposure, grain, tones)
                    out[j, i, 1] = _tone(g * light.exposure, grain, tones)
                    out[j, i, 2] = _tone(b * light.exposure, grain, tones)


def _cached(version):
    """The two ways into the compiled code, kept on disk between processes (5 s): see compiled.py."""
    @numba.njit(nogil=True, error_model="numpy", cache=True)
    def skyline(row, width, scale):
        version  # noqa: B018  named so that it is part of the closure
        return _ridge_line(row, width, scale)

    @numba.njit(nogil=True, error_model="numpy", cache=True)
    def fill(table, line_of, lines, bank, light, tones, scale, top, left, out, ids):
        version  # noqa: B018
        _fill(table, line_of, lines, bank, light, tones, scale, top, left, out, ids)
    return skyline, fill


_skyline, _render = _cached(VERSION)


def _prepared(scene, height, width):
    """A function (top, left, rows, columns) -> (rgb, owners) that draws any part of the picture of that size."""
    table = np.array(scene.shapes, ROW)
    is_ridge = table["kind"] == RIDGE
    line_of = np.cumsum(is_ridge) - 1
    lines = np.stack([_skyline(row, width, float(height)) for row in table[is_ridge]] or [np.zeros(1, np.float32)])
    light, bank, tones = np.array([scene.light], LIGHT)[0], textures.bank(), _tone_curve()

    def part(top, left, rows, columns):
        rgb, owners = np.empty((rows, columns, 3), np.uint8), np.empty((rows, columns), np.int16)
        _render(table, line_of, lines, bank, light, tones, float(height), top, left, rgb, owners)
        return rgb, owners
    return part


def bands(scene, height, width, band=BAND):
    """Draws a scene from top to bottom in bounded memory.

    Yields (first row, rgb  # <= band, width, 3 uint8, owners  # <= band, width int16: instance number or < 0).
    """
    part = _prepared(scene, height, width)
    for top in range(0, height, band):
        yield top, *part(top, 0, min(band, height - top), width)


def window(scene, height, width, top, left, rows, columns):
    """A part of the picture that `draw` would make at that size, without the rest.  # rows columns 3 uint8"""
    return _prepared(scene, height, width)(top, left, rows, columns)[0]


def draw(scene, height, width):
    """The whole picture.  # height width 3 uint8"""
    picture = np.empty((height, width, 3), np.uint8)
    for top, rgb, _ in bands(scene, height, width):
        picture[top:top + len(rgb)] = rgb
    return picture


def owners(scene, height, width):
    """Which instance each pixel belongs to.  # height width int16, < 0: none"""
    return np.concatenate([owner for _, _, owner in bands(scene, height, width)])

"""Draws a scene's table, any rows of it at any size: a tiled, front-to-back compositor with procedural materials.

A pixel is a function of (scene, size, place) alone, so that bands and whole pictures agree to the bit.
`light` is a row of 12: direction (x, y, z), ambient share, exposure, grain, haze (r, g, b), sun (r, g, b).
"""
import math

import numba
import numpy as np

from pixverve_lib.scenes import textures
from pixverve_lib.scenes.sampling import FRAME, LIT_GLASS, WALL, facade, hashed, noise, perspective, smooth, surface
from pixverve_lib.scenes.shapes import (
    BLOB, BOX, CYLINDER, FACADE, FLAT, GLOW, GROUND, LEAF, LEAFY, LIGHT, RIDGE, ROW, SKY, SPHERE,
)  # fmt: skip

TILE = 32  # pixels; the shapes that may touch a tile are listed once for it
BAND = 256  # rows drawn at a time
TONES = 4096
BRIGHTEST = 4.0  # linear light; above it everything is white
NOTHING = -2  # the owner of a pixel that belongs to no instance
COMPILED = numba.njit(error_model="numpy")
INLINED = numba.njit(error_model="numpy", inline="always")  # calls by the pixel cost a third of the time


def _tone_curve():
    """sqrt(linear light / BRIGHTEST) -> sRGB through a soft shoulder.  # TONES, uint8-ranged float32"""
    light = np.linspace(0, 1, TONES) ** 2 * BRIGHTEST
    film = 1 - np.exp(-1.3 * light)
    return (255 * np.where(film <= 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)).astype(np.float32)


@COMPILED
def _skyline(row, width, scale):
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
def _may_touch(row, left, top, right, bottom):
    """Whether a shape may cover part of a rectangle (picture heights)."""
    if row.kind == SKY:
        return True
    if row.kind == GROUND:
        return bottom > row.y - 0.01 and top < row.half_height
    if row.kind == RIDGE:
        return bottom > row.y - row.half_height
    half_width = 1.3 * (abs(row.cos) * row.half_width + abs(row.sin) * row.half_height)
    half_height = 1.3 * (abs(row.sin) * row.half_width + abs(row.cos) * row.half_height)
    return (abs(row.x - 0.5 * (left + right)) < half_width + 0.5 * (right - left)
            and abs(row.y - 0.5 * (top + bottom)) < half_height + 0.5 * (bottom - top))


@INLINED
def _sky(row, x, y, light, bank):
    """Gradient and clouds lit from the sun's side.  Returns linear (r, g, b)."""
    depth = min(1.0, max(0.0, y / row.half_height))
    t = depth * (1.2 - 0.2 * depth)
    r = row.red + t * (row.red2 - row.red)
    g = row.green + t * (row.green2 - row.green)
    b = row.blue + t * (row.blue2 - row.blue)
    far = 1.0 / (1.15 - depth)  # clouds crowd towards the horizon
    cx, cy = (x - row.x) * far * 60 + row.seed * 31, far * 90
    thick = smooth(cx, cy, bank, row.material)
    if thick + 0.6 < row.bend:
        return r, g, b
    thick += 0.35 * smooth(cx * 5, cy * 5, bank, row.material) + 0.1 * smooth(cx * 31, cy * 31, bank, row.material)
    cover = min(1.0, max(0.0, (thick - row.bend) * 1.3)) * (1 - 0.5 * t)
    towards_sun = smooth(cx + 3 * light.x, cy + 4 * light.y, bank, row.material)
    shine = 0.72 + 0.3 * min(1.0, max(-1.0, thick - towards_sun))
    return r + cover * (shine * light.sun_red - r), g + cover * (shine * light.sun_green - g), b + cover * (shine * light.sun_blue - b)


@INLINED
def _ridge(row, lines, which, i, px, py, y, scale, light, bank):
    """Hills, or a line of trees.  Returns (cover, brightness, rough, coarse)."""
    cover = min(1.0, max(0.0, (y - lines[which, i]) * scale + 0.5))
    if cover == 0:
        return 0.0, 0.0, 0.0, 0.0
    rough, coarse = surface(px, py, 400.0, row.seed, bank, row.material)
    slope = (lines[which, min(i + 3, lines.shape[1] - 1)] - lines[which, i]) * scale / 3
    return cover, 0.62 + 0.2 * min(1.0, max(-1.0, slope * light.x - 0.3 * coarse * light.y)), rough, coarse


@INLINED
def _ground(row, x, y, scale, light, bank):
    """A plane running to the horizon; log depth keeps its grains round.  Returns (cover, brightness, rough, coarse)."""
    depth = y - row.y
    cover = min(1.0, max(0.0, depth * scale + 0.5))
    if cover == 0 or y > row.half_height:
        return 0.0, 0.0, 0.0, 0.0
    depth = max(depth, 1.0 / scale) + row.half_width
    wx, wy = (x - row.x) / depth + row.seed, math.log(depth)
    level = (wy + math.log(scale)) * 1.442695  # log2 of pixels a unit
    coarse = 0.5 * smooth(wx * 60, wy * 60, bank, row.material)
    detail, larger = perspective(wx, wy, level, bank, row.material)
    rough = 1.2 * detail + 0.9 * larger + coarse
    brightness = light.ambient + (1 - light.ambient) * max(0.2, -light.y)
    if row.bend > 0:  # boards running away from the eye
        board = math.floor(wx * row.bend)
        brightness *= 0.8 + 0.35 * hashed(int(board), 3, row.seed)
        if wx * row.bend - board < 0.015 + 0.3 * row.bend / (depth * scale):
            brightness *= 0.45
    return cover, brightness, rough, coarse


@COMPILED
def _inside(row, u, v):
    """How far (u, v) lies inside a shape of half sizes 1; negative outside."""
    kind = row.kind
    if kind == BOX:
        return min(1 - abs(v), 1 - row.bend * 0.5 * (1 - v) - abs(u))
    if kind == LEAF:
        return (1 - u * u) * (0.75 + 0.25 * u) - abs(v) if abs(u) < 1 else -1.0
    return 1 - math.sqrt(u * u + v * v)


@COMPILED
def _lit(row, u, v, inside, light):
    """Light returned by a solid at (u, v) of its outline."""
    shade, cos, sin = row.shade, row.cos, row.sin
    if shade == SPHERE:
        z = math.sqrt(max(0.0, 1 - u * u - v * v))
        a, b = cos * u - sin * v, sin * u + cos * v
        diffuse = light.ambient + (1 - light.ambient) * max(0.0, a * light.x + b * light.y + z * light.z)
        half_way = math.sqrt(light.x ** 2 + light.y ** 2 + (light.z + 1) ** 2)
        gloss = max(0.0, a * light.x + b * light.y + z * (light.z + 1)) / half_way
        return diffuse + 0.25 * gloss**24 * (1 - min(1.0, 2 * row.relief))
    if shade == CYLINDER:
        z = math.sqrt(max(0.0, 1 - u * u))
        diffuse = max(0.0, u * (cos * light.x + sin * light.y) + z * light.z)
        return (light.ambient + (1 - light.ambient) * diffuse) * (1.05 - 0.15 * (v + 1))
    if shade == LEAFY:
        tilt = 0.22 * (light.y * cos - light.x * sin) * (1.0 if v > 0 else -1.0)
        vein = u * 9 - abs(v) * 5
        rib = 1.25 if abs(v) < 0.025 + 0.01 * (1 - u) else 1.12 if abs(vein - math.floor(vein) - 0.5) < 0.05 else 1.0
        return (0.72 + tilt + 0.12 * inside) * rib
    return 0.85 - 0.12 * v if shade == FLAT else 1.0


@INLINED
def _object(row, px, py, x, y, scale, light, bank):
    """A thing with an outline.  Returns (cover, brightness, rough, coarse, u, v)."""
    dx, dy = x - row.x, y - row.y
    u = (row.cos * dx + row.sin * dy) / row.half_width
    v = (row.cos * dy - row.sin * dx) / row.half_height
    if abs(u) > 1.3 or abs(v) > 1.3:
        return 0.0, 0.0, 0.0, 0.0, u, v
    reach = min(row.half_width, row.half_height) * scale
    inside = _inside(row, u, v)
    if inside * reach <= -0.5 and row.kind != BLOB:
        return 0.0, 0.0, 0.0, 0.0, u, v
    rough = coarse = 0.0
    if row.relief > 0:
        rough, coarse = surface(px, py, reach, row.seed, bank, row.material)
    if row.kind == BLOB:  # its material frays its outline
        inside += row.bend * (0.16 * rough + 0.1 * coarse)
    if row.shade == GLOW and row.softness > 0:
        cover = min(1.0, max(0.0, inside / row.softness))
        cover = cover * cover * (3 - 2 * cover)
    else:
        cover = min(1.0, max(0.0, inside * reach + 0.5))
    return cover * row.opacity, _lit(row, u, v, inside, light), rough, coarse, u, v


@INLINED
def _colour(row, brightness, rough, coarse, u, v, scale, light):
    """Linear (r, g, b) of a surface under the sun."""
    tint = min(1.0, max(0.0, 0.5 + 0.4 * coarse))
    gain = max(0.08, brightness * (1 + row.relief * rough))
    r = (row.red + tint * (row.red2 - row.red)) * gain
    g = (row.green + tint * (row.green2 - row.green)) * gain
    b = (row.blue + tint * (row.blue2 - row.blue)) * gain
    if row.shade == GLOW:
        return r, g, b
    if row.shade == FACADE:
        part, level = facade(u, v, row, 2 * row.half_height * scale)
        if part == LIT_GLASS:
            return 1.1 * level, 0.75 * level, 0.32 * level
        if part == FRAME:
            r, g, b = 0.2 + 0.4 * r, 0.2 + 0.4 * g, 0.2 + 0.4 * b
        elif part != WALL:
            r, g, b = 0.06 + 0.25 * light.haze_red, 0.07 + 0.25 * light.haze_green, 0.08 + 0.25 * light.haze_blue
        r, g, b = r * level, g * level, b * level
    return r * light.sun_red, g * light.sun_green, b * light.sun_blue


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
            r, g, b = _sky(row, x, y, light, bank)
        else:
            if kind == RIDGE:
                cover, brightness, rough, coarse = _ridge(row, lines, line_of[k], i, px, py, y, scale, light, bank)
            elif kind == GROUND:
                cover, brightness, rough, coarse = _ground(row, x, y, scale, light, bank)
                fog *= math.exp(-6 * (y - row.y))
            else:
                cover, brightness, rough, coarse, u, v = _object(row, px, py, x, y, scale, light, bank)
            if cover == 0:
                continue
            r, g, b = _colour(row, brightness, rough, coarse, u, v, scale, light)
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


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _render(table, line_of, lines, bank, light, tones, scale, top, out, ids):
    """Fills out  # H W 3 uint8  and ids  # H W int16  with the rows from `top` on."""
    height, width = ids.shape
    listed = np.empty(len(table), np.int64)
    for tile_y in range(0, height, TILE):
        for tile_x in range(0, width, TILE):
            below, right = min(height, tile_y + TILE), min(width, tile_x + TILE)
            n = 0
            for k in range(len(table) - 1, -1, -1):  # front to back
                if _may_touch(table[k], tile_x / scale, (top + tile_y) / scale, right / scale, (top + below) / scale):
                    listed[n] = k
                    n += 1
            for j in range(tile_y, below):
                for i in range(tile_x, right):
                    r, g, b, owner = _pixel(table, listed, n, lines, line_of, bank, light, scale, i + 0.5, top + j + 0.5)
                    ids[j, i] = owner
                    grain = light.grain * (hashed(i, top + j, 11) + hashed(i, top + j, 12) - 1) + 0.5
                    out[j, i, 0] = _tone(r * light.exposure, grain, tones)
                    out[j, i, 1] = _tone(g * light.exposure, grain, tones)
                    out[j, i, 2] = _tone(b * light.exposure, grain, tones)


def bands(scene, height, width, band=BAND):
    """Draws a scene from top to bottom in bounded memory.

    Yields (first row, rgb  # <= band, width, 3 uint8, owners  # <= band, width int16: instance number or < 0).
    """
    table = np.array(scene.shapes, ROW)
    is_ridge = table["kind"] == RIDGE
    line_of = np.cumsum(is_ridge) - 1
    lines = np.stack([_skyline(row, width, float(height)) for row in table[is_ridge]] or [np.zeros(1, np.float32)])
    light, bank, tones = np.array([scene.light], LIGHT)[0], textures.bank(), _tone_curve()
    for top in range(0, height, band):
        rows = min(band, height - top)
        rgb, owners = np.empty((rows, width, 3), np.uint8), np.empty((rows, width), np.int16)
        _render(table, line_of, lines, bank, light, tones, float(height), top, rgb, owners)
        yield top, rgb, owners


def draw(scene, height, width):
    """The whole picture.  # height width 3 uint8"""
    picture = np.empty((height, width, 3), np.uint8)
    for top, rgb, _ in bands(scene, height, width):
        picture[top:top + len(rgb)] = rgb
    return picture


def owners(scene, height, width):
    """Which instance each pixel belongs to.  # height width int16, < 0: none"""
    return np.concatenate([owner for _, _, owner in bands(scene, height, width)])

"""The light that leaves a scene's surfaces: compiled functions of a shape's row and a pixel, inlined into the renderer.

Those of a shape return (cover in [0, 1], brightness, fine relief, coarse relief); colours are linear light.
"""
import math

from pixverve_lib.scenes.sampling import (
    COMPILED,
    FRAME,
    INLINED,
    LIT_GLASS,
    WALL,
    facade,
    hashed,
    perspective,
    smooth,
    surface,
)
from pixverve_lib.scenes.shapes import BLOB, BOX, CYLINDER, FACADE, FLAT, GLOW, LEAF, LEAFY, SPHERE

FRAY = 1.3  # a frayed outline reaches this far, in half sizes


@INLINED
def sky(row, x, y, light, bank):
    """Gradient and clouds lit from the sun's side.  Returns linear (r, g, b)."""
    depth = min(1.0, max(0.0, y / row.half_height))
    t = depth * (1.2 - 0.2 * depth)
    r = row.red + t * (row.red2 - row.red)
    g = row.green + t * (row.green2 - row.green)
    b = row.blue + t * (row.blue2 - row.blue)
    far = 1.0 / (1.15 - depth)  # clouds crowd towards the horizon
    cx, cy = (x - row.x) * far * 60 + row.seed * 31, far * 90
    thick = smooth(cx, cy, bank, row.material)
    if thick + 0.7 < row.bend:
        return r, g, b
    wisps = 0.35 * smooth(cx * 5, cy * 5, bank, row.material) + 0.1 * smooth(cx * 31, cy * 31, bank, row.material)
    thick += min(0.7, max(-0.7, wisps))
    cover = min(1.0, max(0.0, (thick - row.bend) * 1.3)) * (1 - 0.5 * t)
    towards_sun = smooth(cx + 3 * light.x, cy + 4 * light.y, bank, row.material)
    shine = 0.72 + 0.3 * min(1.0, max(-1.0, thick - towards_sun))
    r, g = r + cover * (shine * light.sun_red - r), g + cover * (shine * light.sun_green - g)
    return r, g, b + cover * (shine * light.sun_blue - b)


@INLINED
def ridge(row, lines, which, i, px, py, y, scale, light, bank):
    """Hills, or a line of trees.  Returns (cover, brightness, rough, coarse)."""
    cover = min(1.0, max(0.0, (y - lines[which, i]) * scale + 0.5))
    if cover == 0:
        return 0.0, 0.0, 0.0, 0.0
    rough, coarse = surface(px, py, 400.0, row.seed, bank, row.material)
    slope = (lines[which, min(i + 3, lines.shape[1] - 1)] - lines[which, i]) * scale / 3
    return cover, 0.62 + 0.2 * min(1.0, max(-1.0, slope * light.x - 0.3 * coarse * light.y)), rough, coarse


@INLINED
def ground(row, x, y, scale, light, bank):
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
def thing(row, px, py, x, y, scale, light, bank):
    """A thing with an outline.  Returns (cover, brightness, rough, coarse, u, v)."""
    dx, dy = x - row.x, y - row.y
    along, across = row.cos * dx + row.sin * dy, row.cos * dy - row.sin * dx
    limit, pixel = FRAY if row.kind == BLOB else 1.0, 1.0 / scale
    if abs(along) > limit * row.half_width + pixel or abs(across) > limit * row.half_height + pixel:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    u, v = along / row.half_width, across / row.half_height
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
def colour(row, brightness, rough, coarse, u, v, scale, light):
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

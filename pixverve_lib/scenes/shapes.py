"""The table a scene is drawn from: one row a shape, back to front, in units of the picture's height (y down)."""
import numpy as np

ELLIPSE, BOX, LEAF, RIDGE, GROUND, SKY, BLOB = range(7)  # kinds
FLAT, SPHERE, CYLINDER, GLOW, FACADE, LEAFY = range(6)  # shades
ROW = np.dtype(
    [(name, np.int64) for name in ("kind", "shade", "material", "seed", "instance", "windows")]
    + [(name, np.float64) for name in (
        "x", "y", "half_width", "half_height", "cos", "sin", "red", "green", "blue", "red2", "green2", "blue2",
        "softness", "opacity", "relief", "fog", "bend")]
)
LIGHT = np.dtype([(name, np.float64) for name in (
    "x", "y", "z", "ambient", "exposure", "grain", "haze_red", "haze_green", "haze_blue", "sun_red", "sun_green",
    "sun_blue")])


def linear(colour):
    """'#rrggbb' in sRGB -> linear light.  # 3, [0, 1]"""
    srgb = np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def shape(kind, shade, x, y, half_width, half_height, colour, colour2=None, *, angle=0.0, softness=0.0, opacity=1.0,
          material=0, relief=0.0, fog=0.0, bend=0.0, seed=0, instance=-1,
          windows=0):
    """One row of the table.

    colour, colour2: linear light; the material's coarse relief mixes between them. softness: width of the edge as a
    share of the half size (0: one antialiased pixel). relief: contrast of the material. bend: the kind's own number
    (taper of a box, raggedness of a blob, roughness of a ridge, cloudiness of a sky, boards of a ground).
    windows: of a facade, 100 x columns + rows; its softness is then the share of them that is lit.
    """
    colour2 = colour if colour2 is None else colour2
    return (kind, shade, material, seed, instance, windows, x, y, half_width, half_height, np.cos(angle), np.sin(angle),
            *colour, *colour2, softness, opacity, relief, fog, bend)


def shadow(x, y, half_width, half_height, opacity):
    """A soft dark ellipse, cast by what stands above it."""
    return shape(ELLIPSE, GLOW, x, y, half_width, half_height, (0, 0, 0.002), softness=0.8, opacity=opacity)

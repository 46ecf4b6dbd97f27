"""Seams that should be found: one tile of a picture made to differ from its neighbours in one known way.

A tile that a generative up-scaler returned a little brighter, displaced or tinted shows as steps along its four sides;
here it is cut hard at the grid, the worst case of what blending leaves over.
"""
from typing import NamedTuple

import cv2
import numpy as np

from pixverve_lib.scenes import camera, layouts, render

KINDS = {  # kind -> severities that differ usefully
    "brightness": (1, 2, 4, 8, 16),  # gray levels added to the tile
    "shift": (1, 2, 3),  # pixels the tile's content is moved to the left
    "colour": (2, 4, 8, 16),  # levels added to one channel of the tile, another one from seed to seed
}
UNITS = {"brightness": "levels", "shift": "px", "colour": "levels"}


class Damage(NamedTuple):
    rgb: np.ndarray  # H W 3 uint8, the damaged copy
    top: int  # pixels; the tile's upper left corner, its lower right one is a side further
    left: int
    side: int


def plant(rgb, kind, severity, side, seed=0):
    """Damage one inner tile of the grid of multiples of `side`, chosen by the seed.  rgb: H W 3 uint8, left as it is

    Raises ValueError for an unknown kind and for a picture that has no tile with four seams (3 x 3 tiles at least).
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    rows, columns = rgb.shape[0] // side, rgb.shape[1] // side
    if min(rows, columns) < 3:
        raise ValueError(f"a tile with four seams needs {3 * side} px a side, the picture has {rgb.shape[:2]}")
    rng = np.random.default_rng([*kind.encode(), seed])  # the same tile at every severity
    top, left = side * int(rng.integers(1, rows - 1)), side * int(rng.integers(1, columns - 1))
    damaged = rgb.copy()
    tile = damaged[top:top + side, left:left + side]
    if kind == "shift":
        tile[:] = rgb[top:top + side, left + severity:left + side + severity]
    else:
        channels = np.ones(3) if kind == "brightness" else np.eye(3)[rng.integers(3)]
        tile[:] = cv2.add(tile, (*(severity * channels), 0))  # saturates, as 8-bit pictures do
    return Damage(damaged, top, left, side)


def photographs(count, height, width, seed=0):
    """Pictures without seams: the layouts in turn, each with another scene, drawn at this size and recorded with grain.

    Returns {name: height width 3 uint8}.
    """
    pictures = {}
    for i in range(count):
        layout, number = layouts.LAYOUTS[i % len(layouts.LAYOUTS)], 1000 * seed + i
        rgb = render.draw(layouts.compose(layout, number, width / height), height, width)
        pictures[f"{layout} {number}"] = np.concatenate(list(camera.record(rgb, number)))
    return pictures

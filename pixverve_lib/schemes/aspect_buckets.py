"""UltraFlux's multi-aspect buckets (Supp. Sec. 2.2, Tab. 3): each picture goes to the target size nearest in shape.

Tab. 3 as printed puts four landscape sizes in the row "Portrait" and four portrait ones in the row "Square"; sorted by
their own sides they are 10 landscape, 4 portrait and 1 square. None of the five examples of Sec. 2.2 is among them
(M30), so both are presets. Sizes are (height, width) here, though the paper prints width first.
"""
import math
import re

import numpy as np
import pandas as pd

from pixverve_lib.paper import related
from pixverve_lib.paper.published import table

FACTOR = 16  # of the scale model: 4096 px are 256; not in paper: choice
MULTIPLE = 16  # pixels: a token of the nano models, which UltraFlux's F = 16 has as one latent; not in paper: choice
ROW = re.compile(r"(Landscape|Portrait|Square) target sizes")


def printed():
    """A row a size of Tab. 3: group (as printed), height, width, shape (what the sides say)."""
    rows = []
    for line in table("ultraflux_tab_3").itertuples():
        if group := ROW.match(line.hyperparameter):
            rows += [(group[1].lower(), int(height), int(width))
                     for width, height in re.findall(r"(\d+) × (\d+)", line.value)]
    frame = pd.DataFrame(rows, columns=["group", "height", "width"])
    return frame.assign(shape=[shape(*size) for size in zip(frame.height, frame.width, strict=True)])


def shape(height, width):
    """"landscape", "portrait" or "square"."""
    return "square" if height == width else "landscape" if width > height else "portrait"


def table_sizes():
    """The 15 sizes of Tab. 3, (height, width)."""
    frame = printed()
    return tuple(zip(frame.height.tolist(), frame.width.tolist(), strict=True))


def text_sizes():
    """The five examples of Sec. 2.2, (height, width)."""
    return (*related.ULTRAFLUX_EXAMPLE_LANDSCAPE, *related.ULTRAFLUX_EXAMPLE_PORTRAIT, related.ULTRAFLUX_EXAMPLE_SQUARE)


def scaled(sizes):
    """A row a size: height, width, small_height, small_width (divided by FACTOR, rounded to MULTIPLE), aspect,
    small_aspect (width / height), moved (per cent by which rounding moves the aspect).

    Sizes that round to the same stay two rows.
    """
    rows = []
    for height, width in sizes:
        small = [max(MULTIPLE, MULTIPLE * round(side / FACTOR / MULTIPLE)) for side in (height, width)]
        aspect, small_aspect = width / height, small[1] / small[0]
        rows.append((height, width, *small, aspect, small_aspect, 100 * (small_aspect / aspect - 1)))
    return pd.DataFrame(rows, columns=["height", "width", "small_height", "small_width", "aspect", "small_aspect",
                                       "moved"])


def nearest(height, width, sizes):
    """The size whose aspect is nearest on a logarithmic scale; of equally near ones that of the nearest area.

    "Nearest" is not defined in the paper: choice. Raises ValueError for sides that are not positive.
    """
    if not (height > 0 and width > 0):
        raise ValueError(f"a picture has positive sides, not {height} x {width}")
    aspect, area = math.log(width / height), math.log(width * height)

    def apart(size):
        return round(abs(math.log(size[1] / size[0]) - aspect), 9), abs(math.log(size[0] * size[1]) - area)
    return min(sizes, key=apart)


def shares(pictures, sizes):
    """A row a size: height, width, shape, pictures, share, kept (mean share of a picture that the crop leaves), and
    enlarged (share of its pictures that are smaller than it).  pictures: columns height, width in pixels
    """
    own = list(zip(pictures.height, pictures.width, strict=True))
    chosen = [nearest(*each, sizes) for each in own]
    rows = []
    for size in sizes:
        mine = np.array([each for each, to in zip(own, chosen, strict=True) if to == size], float).reshape(-1, 2)
        scale = (mine / size).min(axis=1)
        kept = (scale**2 * size[0] * size[1] / mine.prod(axis=1)).mean() if len(mine) else math.nan
        rows.append((*size, shape(*size), len(mine), len(mine) / len(own) if own else math.nan, kept,
                     (scale < 1).mean() if len(mine) else math.nan))
    return pd.DataFrame(rows, columns=["height", "width", "shape", "pictures", "share", "kept", "enlarged"])

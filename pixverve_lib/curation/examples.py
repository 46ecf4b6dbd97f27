"""Pictures to look at: a discarded and a qualified one for each detector, and small versions of any list of files."""
import cv2
import numpy as np
import pandas as pd

from pixverve_lib.curation.purification import DETECTORS
from pixverve_lib.imaging.reading import read_rgb, thumbnail

SIDE = 360  # pixels, long side


def thumbs(paths):
    """Small pictures of files that can be read.  # list of H W 3 uint8, long side SIDE"""
    return [thumbnail(read_rgb(path), SIDE) for path in paths]


def closest(path):
    """The SIDE px square of a picture where most happens, unscaled.  # SIDE SIDE 3 uint8"""
    rgb = read_rgb(path)
    small = cv2.cvtColor(thumbnail(rgb, SIDE), cv2.COLOR_RGB2GRAY)
    scale = rgb.shape[0] / small.shape[0]
    detail = cv2.blur(np.abs(cv2.Laplacian(small, cv2.CV_32F)), (max(3, round(SIDE / scale)),) * 2)
    row, column = np.unravel_index(detail.argmax(), detail.shape)
    top = min(max(0, round(row * scale) - SIDE // 2), rgb.shape[0] - SIDE)
    left = min(max(0, round(column * scale) - SIDE // 2), rgb.shape[1] - SIDE)
    return rgb[top:top + SIDE, left:left + SIDE]


def for_detectors(pool, kept, bounds):
    """Rows for Fig. 4: columns dimension, verdict, column, score, path, thumb. A side without a picture has no row.

    Discarded: from the middle of those that the fewest of the three absolute detectors flag. Qualified: from the middle
    of the candidates. No picture is shown twice while there are others. Sharpness is shown at 1:1, for every thumbnail
    looks sharp.
    """
    columns = _score_columns(bounds)
    flagged = (~kept[list(DETECTORS[:3])]).sum(axis=1)
    rows, shown = [], set()
    for dimension in DETECTORS:
        column = columns[dimension]
        order = pool.assign(flagged=flagged, seen=pool.index.isin(shown), score=pool[column])
        for verdict, keeps in (("discarded", ~kept[dimension]), ("qualified", kept.candidate)):
            for i in _middle(order[keeps]):
                shown.add(i)
                rows.append((dimension, verdict, column, pool.loc[i, column], pool.loc[i, "path"]))
    frame = pd.DataFrame(rows, columns=["dimension", "verdict", "column", "score", "path"])
    looks = [closest(r.path) if r.dimension == "sharpness" else thumbs([r.path])[0] for r in frame.itertuples()]
    return frame.assign(thumb=looks)


def _middle(pictures):
    """The index of the median score among those not seen yet and with the fewest flags.  # 0 or 1 entries"""
    if pictures.empty:
        return pictures.index
    first = pictures.sort_values(["seen", "flagged"]).iloc[0]
    alike = pictures[(pictures.seen == first.seen) & (pictures.flagged == first.flagged)]
    return alike.sort_values("score", kind="stable").index[len(alike) // 2:][:1]


def _score_columns(bounds):
    """The column that stands for each detector: of the aesthetic ones the first."""
    return dict(zip(DETECTORS, list(bounds)[:len(DETECTORS)], strict=True))

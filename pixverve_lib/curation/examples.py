"""Pictures to look at: a discarded and a qualified one for each detector, and small versions of any list of files."""
import pandas as pd

from pixverve_lib.curation.purification import DETECTORS
from pixverve_lib.imaging.reading import read_rgb, thumbnail

SIDE = 360  # pixels, long side


def thumbs(paths):
    """Small pictures of files that can be read.  # list of H W 3 uint8, long side SIDE"""
    return [thumbnail(read_rgb(path), SIDE) for path in paths]


def for_detectors(pool, kept, bounds):
    """Rows for Fig. 4.  Returns columns dimension, verdict, score, path, thumb; a side without a picture has no row.

    Discarded: of the pictures that the fewest other detectors flag,
    the worst. Qualified: a candidate from the middle of
    the field. No picture is shown twice while there are others.
    """
    columns = _score_columns(bounds)
    flags = (~kept[list(DETECTORS)]).sum(axis=1)
    rows, shown = [], set()
    for dimension in DETECTORS:
        column, direction = columns[dimension]
        order = pool.assign(flags=flags, seen=pool.index.isin(shown),
                            badness=pool[column] * (1 if direction == "<=" else -1))
        worst = order[~kept[dimension]].sort_values(["seen", "flags", "badness"], ascending=[True, True, False])
        middle = order[kept.candidate].sort_values(["seen", "badness"], kind="stable")
        fresh = int((~middle.seen).sum())
        found = {"discarded": worst.index[:1], "qualified": middle.index[fresh // 2:][:1]}
        shown |= {i for index in found.values() for i in index}
        rows += [(dimension, verdict, pool.loc[i, column], pool.loc[i, "path"])
                 for verdict, index in found.items() for i in index]
    frame = pd.DataFrame(rows, columns=["dimension", "verdict", "score", "path"])
    return frame.assign(thumb=thumbs(frame.path))


def _score_columns(bounds):
    """The column that stands for each detector and the side that it keeps."""
    found = list(bounds)
    named = dict(zip(DETECTORS, [*found[:4], found[4]], strict=True))
    return {dimension: (column, bounds[column][0]) for dimension, column in named.items()}

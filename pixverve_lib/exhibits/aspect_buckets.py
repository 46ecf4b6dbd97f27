"""UltraFlux's multi-aspect buckets: one figure and two tables."""
import numpy as np
import pandas as pd

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, INK, KEPT, MUTED, NEUTRAL
from pixverve_lib.paper.published import DASH

COLOURS = {"landscape": NEUTRAL, "portrait": KEPT, "square": ACCENT}
MARKS = {"landscape": "s", "portrait": "^", "square": "o"}  # of the printed group


def plane(printed, text_sizes, pictures=None):
    """Buckets in the plane of width and height: colour is what the sides say, the mark what Tab. 3 calls them (M30).

    printed: of aspect_buckets.printed; text_sizes: the five of Sec. 2.2, (height, width); pictures: columns height,
    width of a pool whose aspects are drawn as rays from the origin, or None
    """
    fig, axis = style.figure(4.1, width=6.9)
    most = 1.06 * max(printed.width.max(), printed.height.max())
    aspects = [] if pictures is None else (pictures.width / pictures.height).round(3).unique()
    for k, aspect in enumerate(aspects):
        reach = min(most, most * aspect)
        axis.plot((0, reach), (0, reach / aspect), "--", color=NEUTRAL, lw=0.6, zorder=0,
                  label="" if k else "aspects of the pool")
    side = np.linspace(1500, most, 200)
    for size, style_ in ((4096**2, "-"), (text_sizes[0][0] * text_sizes[0][1], ":")):
        axis.plot(side, size / side, color=MUTED, lw=0.8, ls=style_, label=f"{size / 1e6:.1f} MP")
    for (group, shape), rows in printed.groupby(["group", "shape"], sort=False):
        label = shape if group == shape else f"{shape}, printed as {group}"
        axis.scatter(rows.width, rows.height, marker=MARKS[group], color=COLOURS[shape], s=34, label=label,
                     edgecolor=DROPPED if group != shape else "white", lw=1.1, zorder=3)
    heights, widths = zip(*text_sizes, strict=True)
    axis.scatter(widths, heights, marker="x", color=INK, s=34, label="examples of Sec. 2.2", zorder=3)
    axis.set(xlim=(1500, most), ylim=(1500, most), xlabel="width, px", ylabel="height, px", aspect="equal")
    fig.legend(*axis.get_legend_handles_labels(), loc="outside right center")
    return fig


def scale_model(frame):
    """The 1:16 form of each size and how far rounding to tokens moves its aspect.  frame: aspect_buckets.scaled"""
    sizes = list(zip(frame.small_height, frame.small_width, strict=True))
    firsts = [sizes.index(size) for size in sizes]
    return pd.DataFrame({
        "published, H × W": [f"{h} × {w}" for h, w in zip(frame.height, frame.width, strict=True)],
        "here, H × W": [f"{h} × {w}" for h, w in sizes],
        "aspect": frame.aspect.round(3), "aspect here": frame.small_aspect.round(3),
        "moved": [f"{moved:+.1f} %" for moved in frame.moved],
        "same as": ["" if first == at else f"{frame.height.iloc[first]} × {frame.width.iloc[first]}"
                    for at, first in enumerate(firsts)]})


def pool(frame):
    """Which bucket gets how many pictures of a pool, and what that costs them.  frame: of aspect_buckets.shares"""
    return pd.DataFrame({
        "bucket, H × W": [f"{h} × {w}" for h, w in zip(frame.height, frame.width, strict=True)],
        "shape": frame["shape"], "pictures": frame.pictures, "share": [_percent(share) for share in frame.share],
        "kept by the crop": [_percent(kept) for kept in frame.kept],
        "smaller than the bucket": [_percent(share) for share in frame.enlarged]})


def _percent(share):
    return DASH if pd.isna(share) else f"{100 * share:.0f} %"

"""What a preference study of some size can show (App. F.4): a frame in, one figure out."""
import numpy as np

from pixverve_lib.kit import style
from pixverve_lib.kit.style import DROPPED, INK, MUTED

PAIRS = 360  # Sec. F.4: "C_4^2 x 60 = 360 pair-wise comparison sets"
SHADES = ("#16324f", "#2f5d8a", "#5b8fbe", "#93b9da", "#c3d7ea")  # from the surest annotator to the least sure


def power(frame, luck=1 / 24):
    """How often a study finds the true order of four models, against its pairs, a line for each annotator.

    frame: columns noise (in gaps between neighbours), right (chance that a vote about neighbours is right), pairs,
    probability, low, high (its interval); luck: chance of a random order, 1/24 for four models
    """
    fig, axis = style.figure(3.3)
    for (noise, rows), colour in zip(frame.groupby("noise"), SHADES, strict=False):
        rows = rows.sort_values("pairs")
        axis.fill_between(rows.pairs, rows.low, rows.high, color=colour, alpha=0.15, lw=0)
        axis.plot(rows.pairs, rows.probability, "o-", color=colour, ms=3.5,
                  label=f"{rows.right.iloc[0]:.0%} (noise {noise:g})")
    axis.axhline(luck, color=DROPPED, lw=1, ls=":")
    axis.annotate("a random order", (frame.pairs.max(), luck), (0, 3), textcoords="offset points", fontsize=7.5,
                  color=DROPPED, ha="right")
    axis.axvline(PAIRS, color=MUTED, lw=1, ls="--")
    axis.annotate(f"the paper: {PAIRS} ", (PAIRS, 1.06), fontsize=7.5, color=INK, ha="right")
    ticks = np.unique(frame.pairs)
    axis.set(xscale="log", xlabel="pairs compared, two votes each", ylabel="the true order is found", ylim=(0, 1.12))
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    fig.legend(*axis.get_legend_handles_labels(), loc="outside right center", title_fontsize=7.5, fontsize=7.5,
               title="votes about neighbours\nthat are right")
    return fig

"""Exhibits of notebook 06: frames in, one figure or one table out. Grids of pictures are those of scheme1."""
import numpy as np
from matplotlib.colors import ListedColormap, to_hex
from matplotlib.patches import Patch, Rectangle

from pixverve_lib.kit import style
from pixverve_lib.kit.style import DROPPED, GRID, INK, KEPT, METHOD_COLOURS, MUTED, NEUTRAL

SEEN = {"nothing": GRID, "close window": KEPT, "remote group": NEUTRAL, "both": INK}  # 0 to 3
LINES = (MUTED, METHOD_COLOURS["FLUX.2-II"], "#123a75", "#8fbdf0")  # full attention; then windows, in blue
MARKS = ("o", "s", "^", "D")


def seen(schedules, query):
    """Which image tokens one query sees, block after block.

    schedules: {name: {partition: H W uint8 of 0 nothing, 1 close, 2 remote, 3 both}}; query: its row and column
    """
    columns = max(map(len, schedules.values()))
    fig, axes = style.figure(1.62 * len(schedules) + 0.35, rows=len(schedules), columns=columns, squeeze=False)
    for line, (name, maps) in zip(axes, schedules.items(), strict=True):
        for axis, (partition, seen) in zip(line, maps.items(), strict=False):
            _map(axis, partition, seen, query)
        for axis in line[len(maps):]:
            axis.set_axis_off()
        line[0].set_ylabel(name, fontweight="bold", fontsize=8)
    keys = [Patch(color=colour, label=label) for label, colour in SEEN.items()]
    keys.append(Patch(fc="none", ec=DROPPED, lw=1.5, label="the query"))
    fig.legend(handles=keys, loc="outside upper center", ncols=len(keys))
    return fig


def _map(axis, partition, seen, query):
    height, width = seen.shape
    axis.pcolormesh(seen[::-1], cmap=ListedColormap([to_hex(c) for c in SEEN.values()]), vmin=0, vmax=3,
                    edgecolors="white", linewidth=0.3)
    axis.add_patch(Rectangle((query[1], height - 1 - query[0]), 1, 1, fc="none", ec=DROPPED, lw=1.5))
    share = np.count_nonzero(seen) / seen.size
    axis.set_title(f"{partition[0]} × {partition[1]} windows: sees {share:.0%}", fontsize=7, fontweight="normal")
    axis.set(xticks=[], yticks=[], aspect="equal")
    axis.spines[:].set_visible(False)


def growth(measured):
    """Operations by formula with the paper's two laws, and measured seconds, against tokens.

    measured: columns attention, tokens, operations, law, seconds (schemes/window_costs.py)
    """
    fig, (left, right) = style.figure(3.1, columns=2)
    for (name, rows), colour, mark in zip(measured.groupby("attention", sort=False), LINES, MARKS, strict=False):
        left.loglog(rows.tokens, rows.operations, f"{mark}-", color=colour, label=name, ms=4)
        left.loglog(rows.tokens, rows.law, ":", color=colour, lw=1.2)
        right.loglog(rows.tokens, rows.seconds, f"{mark}-", color=colour, ms=4)
    left.loglog([], [], ":", color=INK, lw=1.2, label="O(N²), O(2N²/ab)")
    left.set(xlabel="image tokens N", ylabel="operations of attention", title="By formula")
    left.legend()
    right.set(xlabel="image tokens N", ylabel="seconds of all blocks", title="Measured, layers included")
    ticks = sorted(set(measured.tokens))
    for axis in (left, right):
        axis.set_xticks(ticks, [f"{round(n**0.5)}²" for n in ticks])
        axis.minorticks_off()
    return fig


SCORES = {"loss": "validation loss", "pos": "right colour at the place", "stray": "things at empty places"}


def learning(measured, chance=None):
    """Validation loss and prompt scores against steps of training, a line a method.

    measured: columns method, step, loss, pos, stray; chance: pos of pictures beside the prompts of others
    """
    fig, axes = style.figure(2.9, columns=len(SCORES))
    for (name, rows), colour, mark in zip(measured.groupby("method", sort=False), LINES, MARKS, strict=False):
        for axis, score in zip(axes, SCORES, strict=True):
            axis.plot(rows.step, rows[score], f"{mark}-", color=colour, label=name, ms=3.5)
    for axis, (score, title) in zip(axes, SCORES.items(), strict=True):
        axis.set_title(title, fontsize=9)
        axis.set(xlabel="step", ylabel=score, ylim=(None if score == "loss" else 0, None))
    if chance is not None:
        axes[1].axhline(chance, color=MUTED, lw=1, ls="--")
        axes[1].annotate("chance", (0, chance), (0, 2), textcoords="offset points", fontsize=8, color=MUTED)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(LINES))
    return fig


def untrained(measured):
    """What windows cost before any training.  measured: columns schedule, merge, loss, pos, shape, stray"""
    return measured.assign(**{"loss difference": measured.loss - measured.loss.iloc[0]})[
        ["schedule", "merge", "loss", "loss difference", "pos", "shape", "stray"]].round(3)


def full_size(formula, measured):
    """Cost at FLUX.2-klein's size: operations by formula, seconds measured on one GPU if there was one, and Tab. A2.

    formula: of window_costs.at_full_size; measured: of window_costs.latency, empty without a GPU
    """
    names = {"share": "share of full attention", "published": "published s (8 GPUs)",
             "published share": "published share"}
    table = formula.rename(columns=names)
    if len(measured):
        seconds = measured.rename(columns={"blocks": "measured s a call", "call": "measured s, whole",
                                           "picture": "measured s a picture", "share": "measured share"})
        chosen = ["scale", "attention", *(name for name in seconds.columns if name.startswith("measured"))]
        table = table.merge(seconds[chosen], on=["scale", "attention"], how="left")
    return table.round(3).convert_dtypes()


def exactness(measured):
    """Facts that must hold, and how far each is from it.  measured: of window_checks.measure"""
    marks = measured.holds.map({True: "yes", False: "NO"})
    shown = measured.assign(holds=marks)
    return shown.assign(**{name: shown[name].map("{:.2g}".format) for name in ("difference", "allowed")})

"""Figures of notebook 08 that are made of numbers: frames in, one figure out. Its tables are in bench.py."""
import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from scipy.optimize import isotonic_regression

from pixverve_lib.exhibits.annotation import nothing
from pixverve_lib.exhibits.bench import FIDELITY, HEADS, SCHEMES, directed
from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, GRID, INK, KEPT, METHOD_COLOURS, MUTED, NEUTRAL
from pixverve_lib.paper import training
from pixverve_lib.paper.published import numbers

SHORT = {"FLUX.2-klein-base-4B": "base", "FLUX.2-I (Full)": "I Full", "FLUX.2-I (LoRA)": "I LoRA", "FLUX.2-II": "II",
         "L2P-III": "III", "Diffusion-4K": "Diff.-4K", "UltraPixel": "UltraPix.",
         "DemoFusion": "DemoF."}  # labels inside figures
LINES = (NEUTRAL, DROPPED, ACCENT, KEPT, INK)  # of kinds of damage
SCALES = tuple(training.SIDES)
PANEL, LINE = 92, 7.5  # points: height of a panel of cost_quality, and of a line of its labels
MEASURED_AT = 5  # place of the measured 4K in a panel of rank_flow
LEVELS = (1, 5)  # Sec. F.2: five-point ratings


def rank_flow(scores, caption="long"):
    """Ranks of the measured methods from 4K to 10K, a panel a metric: as published, thin, beside as measured, bold.

    Ranks are among the methods shown, at each scale for itself; equal values keep the order of `scores`.
    scores: columns method, scale, caption, metric, name, value; caption: the prompts of the pictures
    """
    ours = scores[scores.caption == caption].dropna(subset=["value"])
    metrics = [metric for metric in HEADS if metric in set(ours.metric)]
    if not metrics:
        return nothing("No method was measured: the table above says why.")
    lines = -(-len(metrics) // 2)
    fig, axes = style.figure(1.5 * lines + 0.4, rows=lines, columns=2, squeeze=False)
    for axis in axes.flat[len(metrics):]:
        axis.set_visible(False)
    for axis, metric in zip(axes.flat, metrics, strict=False):
        rows = ours[ours.metric == metric]
        printed = _printed(metric)[lambda table, methods=set(rows.method): table.method.isin(methods)]
        most = 1
        for start, table, look in ((0, printed, {"lw": 0.9, "ms": 3}), (MEASURED_AT, rows, {"lw": 2.4, "ms": 4.5})):
            ranks = _ranks(table, metric)
            _flow(axis, ranks.assign(place=ranks.place + start), look)
            most = max(most, ranks["rank"].max())
        name, arrow = rows.name.iloc[0], directed(metric)[-1]
        for place, words in ((2.3, directed(metric)), (MEASURED_AT + 2.3, f"{name} {arrow}")):
            axis.text(place, 1.03, words, transform=axis.get_xaxis_transform(), ha="right", fontsize=7.3,
                      fontweight="bold" if place > MEASURED_AT else "normal")
        axis.set(xlim=(-2.3, MEASURED_AT + 2.3), ylim=(most + 0.5, 0.5), yticks=range(1, int(most) + 1),
                 xticks=[*range(3), *range(MEASURED_AT, MEASURED_AT + 3)])
        axis.set_xticklabels([*SCALES, *SCALES], fontsize=7)
        axis.tick_params(axis="y", labelsize=7)
        axis.grid(False)
    for line in axes:
        line[0].set_ylabel("rank", fontsize=8)
    fig.suptitle("Of each pair left, thin: as published; right, bold: as measured", fontsize=8, color=MUTED)
    return fig


def _printed(metric):
    """Tab. 3's values of one metric: method, scale, value; dashes left out."""
    table = numbers("tab_3").rename(columns={"resolution": "scale", metric: "value"})
    return table[["method", "scale", "value"]].dropna()


def _ranks(rows, metric):
    """method, place (of the scale), rank: 1 is the best."""
    rank = rows.groupby("scale").value.rank(ascending=not HEADS[metric][1], method="min")
    return pd.DataFrame({"method": rows.method, "place": rows.scale.map(SCALES.index), "rank": rank})


def _flow(axis, ranks, look):
    for method, line in ranks.groupby("method"):
        line = line.sort_values("place")
        axis.plot(line.place, line["rank"], marker="o", color=METHOD_COLOURS.get(method, INK), **look)
        axis.annotate(SHORT.get(method, method), (line.place.iloc[0], line["rank"].iloc[0]), (-5, 0), fontsize=6.5,
                      textcoords="offset points", ha="right", va="center")


def cost_quality(scores, latency, scale="4K", caption="long"):
    """Seconds a picture against each metric at one scale with the Pareto front: published above, measured below.

    scores: columns method, scale, caption, metric, name, value; latency: method (as in Tab. 3 or Tab. A2), scale,
    seconds
    """
    names = {scheme: method for method, scheme in SCHEMES.items()}
    printed = numbers("tab_a2").rename(columns={"resolution": "scale", "inference_time_s": "seconds"})
    times = [table[table.scale == scale].assign(method=table.method.replace(names)) for table in (printed, latency)]
    here = scores[(scores.scale == scale) & (scores.caption == caption)]
    fig, axes = style.figure(7.6, rows=4, columns=4)
    for i, metric in enumerate(HEADS):
        above, below = axes[2 * (i // 4):2 * (i // 4) + 2, i % 4]
        rows = here[here.metric == metric]
        _front(above, _printed(metric)[lambda t: t.scale == scale].merge(times[0], on="method"), HEADS[metric][1])
        above.set_title(directed(metric), fontsize=8.5)
        _front(below, rows.merge(times[1], on="method"), HEADS[metric][1])
        below.set_title("" if rows.empty or rows.name.iloc[0] == HEADS[metric][0] else rows.name.iloc[0], fontsize=7.5,
                        fontweight="normal")
    for line, (name, colour) in zip(axes, 2 * (("published", MUTED), ("measured", KEPT)), strict=True):
        line[0].set_ylabel(name, fontweight="bold", color=colour)
    fig.suptitle(f"{scale}: seconds a picture (log) and quality, top left is best; ringed: nothing is both faster and "
                 "better", fontsize=8.5)
    return fig


def _front(axis, points, higher):
    points = points.dropna(subset=["value", "seconds"])
    axis.tick_params(labelsize=6.5)
    if points.empty:
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", color=MUTED, fontsize=7.5)
        axis.set(xticks=[], yticks=[])
        return
    points = points.sort_values(["seconds", "value"], ascending=[True, not higher])
    best = points.value.cummax() if higher else points.value.cummin()
    front = points[(points.value == best) & (best != best.shift())]
    axis.plot(front.seconds, front.value, color=MUTED, lw=1, zorder=1)
    colours = [METHOD_COLOURS.get(name, INK) for name in points.method]
    axis.scatter(points.seconds, points.value, c=colours, s=22, zorder=2)
    axis.scatter(front.seconds, front.value, s=50, fc="none", ec=INK, lw=0.9, zorder=3)
    axis.set_xscale("log")
    axis.margins(x=0.55, y=0.25)
    axis.set_ylim(*(axis.get_ylim() if higher else axis.get_ylim()[::-1]))
    axis.xaxis.set_major_locator(FixedLocator(sorted({points.seconds.min(), points.seconds.max()})))
    axis.xaxis.set_major_formatter("{x:.3g}")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_locator(MaxNLocator(3))
    _labels(axis, points)


def _labels(axis, points):
    """Names beside their points, of the fastest at its left; moved apart where they would overlap."""
    low, high = axis.get_ylim()
    heights = (points.value - low) / (high - low) * PANEL
    fastest = points.seconds == points.seconds.min()
    for left in (False, True):
        here = heights[fastest == left].sort_values()
        lines = LINE * np.arange(len(here))
        apart = isotonic_regression(here - lines).x + lines if len(here) else here  # least moves that leave a line each
        apart = np.minimum(apart, PANEL - LINE / 2 - lines[::-1])  # below the title
        for i, move in (apart - here).items():
            axis.annotate(SHORT.get(points.method[i], points.method[i]), (points.seconds[i], points.value[i]),
                          (-6 if left else 6, move), textcoords="offset points", fontsize=6.5,
                          ha="right" if left else "left", va="center")


def correlations(rows, names):
    """Spearman's correlations of the metrics, every one counted so that higher is better.

    Left over measured pictures, right over the rows of Tab. 3 at 4K. rows: a picture each, columns of HEADS (those of
    whole sets are left out), method; names: {metric: what the measured one is called}
    """
    measured = [metric for metric in HEADS if metric in rows and rows[metric].count() > 1]
    printed = numbers("tab_3")[lambda t: t.resolution == "4K"]
    fig, (left, right) = style.figure(3.8, columns=2, width_ratios=(max(3, len(measured)), len(HEADS)))
    here = rows[measured].dropna()
    methods = rows.loc[here.index].method.nunique()
    _matrix(left, here, names, f"measured: {len(here)} pictures, {methods} methods")
    _matrix(right, printed[list(HEADS)], {}, f"Tab. 3, 4K: {len(printed)} methods")
    return fig


def _matrix(axis, values, called, title):
    axis.set_title(title, fontsize=8.5)
    if values.shape[1] < 2 or len(values) < 2:
        axis.text(0.5, 0.5, "fewer than two metrics measured", ha="center", color=MUTED, fontsize=8)
        axis.set_axis_off()
        return
    turned = values.mul([1 if HEADS[metric][1] else -1 for metric in values], axis=1)
    found = turned.corr("spearman").to_numpy()
    axis.set_anchor("N")
    axis.imshow(found, cmap="RdBu", vmin=-1.3, vmax=1.3)
    for i, j in np.ndindex(found.shape):
        if i != j and np.isfinite(found[i, j]):
            axis.text(j, i, f"{found[i, j]:.2f}".replace("0.", ".").replace("-", "−"), ha="center", va="center",
                      fontsize=6.5, color="white" if abs(found[i, j]) > 0.7 else INK)
    names = [called.get(metric, _upwards(metric).removesuffix(" Score")) for metric in values]
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.grid(False)


def _upwards(metric):
    """Name of a metric turned so that higher is better."""
    return ("" if HEADS[metric][1] else "−") + HEADS[metric][0]


def sub_dimensions(rows, scale="4K", caption="long"):
    """Nine sub-dimensions of fidelity at one scale: published open, measured filled; methods by published S_local.

    rows: a picture each: method, scale, caption, the nine sub-dimensions (1 to 5, NaN: no rating)
    """
    keys = FIDELITY[2:]
    printed = numbers("tab_a4")[lambda t: t.resolution == scale].set_index("method")
    here = rows[(rows.scale == scale) & (rows.caption == caption)]
    means = here.groupby("method")[list(keys)].mean()
    order = printed.local_fidelity.sort_values(na_position="first").index
    fig, axes = style.figure(0.19 * len(order) + 1.1, columns=len(keys) + 1, sharey=True, sharex=True,
                             width_ratios=[1] * 4 + [0.1] + [1] * 5)
    axes[4].set_visible(False)
    places = np.arange(len(order))
    for axis, key in zip(np.delete(axes, 4), keys, strict=True):
        pairs = printed[key].reindex(order), means[key].reindex(order)
        axis.hlines(places, *pairs, color=GRID, lw=2.5)
        axis.scatter(pairs[0], places, s=20, fc="white", ec=MUTED, zorder=2, clip_on=False)
        axis.scatter(pairs[1], places, s=24, c=[METHOD_COLOURS[name] for name in order], zorder=3, clip_on=False)
        axis.set_title(key.upper().replace("_GLOBAL", "-g").replace("_LOCAL", "-l"), fontsize=8)
        axis.set(xlim=(LEVELS[0] - 0.3, LEVELS[1] + 0.3), xticks=(1, 3, 5), ylim=(-0.6, len(order) - 0.4))
        axis.tick_params(labelsize=7)
    axes[0].set_yticks(places, order, fontsize=7)
    fig.suptitle(f"{scale}: ○ published (an MLLM's ratings), ● measured here. Four of the whole picture, five of its "
                 "patches; sorted by published S_local", fontsize=7.5)
    return fig


def sensitivity(frame):
    """How far metrics move with damage, in standard deviations of clean sets; worse is down in every panel.

    frame: columns damage, severity (1, 2, ...; 0 is clean), metric (key), relative
    """
    metrics = list(dict.fromkeys(frame.metric))
    fig, axes = style.figure(2.9, columns=len(metrics), sharey=True, squeeze=False)
    for axis, metric in zip(axes[0], metrics, strict=True):
        turn = 1 if HEADS[metric][1] else -1
        for (damage, line), colour in zip(frame[frame.metric == metric].groupby("damage", sort=False), LINES,
                                          strict=False):
            axis.plot([0, *line.severity], [0, *line.relative * turn], "o-", color=colour, ms=3.5,
                      label=damage.partition(",")[0])
        axis.axhspan(-2, 2, color=GRID, alpha=0.6, lw=0)  # where 19 of 20 clean sets lie
        axis.set_title(_upwards(metric), fontsize=8.5)
        axis.set(xlabel="severity")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    axes[0, 0].set_yscale("symlog", linthresh=2)
    low, high = axes[0, 0].get_ylim()
    ticks = [tick for tick in (-1000, -100, -10, -2, 0, 2, 10, 100, 1000) if low <= tick <= high]
    axes[0, 0].set_yticks(ticks, [f"{tick}".replace("-", "−") for tick in ticks])
    axes[0, 0].set_ylabel("change, in σ of clean sets")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig

"""Exhibits of notebook 01: frames in, one figure or one table out."""
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from pixverve_lib.kit import style
from pixverve_lib.kit.style import DROPPED, INK, KEPT, MUTED, NEUTRAL
from pixverve_lib.paper.constants import SYNTHESIZED_PICTURES

SHARES = ("exposure", "flatness", "flatness_800")
LABELS = {
    "exposure": "too dark or too bright (share)", "sharpness": "variance of the Laplacian",
    "flatness": "textureless patches (share)", "flatness_800": "textureless at 800 (share)",
    "entropy": "entropy (bits)",
    "aesthetics_l": "$S_L$", "aesthetics_a": "$S_A$",
}


def contact_sheet(thumbs, titles, columns=6, colours=None):
    """Pictures in rows.  thumbs: list of H W 3 uint8, titles: one each, colours: of the titles"""
    rows = max(1, -(-len(thumbs) // columns))
    fig, axes = style.figure(1.3 * rows, rows=rows, columns=columns, squeeze=False)
    for i, axis in enumerate(axes.flat):
        if i < len(thumbs):
            style.picture_axis(axis, thumbs[i], titles[i], colours[i] if colours else INK)
        else:
            axis.set_visible(False)
    return fig


def _label(column, predictors):
    """A score's name; a classical stand-in is named as such."""
    if column not in ("aesthetics_l", "aesthetics_a"):
        return LABELS[column]
    name = predictors[column == "aesthetics_a"]
    return f"{name} (for {LABELS[column]})" if name.startswith("classical") else LABELS[column]


def detector_examples(examples, bounds, predictors):
    """Fig. 4: for each dimension a discarded and a qualified picture with their scores.

    examples: columns dimension, verdict ("discarded" | "qualified"), score, column, thumb; bounds: as score_histograms.
    A missing example stays empty.
    Colours are the usual way round (red discarded, green qualified), not as in the caption of the paper (M16).
    """
    if examples.empty:
        return _nothing()
    dimensions = list(dict.fromkeys(examples.dimension))
    notes = {"sharpness": " (at 1:1)", "aesthetics": " (classical)" * predictors[0].startswith("classical")}
    fig, axes = style.figure(2.75, rows=2, columns=len(dimensions), squeeze=False)
    for column, dimension in enumerate(dimensions):
        for row, (verdict, colour) in enumerate((("discarded", DROPPED), ("qualified", KEPT))):
            axis = axes[row, column]
            found = examples[(examples.dimension == dimension) & (examples.verdict == verdict)]
            if found.empty:
                style.picture_axis(axis, np.full((2, 3, 3), 245, np.uint8), "none in this pool", MUTED)
            else:
                direction, bound = bounds[found.column.iloc[0]]
                limit = f"{'max' if direction == '<=' else 'min'} {bound:.3g}"
                score = np.format_float_positional(found.score.iloc[0], 3, unique=False, fractional=False).rstrip(".")
                style.picture_axis(axis, _framed(found.thumb.iloc[0]), f"{score} ({limit})", colour)
            if column == 0:
                axis.set_ylabel(verdict, color=colour, fontweight="bold")
            if row == 1:
                axis.set_xlabel(dimension + notes.get(dimension, ""), color=INK, fontsize=8.5)
    return fig


def _nothing():
    """In place of a figure of an empty pool."""
    fig, axis = style.figure(0.7)
    axis.text(0.5, 0.5, "No picture reached the raw pool: see what was rejected, and why.", ha="center", va="center")
    axis.set_axis_off()
    return fig


def _framed(thumb, aspect=4 / 3):
    """The middle of a picture at a common aspect, so that a row of them lines up."""
    height, width = thumb.shape[:2]
    rows, columns = min(height, round(width / aspect)), min(width, round(height * aspect))
    top, left = (height - rows) // 2, (width - columns) // 2
    return thumb[top:top + rows, left:left + columns]


def pool_sizes(measured, published):
    """Tab. 1, raw and candidate pool: published, measured and difference of the share that each step keeps.

    measured: {"raw": n, "candidate": n, "synthesized": n}; published: the table of the paper as numbers
    """
    printed = dict(zip(published["resulting_subset"], published["scale"], strict=True))
    frame = pd.DataFrame({
        "subset": ["Raw Data Pool", "of which synthesized", "Candidate Data Pool"],
        "published": [printed["Raw Data Pool"], SYNTHESIZED_PICTURES, printed["Candidate Data Pool"]],
        "measured": [measured["raw"], measured["synthesized"], measured["candidate"]],
    }).astype({"published": int})
    for column in ("published", "measured"):
        whole = frame[column].iloc[0]
        frame[f"{column} share"] = frame[column] / whole if whole else np.nan
    frame["difference of shares"] = frame["measured share"] - frame["published share"]
    return frame.round(4)


def attrition(waterfall, overlaps, raw):
    """What each detector takes away, in the paper's order, and which detectors flag the same pictures."""
    if raw == 0:
        return _nothing()
    fig, (left, right) = style.figure(2.9, columns=2, width_ratios=(1.35, 1))
    names, counts = ["raw pool", *waterfall.detector], [raw, *waterfall.left]
    rows = np.arange(len(names))[::-1]
    left.barh(rows, counts, color=[NEUTRAL] * (len(names) - 1) + [KEPT], height=0.62)
    left.barh(rows[1:], waterfall["dropped here"], left=waterfall.left, color=DROPPED, height=0.62, alpha=0.55)
    for y, count, gone in zip(rows, counts, [0, *waterfall["dropped here"]], strict=True):
        left.text(count + gone + 0.012 * raw, y, f"{count}" + (f"  (−{gone})" if gone else ""), va="center", fontsize=8)
    left.set(yticks=rows, yticklabels=names, xlim=(0, raw * 1.2), xlabel="pictures left", title="Attrition")
    left.grid(False, axis="y")
    left.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    matrix = overlaps.to_numpy()
    right.imshow(matrix, cmap="OrRd", vmin=0, vmax=max(1, matrix.max()) * 1.3)
    for (i, j), value in np.ndenumerate(matrix):
        right.text(j, i, value, ha="center", va="center", fontsize=8)
    short = list(overlaps)
    right.set(yticks=range(len(short)), yticklabels=short, title="Pictures flagged by both")
    right.set_xticks(range(len(short)), short, rotation=35, ha="right")
    right.grid(False)
    return fig


def score_histograms(pool, bounds, predictors, spoiled):
    """One histogram a score with its threshold; what would be dropped lies in the tinted half.

    pool: columns named in bounds; bounds: {column: ("<=" | ">=", value)}; predictors: names of the two aesthetic
    scores; spoiled: bool a row, planted faults
    """
    if pool.empty:
        return _nothing()
    spoiled = np.asarray(spoiled, bool)
    fig, axes = style.figure(3.8, rows=2, columns=3)
    for axis, (column, (direction, bound)) in zip(axes.flat, bounds.items(), strict=False):
        scores = pool[column].to_numpy(float)
        log = column == "sharpness"
        values = np.log10(np.maximum(scores, 1e-2)) if log else scores
        limit = np.log10(bound) if log and bound > 0 else bound
        low, high = min(values.min(), limit), max(values.max(), limit)
        margin = 0 if column in SHARES else 0.04 * (high - low or 1)
        low, high = (0, 1) if column in SHARES else (low, high)
        bins = np.linspace(low - margin, high + margin, 25)
        groups = [values[~spoiled], values[spoiled]]
        axis.hist(groups, bins, stacked=True, color=[NEUTRAL, DROPPED], label=["ordinary", "planted fault"])
        side = (bins[0], limit) if direction == ">=" else (limit, bins[-1])
        axis.axvspan(*side, color=DROPPED, alpha=0.08, lw=0, zorder=0)
        axis.axvline(limit, color=INK, lw=1.2, ls="--")
        axis.set(xlim=(bins[0], bins[-1]))
        axis.set_title(_label(column, predictors), fontsize=8.5)
        beside = ("left", 3) if limit < bins.mean() else ("right", -3)
        axis.annotate(f"{'≤' if direction == '<=' else '≥'} {bound:.4g}", (limit, 1.0), (beside[1], -2), ha=beside[0],
                      xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=7.5, va="top")
        axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.margins(y=0.2)
        if log:
            ticks = np.arange(np.ceil(bins[0]), np.floor(bins[-1]) + 1)
            axis.set_xticks(ticks, [f"$10^{{{int(t)}}}$" for t in ticks])
    for axis in axes.flat[len(bounds):]:
        axis.set_visible(False)
    if spoiled.any():
        axes.flat[0].legend(loc="center right")
    for axis in axes[:, 0]:
        axis.set_ylabel("pictures")
    return fig


def planted_faults(kept, lost, meant):
    """For each planted fault: how many, how many are no candidates, and what caught them.

    kept: rows of the raw pool, a bool a detector, `candidate`, and `kind` ("good" or a fault); lost: columns kind,
    step; meant: {fault: the step that should find it}
    """
    detectors, rows = [column for column in kept if column not in ("candidate", "kind")], []
    for kind in sorted({*kept.kind, *lost.kind}, key=lambda k: (k == "good", k)):
        here, before = kept[kept.kind == kind], lost[lost.kind == kind].step.value_counts()
        flags = (~here[detectors]).sum()
        caught = [f"{step} {n}" for step, n in (*before.items(), *flags[flags > 0].items())]
        planted, dropped = len(here) + before.sum(), (~here.candidate).sum() + before.sum()
        rows.append((kind, meant.get(kind, ""), planted, dropped, dropped / planted, ", ".join(caught)))
    return pd.DataFrame(rows, columns=["kind", "meant for", "pictures", "dropped", "share dropped",
                                       "caught by"]).round(3)


def deduplication_cost(measured):
    """Seconds to find all near pairs against the number of hashes.  measured: columns hashes, seconds, method"""
    fig, axis = style.figure(2.9, width=5.4)
    for (method, rows), colour in zip(measured.groupby("method", sort=False), (KEPT, DROPPED), strict=False):
        axis.loglog(rows.hashes, rows.seconds, "o-", color=colour, label=method, ms=4)
        axis.annotate(f"{rows.seconds.iloc[-1]:.2g} s", (rows.hashes.iloc[-1], rows.seconds.iloc[-1]), xytext=(6, -2),
                      textcoords="offset points", va="top", fontsize=8, color=colour)
    most = measured.hashes.max()
    slow = measured[measured.method != measured.method.iloc[0]].iloc[-1]
    far = np.array([slow.hashes, most])
    axis.loglog(far, slow.seconds * (far / slow.hashes) ** 2, "--", color=DROPPED, lw=1, label="extrapolated, slope 2")
    axis.set(xlabel="hashes of 64 bits", ylabel="seconds, one core", title="Finding all pairs within 6 bits")
    axis.set_xlim(right=most * 2.2)
    axis.legend()
    return fig

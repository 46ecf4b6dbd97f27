"""Exhibits of rotary positions (UltraFlux Supp. Sec. 3, Fig. 1, 2, 4): frames and arrays in, one exhibit out."""
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, KEPT, MUTED, NEUTRAL

STOCK, SNAPPED, RELEASED = NEUTRAL, ACCENT, DROPPED  # baseline blue, Resonance orange, as in Fig. 1
KINDS = (MUTED, KEPT, ACCENT, NEUTRAL, DROPPED)  # of Fig. 4, in their order; then again, hatched
FLOOR = 1e-17  # radians: where a closure error of nothing is drawn
ALIKE = 0.25  # of `unlike` at most: 0 the same, 0.71 unrelated, 1 opposite; not in paper: choice
WAVES = 5.4  # inches, width of Fig. 2
PI = (0, np.pi / 2, np.pi), ("0", "π/2", "π")


def cycles(parts):
    """UltraFlux Supp. Fig. 1: cycles in the window, phase closure, phase differences; a line of panels for each model.

    parts: {label: (frame of rotary.bands, bands x positions of rotary.differences)}, two windows long
    """
    fig, axes = style.figure(2.75 * len(parts), rows=len(parts), columns=3, squeeze=False)
    for line, (label, (bands, phases)) in zip(axes, parts.items(), strict=True):
        _cycles(line[0], bands, label)
        _closure(line[1], bands)
        shown = line[2].imshow(phases, aspect="auto", origin="lower", vmin=0, vmax=np.pi, cmap="magma")
        line[2].axvline((phases.shape[1] - 1) / 2, color="white", lw=1, ls="--")
        line[2].set(title="(c) |Δφ| up to 2L", xlabel="position, dashed: L", ylabel="band")
        line[2].yaxis.set_major_locator(MaxNLocator(integer=True))
        line[2].grid(False)
        fig.colorbar(shown, ax=line[2], ticks=PI[0]).ax.set_yticklabels(PI[1])
    axes[0, 0].legend(loc="lower left", fontsize=7)
    axes[0, 1].legend(loc="center", fontsize=7)
    return fig


def _cycles(axis, bands, label):
    raised = bands[_raised(bands)]
    axis.semilogy(bands.band, bands.cycles, "o-", color=STOCK, ms=3, label="baseline r")
    axis.semilogy(bands.band, bands.snapped, "o-", color=SNAPPED, ms=3, label="snapped r̂")
    axis.vlines(raised.band, raised.cycles, raised.snapped, color=SNAPPED, lw=0.7, alpha=0.6)
    axis.set(title=f"(a) {len(raised)} of {len(bands)} raised to one", xlabel="band", ylabel=f"{label}\ncycles in L")


def _closure(axis, bands):
    lines = {"baseline": ("closure", STOCK, "o-"), "as released": ("closure released", RELEASED, "--"),
             "snapped (0: lowest line)": ("closure snapped", SNAPPED, "o-")}
    for name, (column, colour, mark) in lines.items():
        axis.semilogy(bands.band, bands[column].clip(lower=FLOOR), mark, color=colour, ms=3, lw=1.2, label=name)
    axis.set(title="(b) closure error at L", xlabel="band", ylabel="radians", ylim=(FLOOR / 3, 30))


def _raised(bands):
    """Bands of less than half a cycle, which rounding would stop and the maximum raises to one."""
    return bands.cycles < 0.5


def facts(parts):
    """What Fig. 1 shows, in numbers: a row a fact, a column a model.  parts: as of `cycles`

    mean |dphi|: over bands and whole positions, both ends included; alike: by `ALIKE`
    """
    rows = []
    for label, (bands, phases) in parts.items():
        window, moving = (phases.shape[1] - 1) // 2, bands[bands.cycles >= 1]
        rows.append({
            "axes": label, "L": window, "bands": len(bands), "raised to one": int(_raised(bands).sum()),
            "up to": bands.factor.max(), "r ≥ 1: bands": len(moving), "r ≥ 1: change at most": _most(moving.factor),
            "as released: change at most": _most(bands["factor released"]),
            "closure baseline": bands.closure.max(), "closure snapped": bands["closure snapped"].max(),
            "closure as released": bands["closure released"].max(),
            "mean |Δφ|, 0 to L": phases[:, :window + 1].mean(), "mean |Δφ|, L to 2L": phases[:, window:].mean(),
            "stripes alike at L × L": int((bands.unlike <= ALIKE).sum()),
        })
    table = pd.DataFrame(rows).set_index("axes").T.map("{:.3g}".format)
    return table.rename_axis(index="fact", columns=None).reset_index()


def _most(factors):
    return (factors - 1).abs().max() if len(factors) else float("nan")


def waves(drawn):
    """UltraFlux Supp. Fig. 2: one band's cosine on several grids of tokens, a line a kind; dashed: the trained window.

    drawn: {kind: {(height, width): H W in [-1, 1]}}; the first grid is the trained one
    """
    grids = list(next(iter(drawn.values())))
    inch = 0.9 * WAVES / sum(width for _, width in grids)
    height = 0.3 + inch * max(height for height, _ in grids)
    fig, axes = style.figure(height * len(drawn), WAVES, len(drawn), len(grids), squeeze=False,
                             width_ratios=[width for _, width in grids])
    for line, (kind, pictures) in zip(axes, drawn.items(), strict=True):
        for axis, ((rows, columns), values) in zip(line, pictures.items(), strict=True):
            axis.imshow(values, cmap="coolwarm", vmin=-1, vmax=1, interpolation="nearest")
            if rows > grids[0][0]:
                axis.axhline(grids[0][0] - 0.5, color="black", lw=0.8, ls="--")
            if columns > grids[0][1]:
                axis.axvline(grids[0][1] - 0.5, color="black", lw=0.8, ls="--")
            axis.set(xticks=[], yticks=[], anchor="N")
            axis.set_title(f"{rows} × {columns}", fontsize=8, fontweight="normal")
            axis.grid(False)
        line[0].set_ylabel(kind, fontweight="bold", fontsize=8)
    return fig


def regularity(measured):
    """Fig. 2's "more regular" in numbers.  measured: of rotary.regularity, perhaps of several bands (column band)"""
    grids = measured.height.astype(str) + " × " + measured.width.astype(str)
    table = measured.drop(columns=["height", "width"]).assign(grid=grids)
    first = [name for name in ("band", "grid", "kind") if name in table]
    table = table.set_index(first).reset_index().round(3)
    return table.rename(columns={"direction": "direction, degrees", "spacing": "spacing, tokens"})


def effect(measured, score="pos"):
    """UltraFlux Supp. Fig. 4 as numbers: a score at each size, a bar for each kind of positions.

    measured: columns height, width (pixels), kind, and the score in [0, 1]
    """
    sizes = measured[["height", "width"]].drop_duplicates().apply(tuple, axis=1).tolist()
    kinds = measured.kind.drop_duplicates().tolist()
    fig, axis = style.figure(2.8)
    for place, kind in enumerate(kinds):
        rows = measured[measured.kind == kind].set_index(["height", "width"])[score].reindex(sizes)
        at = np.arange(len(sizes)) + (place - (len(kinds) - 1) / 2) * 0.8 / len(kinds)
        colour, hatch = KINDS[place % len(KINDS)], "" if place < len(KINDS) else "////"
        bars = axis.bar(at, rows, 0.72 / len(kinds), color=colour, label=kind, hatch=hatch, edgecolor="white", lw=0)
        axis.bar_label(bars, ["" if value else "0" for value in rows], fontsize=7, color=colour)
    axis.set_xticks(range(len(sizes)), [f"{height} × {width}" for height, width in sizes])
    axis.set(xlabel="height × width of the picture, px", ylabel=score, ylim=(0, 1.02))
    axis.grid(axis="x", visible=False)
    fig.legend(loc="outside upper center", ncols=len(kinds), fontsize=7.5, columnspacing=1.2)
    return fig


def compared(measured, against="stock"):
    """Scores of every kind at every size, each also as its difference from one kind.

    measured: columns height, width, kind, pictures, seconds and one a score
    """
    scores = [name for name in measured.columns if name not in ("height", "width", "kind", "pictures", "seconds")]
    base = measured[measured.kind == against].set_index(["height", "width"])[scores]
    table = measured.set_index(["height", "width"])
    changes = (table[scores] - base.reindex(table.index)).add_suffix(f" − {against}")
    return pd.concat([table, changes], axis=1).reset_index().round(3)

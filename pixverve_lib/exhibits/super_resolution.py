"""Exhibits of notebook 02: frames in, one figure or one table out."""
import re

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, INK, KEPT, MUTED, NEUTRAL

CURVES = {"native": INK, "LR original": INK, "nano": KEPT, "bicubic": ACCENT}  # other up-scalers: NEUTRAL
TIERS = {"native": INK, "2x": NEUTRAL, "4x": KEPT}
KINDS = {"brightness": ACCENT, "shift": NEUTRAL, "colour": DROPPED}
SPREAD = (0.1, 0.9)  # quantiles over pictures


def tiers(pool, scales, target, smallest):
    """Megapixels before and after: where each tier begins and where every picture of the pool lands.

    pool: columns tier, height, width; scales: {tier: factor a side}; target, smallest: pixels
    """
    fig, axis = style.figure(2.9, width=5.6)
    before = pool.height * pool.width / 1e6
    after = before * pool.tier.map(scales) ** 2
    for tier, colour in TIERS.items():
        here = pool.tier == tier
        axis.loglog(before[here], after[here], "o", color=colour, ms=5, alpha=0.8,
                    label=f"{tier}: {here.sum()} picture{'s' * int(here.sum() != 1)}")
    axis.axhline(target / 1e6, color=DROPPED, lw=1, ls="--")
    axis.annotate("100 MP", (smallest / 1e6, target / 1e6), xytext=(2, 3), textcoords="offset points", color=DROPPED,
                  fontsize=8)
    ticks = [10, 25, 50, 100, 200, 400]
    axis.set(xlabel="megapixels of the candidate", ylabel="megapixels afterwards",
             xlim=(0.9 * smallest / 1e6, max(150, 1.1 * before.max())), ylim=(80, max(500, 1.1 * after.max())))
    axis.set_xticks(ticks[:4], [str(t) for t in ticks[:4]])
    axis.set_yticks(ticks[3:], [str(t) for t in ticks[3:]])
    axis.minorticks_off()
    axis.legend(loc="upper left")  # the only corner that no tier reaches
    return fig


def crops(rows):
    """The same places side by side.  rows: list of {title: H W 3 uint8}, all with the same titles; drawn unsmoothed"""
    if not rows:
        fig, axis = style.figure(0.7)
        axis.text(0.5, 0.5, "No picture was super-resolved: all of this pool are native.", ha="center", va="center")
        axis.set_axis_off()
        return fig
    fig, axes = style.figure(style.WIDTH / len(rows[0]) * len(rows) + 0.2, rows=len(rows), columns=len(rows[0]),
                             squeeze=False)
    for i, row in enumerate(rows):
        for axis, (title, rgb) in zip(axes[i], row.items(), strict=True):
            style.picture_axis(axis, rgb, title if i == 0 else "")
            axis.images[0].set_interpolation("nearest")
    return fig


def seam_map(rgb, segments, limit, planted):
    """A picture with one spoiled tile, and the gradient ratio of every seam segment laid over it.

    rgb: H W 3 uint8, may be shrunk; segments: columns y0, x0, y1, x1 (pixels of `rgb`) and ratio;
    planted: (top, left, height, width) of the spoiled tile in the same pixels
    """
    fig, (plain, heat) = style.figure(3.1, columns=2, width_ratios=(1, 1.13))
    style.picture_axis(plain, rgb, "one tile of this picture is spoiled")
    style.picture_axis(heat, (0.3 * rgb + 0.7 * 250).astype(np.uint8), f"gradient ratio of the seams (limit {limit})")
    lines = segments[["x0", "y0", "x1", "y1"]].to_numpy(float).reshape(-1, 2, 2)
    drawn = LineCollection(lines, array=segments.ratio.to_numpy(), cmap="YlOrRd", clim=(1, limit), linewidths=1.8)
    heat.add_collection(drawn)
    fig.colorbar(drawn, ax=heat, shrink=0.85, extend="both", label="ratio")
    top, left, height, width = planted
    heat.add_patch(Rectangle((left, top), width, height, fill=False, ec=INK, lw=0.8))
    heat.annotate("planted here", (left + width / 2, top), xytext=(0, 7), textcoords="offset points", ha="center",
                  fontsize=8, color=INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    return fig


def seam_roc(rates, curves, limit):
    """What the seam inspection finds.  Left: at the paper's limit; right: at every limit, the faintest dashed.

    rates: columns kind, severity, unit, detected, clean (false positives at the limit); curves: columns kind, severity,
    label, false_positives, detected
    """
    fig, (left, right) = style.figure(3.0, columns=2)
    for kind, rows in rates.groupby("kind", sort=False):
        left.plot(rows.severity, rows.detected, "o-", color=KINDS[kind], ms=4,
                  label=f"{kind} ({rows.unit.iloc[0]})")
    left.set(xscale="log", xlabel="size of the planted defect", ylabel="share found", ylim=(-0.04, 1.04),
             title=f"At limit {limit}: {100 * rates.clean.iloc[0]:.0f} % false alarms")
    ticks = sorted(set(rates.severity))
    left.set_xticks(ticks, [f"{t:g}" for t in ticks])
    left.minorticks_off()
    left.legend(loc="center right")
    for label, rows in curves.groupby("label", sort=False):
        faint = rows.severity.iloc[0] < curves.severity.max()
        right.plot(rows.false_positives, rows.detected, "--" if faint else "-", color=KINDS[rows.kind.iloc[0]],
                   label=re.sub(r"\b1 levels", "1 level", label), drawstyle="steps-post")
    right.plot([0, 1], [0, 1], ":", color=MUTED, lw=1)
    right.set(xlabel="clean pictures rejected", ylabel="defects found", xlim=(-0.02, 1), ylim=(-0.04, 1.04),
              title="Every limit")
    right.legend(loc="lower right")
    return fig


def regions(rgb, boxes, patches):
    """Where the ten patches of the region filter lie, and what they show.

    rgb: H W 3 uint8, the whole picture shrunk; boxes: columns top, left, side (pixels of `rgb`), why;
    patches: list of H W 3 uint8 in the same order
    """
    columns = (len(boxes) + 1) // 2
    fig, whole = style.figure(2.6)
    grid = fig.add_gridspec(2, 1 + columns, width_ratios=[3, *[1] * columns])
    whole.set_subplotspec(grid[:, 0])
    style.picture_axis(whole, rgb)
    for i, (box, patch) in enumerate(zip(boxes.itertuples(), patches, strict=True)):
        colour = ACCENT if box.why == "texture" else NEUTRAL
        whole.add_patch(Rectangle((box.left, box.top), box.side, box.side, fill=False, ec=colour, lw=1.6))
        whole.text(box.left, box.top, f"{i + 1}", fontsize=6, color="white", va="top", fontweight="bold",
                   bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8})
        axis = fig.add_subplot(grid[i // columns, 1 + i % columns])
        style.picture_axis(axis, patch, f"{i + 1} {box.why}", colour)
    return fig


def fig_a1(spectra):
    """Fig. A1: radially averaged power spectra, (a) native and synthetic, (b) LR original and down-sampled SR.

    spectra: columns part ("a" | "b"), curve, picture, frequency (cycles a pixel), power. Lines are medians,
    bands 10-90 % of pictures.
    """
    titles = {"a": "(a) at 100 MP: native and synthetic", "b": "(b) down-sampled SR and its LR original"}
    fig, axes = style.figure(3.5, columns=2, sharey=True)
    for axis, (part, title) in zip(axes, titles.items(), strict=True):
        for curve, rows in spectra[spectra.part == part].groupby("curve", sort=False):
            found = rows.groupby("frequency").power
            colour, true = CURVES.get(curve, NEUTRAL), curve in ("native", "LR original")
            axis.loglog(found.median(), "--" if curve == "bicubic" else "-", color=colour, label=curve,
                        lw=2.4 if true else 1.5)
            low, high = (found.quantile(q) for q in SPREAD)
            axis.fill_between(low.index, low, high, color=colour, alpha=0.1, lw=0)
        axis.set(title=title, xlabel="spatial frequency (cycles per pixel)")
        axis.legend(loc="lower left")
    axes[0].set_ylabel("power")
    return fig


def upscaler_table(measured):
    """How near each up-scaler comes to the native picture.

    measured: columns upscaler, picture, and one a score; the table has mean and standard deviation over pictures.
    """
    scores = [column for column in measured if column not in ("upscaler", "picture")]
    found = measured.groupby("upscaler", sort=False)[scores].agg(["mean", "std"])
    table = found.apply(lambda row: [f"{row[s, 'mean']:#.3g} ± {row[s, 'std']:#.2g}" for s in scores], axis=1,
                        result_type="expand")
    return table.set_axis(scores, axis=1).reset_index().assign(pictures=measured.picture.nunique())


def consistency(studied):
    """What the consistency filter says of good and of spoiled super-resolutions.

    studied: columns kind, good (bool), psnr, ssim, lpips, consistency ("kept" | "rejected"), one row a picture
    """
    found = studied.assign(rejected=studied.consistency == "rejected").groupby(["kind", "good"], sort=False)
    table = found[["psnr", "ssim", "lpips", "rejected"]].mean().reset_index()
    table["good"] = table.good.map({True: "kept", False: "rejected"})
    names = {"good": "should be", "psnr": "PSNR (dB)", "ssim": "SSIM", "lpips": "LPIPS", "rejected": "share rejected"}
    return table.rename(columns=names).round({"PSNR (dB)": 2, "SSIM": 4, "LPIPS": 4, "share rejected": 3})


def final_filters(decided, failed):
    """How many pictures each filter turns away, in the order of Sec. 3.1.4.

    decided: columns scale, seam, consistency, kept; failed: number of pictures that could not be made or read
    """
    synthetic = decided[decided.scale > 1]
    rows = [("super-resolution", len(synthetic) + failed, failed, "here: could not be made or read")]
    for name, column in (("patch seam continuity", "seam"), ("post-SR consistency", "consistency")):
        rows.append((name, len(synthetic), int((synthetic[column] == "rejected").sum()), "here"))
    rows += [("region-level artifacts", int(synthetic.kept.sum()), None, "judged in notebook 03"),
             ("instance-level artifacts", None, None, "judged in notebook 03")]
    return pd.DataFrame(rows, columns=["filter", "pictures", "rejected", "where"]).astype({"pictures": "Int64",
                                                                                          "rejected": "Int64"})

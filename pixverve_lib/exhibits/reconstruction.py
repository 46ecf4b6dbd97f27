"""Exhibits of SC-VAE (Diffusion-4K Tabs. 4 and 8, Figs. 3, 5 and 6): frames and pictures in, one exhibit out."""
import pandas as pd
from matplotlib.patches import FancyArrowPatch, Rectangle

from pixverve_lib.exhibits.related import readable
from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, INK, KEPT, MUTED, NEUTRAL

PRINTED = {"rfid": "rFID", "nmse": "NMSE", "psnr": "PSNR", "ssim": "SSIM", "lpips": "LPIPS"}
SCORES = {"nano-rFID": -1, "NMSE": -1, "rNMSE": -1, "PSNR": 1, "SSIM": 1, "LPIPS": -1}  # 1: larger is better


def table(measured, published, side, printed_side):
    """Tab. 4 or 8: the printed rows, and below them the measured ones, mean [lowest, highest] over seeds.

    measured: columns model, side, seed and SCORES; published: published.table of it; side, printed_side: pixels of
    the measured and of the printed rows. No differences: the models are others, and nano-rFID is another distance.
    """
    above = published.map(readable).rename(columns=PRINTED).assign(source=f"published, {printed_side} px", seeds="–")
    here = measured[measured.side == side]
    rows = [{"model": model, "source": f"measured, {side} px", "seeds": str(len(those)),
             **{score: _spread(those[score]) for score in SCORES}}
            for model, those in here.groupby("model", sort=False)]
    columns = ["model", "source", "seeds", "rFID", *SCORES]
    return pd.concat([above, pd.DataFrame(rows)], ignore_index=True).reindex(columns=columns).fillna("–")


def _spread(values):
    if values.isna().all():
        return "needs weights"
    mean, low, high = (f"{value:.4g}" for value in (values.mean(), values.min(), values.max()))
    return mean if low == high else f"{mean} [{low}, {high}]"


def gain(measured, plain="F16-FT", consistent="F16-SC"):
    """Does scale consistency help? Means over seeds, their difference, and the spread of the seeds beside it.

    measured: as in `table`. Returns columns side, score, FT, SC, gain (positive: SC is better), spread (the larger of
    the two ranges over seeds; missing with one seed), verdict.
    """
    rows = []
    for side, here in measured.groupby("side"):
        for score, sign in SCORES.items():
            ft, sc = (here[here.model == model][score] for model in (plain, consistent))
            if ft.isna().any() or sc.isna().any():
                continue
            spread = max(ft.max() - ft.min(), sc.max() - sc.min()) if min(len(ft), len(sc)) > 1 else float("nan")
            better = sign * (sc.mean() - ft.mean())
            rows.append((side, score, ft.mean(), sc.mean(), better, spread, _verdict(better, spread)))
    table = pd.DataFrame(rows, columns=["side", "score", plain, consistent, "gain", "spread over seeds", "verdict"])
    numbers = [plain, consistent, "gain", "spread over seeds"]
    return table.assign(**{name: table[name].map("{:.4g}".format).astype(float) for name in numbers})


def _verdict(better, spread):
    if pd.isna(spread):
        return "one seed: open"
    return "within the spread" if abs(better) <= spread else "helps" if better > 0 else "hurts"


def close_ups(rows, boxes):
    """Fig. 5 and 6: the same pictures by several hands, each with the close-up of one place.

    rows: {label: list of H W 3 uint8}, lists of one length; boxes: (top, left, side) in pixels, one a picture
    """
    count, width = 2 * len(boxes), style.WIDTH
    fig, axes = style.figure(width / count * len(rows) + 0.3, width, len(rows), count, squeeze=False)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for n, (rgb, (top, left, side)) in enumerate(zip(pictures, boxes, strict=True)):
            whole, part = line[2 * n : 2 * n + 2]
            style.picture_axis(whole, rgb)
            whole.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, ec=ACCENT, lw=1.2))
            style.picture_axis(part, rgb[top : top + side, left : left + side])
            part.images[0].set_interpolation("nearest")
        line[0].set_ylabel(label, fontweight="bold", fontsize=8)
    return fig


def fig_3(shapes):
    """Fig. 3, drawn with the shapes of a real forward pass: both paths, and where Eq. 1 compares them.

    shapes: columns path ("F = 8" | "F = 16"), stage, channels, height, width
    """
    fig, axis = style.figure(3.4)
    places, largest = _places(shapes), shapes.height.max()
    for (_, stage), (x, y, row) in places.items():
        tall = 0.36 + 0.64 * row.height / largest
        colour = {"features": NEUTRAL, "up-sampled": NEUTRAL, "latents": KEPT}.get(stage, MUTED)
        axis.add_patch(Rectangle((x - 0.28, y - tall / 2), 0.56, tall, fc=colour, ec=INK, alpha=0.55, lw=0.8))
        axis.text(x, y, f"{row.channels}\n{row.height} × {row.width}", ha="center", va="center", fontsize=7.5)
        axis.text(x, y - 0.62, stage, ha="center", va="top", fontsize=8)
    for path, y in (("F = 8", 2.0), ("F = 16", 0.0)):
        stops = sorted(x for (each, _), (x, _, _) in places.items() if each == path)
        for a, b in zip(stops[:-1], stops[1:], strict=True):
            axis.add_patch(FancyArrowPatch((a + 0.29, y), (b - 0.29, y), arrowstyle="-|>", mutation_scale=9, color=INK))
        note = "teacher, frozen" if path == "F = 8" else "student, its decoder is tuned"
        axis.text(-0.45, y + 0.66, f"{path}: {note}", fontweight="bold", fontsize=8.5)
    x = places["F = 8", "features"][0]
    axis.add_patch(FancyArrowPatch((x, 1.15), (x, 0.56), arrowstyle="<|-|>", mutation_scale=10, color=ACCENT, lw=2))
    axis.text(x + 0.1, 0.9, "Eq. 1", color=ACCENT, fontweight="bold", fontsize=8.5, va="center")
    axis.set(xlim=(-0.6, 4.6), ylim=(-0.9, 2.9))
    axis.set_axis_off()
    return fig


def _places(shapes):
    """(path, stage) -> x, y, row; the teacher's features stand over the student's up-sampled ones."""
    across = {"picture": 0, "latents": 1, "features": 2, "up-sampled": 3, "drawn": 4}
    found = {}
    for row in shapes.itertuples():
        x = 3 if (row.path, row.stage) == ("F = 8", "features") else across[row.stage]
        found[row.path, row.stage] = x, 2.0 if row.path == "F = 8" else 0.0, row
    return found

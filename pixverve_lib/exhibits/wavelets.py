"""Wavelet exhibits of Diffusion-4K (Tab. 9) and UltraFlux (Tab. 1, Fig. 3): frames in, one figure or one table out."""
import numpy as np
import pandas as pd

from pixverve_lib.exhibits.related import arrow, head
from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, INK, KEPT, MUTED, NEUTRAL
from pixverve_lib.paper import published, related

LINES = (MUTED, INK, NEUTRAL, KEPT, ACCENT, DROPPED)  # of arms in their order
DASHES = ("-", "--", ":", "-.")
TAB_9 = {"base": "SD3-F16@4096", "FT": "SD3-F16-FT@4096", "WLF": "SD3-F16-WLF@4096"}  # arm -> printed row
TAB_1 = {"A": "A", "B": "B", "C": "C", "D": "D"}
HIGH = ("LH", "HL", "HH")


def histograms(measured, histogram):
    """UltraFlux Supp. Fig. 3: coefficients of the four bands, with a Gaussian of the same energy in each.

    measured, histogram: of latent_statistics.measure
    """
    fig, axes = style.figure(4.4, rows=2, columns=2, sharex=True, sharey=True)
    tallest = histogram["count"].max()
    for axis, facts in zip(axes.flat, measured.itertuples(), strict=True):
        rows = histogram[histogram.band == facts.band]
        width = np.diff(rows.low).min() if len(rows) > 1 else 1
        axis.bar(rows.low, rows["count"], width, align="edge", color=NEUTRAL, label="latents")
        axis.plot(rows.low + width / 2, rows.gaussian, color=DROPPED, label="Gaussian of equal energy")
        axis.set_yscale("log")
        axis.set_ylim(0.5, 3 * tallest)
        axis.set_title(f"{facts.band}: {facts.share:.1%} of the energy")
        axis.annotate(f"largest {facts.largest:.1f}\nkurtosis {facts.kurtosis:.1f}", (1, 1), (-4, -4), "axes fraction",
                      "offset points", ha="right", va="top", fontsize=8, color=INK)
    for axis in axes[1]:
        axis.set_xlabel("|w|")
    for axis in axes[:, 0]:
        axis.set_ylabel("coefficients")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return fig


def energies(measured):
    """What UltraFlux Supp. Sec. 4 says in numbers, beside ours: quantity published measured difference gaussian.

    gaussian: what a Gaussian of the measured energy has; measured: the summary of latent_statistics.measure
    """
    by = measured.set_index("band")
    low, high = related.ULTRAFLUX_HIGH_SHARES
    rows = [("LL, share of the energy", related.ULTRAFLUX_LL_SHARE, by.share["LL"], np.nan),
            ("LL, mean energy", related.ULTRAFLUX_LL_ENERGY, by.energy["LL"], np.nan),
            ("smallest share of LH, HL, HH", low, by.share[list(HIGH)].min(), np.nan),
            ("largest share of LH, HL, HH", high, by.share[list(HIGH)].max(), np.nan),
            ("LH, share beyond 0.5", related.ULTRAFLUX_LH_ABOVE_HALF, by.above_half["LH"], by.gaussian_half["LH"]),
            ("LH, share beyond 1.0", related.ULTRAFLUX_LH_ABOVE_ONE, by.above_one["LH"], by.gaussian_one["LH"]),
            ("LH, largest", related.ULTRAFLUX_LH_LARGEST, by.largest["LH"], np.nan),
            ("LH, kurtosis", np.nan, by["kurtosis"]["LH"], 3)]
    frame = pd.DataFrame(rows, columns=["quantity", "published", "measured", "gaussian"])
    frame.insert(3, "difference", frame.measured - frame.published)
    return frame.round(4)


def parseval(measured):
    """Losses of the same prediction by several criteria, and how their gradients differ.  measured: of arms.compare"""
    names = {"ratio": "loss / first", "cosine": "cosine of gradients", "gradient": "distance of gradients"}
    shown = measured.rename(columns=names)
    return shown.assign(**{name: shown[name].map("{:.6g}".format) for name in ("loss", *names.values())})


def learning(curves, title="Squared error on held-out pictures"):
    """Validation loss of arms against steps, the mean over seeds and their range.  curves: of arms.train_arms"""
    fig, axis = style.figure(3.0)
    for number, (arm, rows) in enumerate(curves.groupby("arm", sort=False)):
        over = rows.groupby("step").loss.agg(["mean", "min", "max"])
        colour, dash = LINES[number % len(LINES)], DASHES[number % len(DASHES)]
        if len(over) == 1:
            axis.axhline(over["mean"].iloc[0], color=colour, ls=":", lw=1, label=arm)
            continue
        axis.plot(over.index, over["mean"], "o", ls=dash, color=colour, ms=3.5, label=arm)
        axis.fill_between(over.index, over["min"], over["max"], color=colour, alpha=0.15, lw=0)
    axis.set(xlabel="step", ylabel="loss", title=title)
    fig.legend(*axis.get_legend_handles_labels(), loc="outside right upper")
    return fig


def diffusion4k_tab_9(scores, rows=TAB_9):
    """Diffusion-4K Tab. 9 beside arms at nano size.  scores: of arms.train_arms; rows: {arm: printed model}"""
    return _beside(published.numbers("diffusion4k_tab_9"), "model", scores, rows)


def ultraflux_tab_1(scores, rows=TAB_1):
    """UltraFlux Supp. Tab. 1, the 2 x 2 of data and model, beside arms.  rows: {arm: printed variant}"""
    return _beside(published.numbers("ultraflux_tab_1"), "variant", scores, rows)


def _beside(printed, key, scores, rows):
    """Arms, mean over seeds (and their half range), beside the printed rows they stand for; other arms stay alone.

    The numbers are of other models, pictures and features: what compares is the change from row to row.
    """
    values = [name for name in scores.columns if name not in ("arm", "seed", "seconds")]
    grouped = scores.groupby("arm", sort=False)[values]
    table = grouped.mean().round(4).rename(columns=lambda name: f"{arrow(name)} measured")
    if scores.groupby("arm").size().max() > 1:
        table = table.join(((grouped.max() - grouped.min()) / 2).round(4).add_prefix("± "))
    numbers = printed.set_index(key).rename(columns=lambda name: f"{head(name)} published")
    numbers = numbers.reindex([rows.get(arm) for arm in table.index])
    numbers.index = table.index
    table.insert(0, "published row", [rows.get(arm, "–") for arm in table.index])
    return table.join(numbers).reset_index()


def interactions(printed, scores, values):
    """The 2 x 2 as effects: score data model sum together interaction, of the published and of the measured arms.

    score: with the arrow of its better direction; data, model: change from A to B, from A to C; together: from A to D;
    interaction: together - sum.
    printed: of UltraFlux Supp. Tab. 1; scores: of arms A to D; values: {column of scores or of printed: its source}
    """
    out = []
    tables = {"published": printed.set_index("variant"), "measured": scores.groupby("arm").mean(numeric_only=True)}
    for value, source in values.items():
        a, b, c, d = (tables[source].loc[arm, value] for arm in "ABCD")
        name = head(value) if source == "published" else arrow(value)
        out.append({"score": name, "source": source, "data": b - a, "model": c - a, "sum": b + c - 2 * a,
                    "together": d - a, "interaction": d - b - c + a})
    return pd.DataFrame(out).round(4)

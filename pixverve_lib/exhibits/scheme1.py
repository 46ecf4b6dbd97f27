"""Exhibits of notebook 05: frames in, one figure or one table out."""
import textwrap

import numpy as np

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, KEPT, MUTED, NEUTRAL
from pixverve_lib.paper import training

METHODS = {"base": MUTED, "full": KEPT, "lora": ACCENT}
LETTERS, PROMPT = 13, 18  # in an inch: of a row's label, of a prompt
SIDES = (MUTED, NEUTRAL, ACCENT, DROPPED)  # from the smallest to the largest


def sigmas(table):
    """The noise levels that sampling visits at each size: static shift beside FLUX.2's dynamic one.

    table: columns side (pixels), shift ("static" | "dynamic"), step, sigma
    """
    fig, axes = style.figure(2.9, columns=2, sharey=True)
    titles = {"static": "static shift, used here", "dynamic": "FLUX.2's own, dynamic shift"}
    for axis, (shift, title) in zip(axes, titles.items(), strict=True):
        chosen = table[table["shift"] == shift].groupby("side")
        for (side, rows), colour in zip(chosen, SIDES, strict=False):
            axis.plot(rows.step, rows.sigma, color=colour, label=f"{side} px")
        axis.set(title=title, xlabel="sampling step", ylim=(0, 1.03))
    axes[0].set_ylabel("noise level σ")
    axes[1].annotate("4096 px and larger:\nall near 1", (49, 0.97), color=DROPPED, fontsize=8, ha="right", va="top")
    axes[0].legend(title="side of the picture", title_fontsize=8)
    return fig


def grid(rows, prompts):
    """The same prompts by several hands; a row may have fewer pictures than prompts.

    rows: {label: list of H W 3 uint8}; prompts: one line each
    """
    count = len(prompts)
    width = min(style.WIDTH, 2.2 * count)
    titles = [textwrap.wrap(prompt, int(PROMPT * width / count), break_on_hyphens=False) for prompt in prompts]
    height = width / count * len(rows) + 0.25 + 0.11 * max(map(len, titles))
    fig, axes = style.figure(height, width, len(rows), count, squeeze=False)
    for i, (label, pictures) in enumerate(rows.items()):
        for j, rgb in enumerate(pictures):
            style.picture_axis(axes[i, j], rgb, "\n".join(titles[j]) if i == 0 else "")
            axes[i, j].title.set_fontsize(7)
        for axis in axes[i, len(pictures):]:
            axis.set_axis_off()
        lines = textwrap.wrap(label, int(LETTERS * width / count))
        axes[i, 0].set_ylabel("\n".join(lines), fontweight="bold", fontsize=8)
    return fig


def curves(metrics, validation):
    """Training loss over steps, and the validation loss at each noise level before and after.

    metrics: columns method, step, loss; validation: columns method, step, level, loss
    """
    fig, (left, right) = style.figure(2.9, columns=2)
    for method, rows in metrics.groupby("method", sort=False):
        left.plot(rows.step, rows.loss.ewm(halflife=15).mean(), color=METHODS[method], label=method)
    left.set(xlabel="step", ylabel="training loss, smoothed", title="Training")
    left.legend()
    first = validation[validation.step == validation.step.min()]
    before = _by_level(first[first.method == first.method.iloc[0]])
    right.plot(*before, "o--", color=METHODS["base"], label="base", ms=3)
    for method, rows in validation.groupby("method", sort=False):
        right.plot(*_by_level(rows[rows.step == rows.step.max()]), "o-", color=METHODS[method], label=method, ms=3)
    right.set(xlabel="noise level σ", ylabel="validation loss", title="Validation, by noise level")
    right.legend()
    return fig


def _by_level(rows):
    rows = rows.sort_values("level")
    return rows.level, rows.loss


def scores(measured):
    """Scores of base and fine-tuned models at a scale, with their bootstrap intervals.

    measured: columns scale, method, score, value, low, high, pictures
    """
    found = measured[["value", "low", "high"]].map(_short)
    shown = measured.assign(shown=found.value + " [" + found.low + ", " + found.high + "]")
    table = shown.pivot(index=["scale", "method", "pictures"], columns="score", values="shown").reset_index()
    order = {name: i for i, name in enumerate(dict.fromkeys(measured.scale + measured.method))}
    table = table.sort_values(by="method", key=lambda m: (table.scale + m).map(order))
    columns = ["scale", "method", *dict.fromkeys(measured.score), "pictures"]
    return table[columns].rename_axis(columns=None).reset_index(drop=True)


def _short(value):
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def latency(measured, published):
    """Seconds a picture against tokens, with the linear and the quadratic law from 4K on; beside it the paper's growth.

    measured: columns scale, side, tokens, seconds; published: columns scale, seconds (Tab. A2)
    """
    fig, (left, right) = style.figure(3.0, columns=2)
    left.loglog(measured.tokens, measured.seconds, "o", color=KEPT)
    first = measured[measured.scale == "4K"].iloc[0]
    tokens = np.geomspace(first.tokens, measured.tokens.max(), 50)
    for power, name, side in ((1, "linear", "top"), (2, "quadratic", "bottom")):
        law = first.seconds * (tokens / first.tokens) ** power
        left.loglog(tokens, law, "--", color=MUTED, lw=1)
        left.annotate(f"{name} ", (tokens[30], law[30]), fontsize=8, color=MUTED, ha="left" if power == 1 else "right",
                      va=side)
    left.set(xlabel="image tokens", ylabel="seconds a picture", title="1:16 scale model, this machine")
    ours = measured[measured.scale.isin(published.scale)]
    pixels = ours.set_index("scale").side.pow(2) / first.side**2
    right.loglog(pixels, pixels**2, "--", color=MUTED, lw=1, label="quadratic")
    right.loglog(published.scale.map(pixels), published.seconds / published.seconds.iloc[0], "s-", color=NEUTRAL,
                 label="published (Tab. A2, 8 GPUs)")
    right.loglog(pixels, ours.seconds / first.seconds, "o-", color=KEPT, label="measured at 1:16")
    right.set(xlabel="pixels, relative to 4K", ylabel="time relative to 4K", title="How it grows")
    right.set_xticks(pixels, [f"{scale}\n({times:.3g})" for scale, times in pixels.items()])
    right.minorticks_off()
    right.legend(loc="upper left")
    return fig


PURPOSES = {  # of a plan -> what a reader sees
    "weights": "weights", "gradients": "gradients", "optimiser": "optimiser", "activations": "kept activations",
    "attention": "work in one attention", "work on one block": "other work in one block",
}
SHADES = ("#20344f", "#3d6da2", "#7fb2d9", "#c7622e", "#e9a15b", "#f3d8a8")


def memory(plans, card=training.PIXEL_CARD_GB):
    """Estimated GB of one card at the paper's size, by purpose.

    plans: columns what, scale, fits and one for each purpose, in GB; card: GB
    """
    plans = plans.assign(weights=plans["weights"] + plans["weights in bfloat16"])
    fig, axis = style.figure(3.3)
    ends, left = np.arange(len(plans)) + np.arange(len(plans)) // plans.scale.nunique() * 0.6, np.zeros(len(plans))
    for (purpose, name), colour in zip(PURPOSES.items(), SHADES, strict=True):
        axis.barh(ends, plans[purpose], left=left, color=colour, label=name, height=0.8)
        left += plans[purpose].to_numpy()
    axis.axvline(card, color=MUTED, lw=1, ls="--", zorder=0.5)
    for end, total, fits in zip(ends, left, plans.fits, strict=True):
        axis.annotate(f"{total:.0f}", (total, end), (3, 0), textcoords="offset points", va="center", fontsize=8,
                      color=KEPT if fits else DROPPED, bbox={"fc": "white", "ec": "none", "pad": 0.8})
    axis.annotate(f"a card of {card} GB, a tenth\nof it kept free; red: does not fit", (card, -0.5), (3, 0),
                  textcoords="offset points", fontsize=7.5, color=MUTED)
    axis.set(yticks=ends, yticklabels=plans.what + ", " + plans.scale, xlabel="estimated GB, one picture at a time",
             ylim=(ends[-1] + 0.6, -1.0), xlim=(0, left.max() * 1.08))
    axis.legend(loc="upper right", fontsize=7.5)
    return fig


def cost(measured, published):
    """The rows of Scheme I in Tab. A1: epochs and device hours, published and measured at 1:16.

    measured: columns method, scale, epochs, device_hours; published: the same
    """
    table = published.merge(measured, on=["method", "scale"], how="left", suffixes=(", published", ", measured"))
    table = table.rename(columns={"device_hours, published": "H20 GPU hours, published",
                                  "device_hours, measured": "device hours, measured"})
    return table.round({"epochs, measured": 3, "device hours, measured": 4}).convert_dtypes()

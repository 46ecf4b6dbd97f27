"""Exhibits of notebook 04: frames in, one figure or one table out."""
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, INK, KEPT, MUTED, NEUTRAL

SCORES = {"exposure": "exposure (share)", "sharpness": "sharpness (log₁₀)", "flatness": "flatness (share)",
          "entropy": "entropy (bits)", "aesthetics_l": "$S_L$", "aesthetics_a": "$S_A$"}
COLUMNS = 3  # samples in a row
INSET = 290  # px, side of the place shown at 1:1
WORDS = 30  # shown, in three columns
COMMON = 0.9  # share of the pictures above which a word tells nothing about one


def table(rows):
    """Tab. 2: the printed rows and a measured one.  rows: from pool_statistics.tab_2"""
    heads = {"dataset": "dataset", "avg_resolution": "avg. resolution", "number": "number",
             "avg_caption_length": "avg. caption length", "basic_visual_scores": "visual scores", "tags": "tags",
             "bboxes": "boxes", "aesthetics_level_analysis": "aesthetic analysis",
             "instance_level_description": "instance texts", "variable_length_caption": "variable-length caption"}
    return rows.map(lambda cell: cell.strip("*")).rename(columns=heads)


def samples(pictures, titles):
    """Fig. 5: pictures, and below each a place of it, pixel for pixel.

    pictures: list of (small, (top, left, side) in its pixels, square: INSET px of the picture); titles: one each
    """
    side, column = INSET / style.DPI, style.WIDTH / COLUMNS  # inches
    groups = [list(zip(pictures, titles, strict=True))[i:i + COLUMNS] for i in range(0, len(pictures), COLUMNS)]
    tall = [side * max(min(1.0, len(small) / small.shape[1]) for (small, _, _), _ in group) for group in groups]
    height = sum(tall) + len(groups) * (side + 0.5) + 0.25
    fig, _ = style.figure(height)
    fig.clear()
    fig.set_layout_engine("none")
    top = 0.25
    for group, above in zip(groups, tall, strict=True):
        for k, (picture, title) in enumerate(group):
            left = k * column + (column - side) / 2
            places = [(left, top, above), (left, top + above + 0.1, side)]
            axes = [fig.add_axes((x / style.WIDTH, 1 - (y + h) / height, side / style.WIDTH, h / height))
                    for x, y, h in places]
            _sample(*axes, *picture, title)
        top += above + side + 0.5
    return fig


def _sample(whole, inset, small, place, square, title):
    style.picture_axis(whole, small, title)
    whole.set_anchor("S")
    style.picture_axis(inset, square)
    top, left, side = place
    whole.add_patch(Rectangle((left, top), side, side, fill=False, ec=ACCENT, lw=1.4))
    inset.images[0].set_interpolation("none")
    for spine in inset.spines.values():
        spine.set(visible=True, color=ACCENT, lw=1.6)


def distributions(scenarios, aspects, lengths, scores, words, predictors):
    """Fig. 6: what the pool shows, its aspect ratios, caption lengths, six scores and most frequent words.

    scenarios: scenario, pictures; aspects: aspect, pictures; lengths: caption, words; scores: score, value;
    words: word, pictures; predictors: one a picture, who gave the two aesthetic scores
    """
    fig, axis = style.figure(7.4)
    axis.remove()
    upper, middle, lower = fig.subfigures(3, 1, height_ratios=(1.15, 0.95, 1.25))
    _upper(upper.subplots(1, 3, width_ratios=(1.1, 1.1, 1.3)), scenarios, aspects, lengths)
    _scores(middle, scores, sorted(filter(None, set(predictors))))
    _words(lower, words, scenarios.pictures.sum())
    return fig


def _upper(axes, scenarios, aspects, lengths):
    left, centre, right = axes
    _bars(left, scenarios.scenario, scenarios.pictures, f"(a) scenarios, {scenarios.pictures.sum()} pictures", NEUTRAL)
    left.set(xlabel="pictures")
    centre.bar(aspects.aspect, aspects.pictures, color=NEUTRAL)
    centre.set(title="(b) nearest aspect ratio", xlabel="width : height", ylabel="pictures")
    centre.tick_params(axis="x", rotation=45, labelsize=7.5)
    centre.grid(False, axis="x")
    centre.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    bins = np.linspace(0, max(10, lengths.words.max() if len(lengths) else 10) * 1.02, 26)
    for kind, colour in (("short", ACCENT), ("long", KEPT)):
        here = lengths[lengths.caption == kind].words
        right.hist(here, bins, color=colour, alpha=0.85,
                   label=f"{kind}: {here.mean():.1f} on average" if len(here) else f"{kind}: none")
    right.set(title="(c) caption length", xlabel="words", ylabel="captions")
    right.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    right.margins(y=0.3)
    right.legend(loc="upper right", fontsize=7)


def _bars(axis, names, counts, title, colour):
    rows = np.arange(len(names))[::-1]
    axis.barh(rows, counts, color=colour, height=0.66)
    for y, count in zip(rows, counts, strict=True):
        axis.text(count, y, f" {count}", va="center", fontsize=7, color=MUTED)
    axis.set(title=title)
    axis.set_yticks(rows, names, fontsize=7.5)
    axis.grid(False, axis="y")
    axis.margins(x=0.14)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _scores(part, scores, predictors):
    by = f"; $S_L$, $S_A$ by {', '.join(predictors)}" if predictors else ""
    part.suptitle(f"(d) basic visual scores, before super-resolution{by}", fontsize=9, fontweight="bold")
    if scores.empty:
        part.text(0.5, 0.5, "not measured on this pool", ha="center", va="center", fontsize=9, color=MUTED)
        return
    axes = part.subplots(1, len(SCORES))
    axes[0].set_ylabel("pictures", fontsize=8)
    for axis, (name, label) in zip(axes, SCORES.items(), strict=True):
        values = scores[scores.score == name].value.to_numpy(float)
        values = np.log10(np.maximum(values, 1e-2)) if name == "sharpness" else values
        axis.hist(values, 12 if np.ptp(values) > 1e-9 else 1, color=NEUTRAL) if len(values) else None
        axis.set_xlabel(label if len(values) else f"{label}: none", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.xaxis.set_major_locator(MaxNLocator(2))


def _words(part, words, pictures):
    part.suptitle(f"(e) words in captions (without those that more than {100 * COMMON:.0f} % of the pictures have)",
                  fontsize=9, fontweight="bold")
    shown, axes = words[words.pictures <= COMMON * pictures].head(WORDS), part.subplots(1, 3)
    each = max(1, -(-len(shown) // 3))
    for k, axis in enumerate(axes):
        here = shown.iloc[k * each:(k + 1) * each]
        axis.set_visible(len(here) > 0)
        _bars(axis, here.word, here.pictures, "", KEPT)
        axis.set_xlabel("pictures", fontsize=8)
        axis.set_xlim(0, max(1, shown.pictures.max()) * 1.18 if len(shown) else 1)


def spectrum(pictures, mean, fitted, between):
    """Power spectra of a pool on two logarithmic axes, their mean and the line fitted to it.

    pictures: picture, frequency, power; mean: frequency, power, low, high; fitted: (exponent, factor, R²);
    between: cycles a pixel, where the line was fitted
    """
    fig, axis = style.figure(3.6, width=5.8)
    for _, rows in pictures.groupby("picture"):
        axis.loglog(rows.frequency, rows.power, color=NEUTRAL, lw=0.7, alpha=0.45)
    axis.fill_between(mean.frequency, mean.low, mean.high, color=KEPT, alpha=0.12, lw=0)
    axis.loglog(mean.frequency, mean.power, color=KEPT, lw=2.2, label=f"mean of {pictures.picture.nunique()} pictures")
    exponent, factor, r2 = fitted
    if np.isfinite(exponent):
        x = np.array(between)
        axis.loglog(x, factor * x**exponent, "--", color=DROPPED, lw=1.4,
                    label=f"fit: slope {exponent:.2f}, R² {r2:.4f}".replace("-", "−"))
        guide = factor * x[0] ** exponent * (x / x[0]) ** -2.0
        axis.loglog(x, guide, ":", color=INK, lw=1.1, label="slope −2, of natural pictures")
    axis.axvspan(*between, color=MUTED, alpha=0.06, lw=0)
    axis.set(xlabel="spatial frequency (cycles per pixel)", ylabel="power")
    axis.legend(loc="lower left")
    return fig

"""Figures of notebook 08 that are made of pictures: pictures in, one figure out.  Pictures: H W 3 uint8"""
import textwrap

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from pixverve_lib.exhibits.annotation import COLOURS, nothing
from pixverve_lib.exhibits.bench import FIDELITY, HEADS, digits, directed
from pixverve_lib.exhibits.sheet import wrapped
from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, GRID, INK, KEPT, METHOD_COLOURS, MUTED, NEUTRAL, WIDTH
from pixverve_lib.paper.published import numbers, table

NAME = 0.24  # inches, for the name of a method at the left
LINES = 7  # of a caption that are shown
COLUMNS = 5  # cases in a row
ROW = 0.0195  # of the height of Fig. 1: a line of text
VISUAL = 5  # of the eight metrics, the first (Fig. 1)


def comparison(pictures, prompts, zoom):
    """Figs. 2 and 7: a row a method, two columns a prompt: the whole picture, and beside it one place of it, larger.

    pictures: {method: list of rgb, one a prompt}, fewer where a method has fewer; prompts: one line each; zoom: (top,
    left, side) a prompt, shares of the shorter side, the same place for every method. Raises ValueError without any.
    """
    if not any(pictures.values()):
        raise ValueError("there is no picture to compare: draw some with notebooks 05 to 07 first")
    count = len(prompts)
    cell = min(1.5, (WIDTH - NAME) / count / 2)
    fig, axes = style.figure(cell * len(pictures) + 0.5, 2 * cell * count + NAME, len(pictures), 2 * count,
                             squeeze=False)
    for line, (method, drawn) in zip(axes, pictures.items(), strict=True):
        for pair, rgb, place in zip(line.reshape(-1, 2), drawn, zoom, strict=False):
            _cell(*pair, rgb, place)
        for axis in line[2 * len(drawn):]:
            axis.set_axis_off()
        line[0].set(xticks=[], yticks=[])
        name = line[0].annotate(method, (0, 0.5), (-4, 0), xycoords="axes fraction", textcoords="offset points",
                                rotation=90, va="center", ha="right", fontweight="bold", fontsize=6)
        name.set_color(METHOD_COLOURS.get(method, INK))
    for axis, prompt in zip(axes[0, ::2], prompts, strict=True):
        axis.set_title("\n".join(_shortened(prompt, 2 * cell, 6, 3)), fontsize=6, fontweight="normal", loc="left")
    return fig


def _cell(whole, close, rgb, place):
    """The picture with a frame around a place; the same place as it is, its pixels to be seen."""
    style.picture_axis(whole, rgb)
    top, left, side = (round(share * min(rgb.shape[:2])) for share in place)
    style.picture_axis(close, rgb[top:top + side, left:left + side])
    close.images[0].set_interpolation("none")
    whole.add_patch(Rectangle((left, top), side, side, fill=False, ec=ACCENT, lw=1))


def _shortened(words, width, size, most):
    """Lines of `width` inches; what does not fit ends in "…"."""
    lines = wrapped(words, width, size)
    if len(lines) > most:
        rest = textwrap.shorten(" ".join(lines[most - 1:]), len(lines[most - 1]), placeholder=" …")
        lines = [*lines[:most - 1], rest]
    return lines


def captions_grid(pairs):
    """Fig. A4: pictures of short captions above, of the long captions of the same scenes below, each with its caption.

    pairs: list of (rgb of the short one, rgb of the long one, short caption, long caption)
    """
    cell = min(2.2, WIDTH / len(pairs))
    texts = [[_shortened(words, cell - 0.1, 6, LINES) for words in pair[2:]] for pair in pairs]
    lines = sum(max(map(len, line)) for line in zip(*texts, strict=True))
    fig, axes = style.figure(2 * cell + 0.115 * lines + 0.3, cell * len(pairs), 2, len(pairs), squeeze=False)
    for column, pair, written in zip(axes.T, pairs, texts, strict=True):
        for axis, rgb, words in zip(column, pair[:2], written, strict=True):
            style.picture_axis(axis, rgb)
            axis.set_xlabel("\n".join(words), fontsize=6, loc="left", color=INK)
    for axis, name in zip(axes[:, 0], ("short caption", "long caption"), strict=True):
        axis.set_ylabel(name, fontweight="bold", fontsize=8)
    return fig


def glcm_cases(cases):
    """Fig. A2: pictures, or patches, from the least to the most textured, with both kinds of GLCM Score.

    cases: list of (whose, rgb, published score, score by the formula in bits)
    """
    ordered = sorted(cases, key=lambda case: case[2])
    columns = min(COLUMNS, len(ordered))
    fig, axes = _cases(len(ordered), columns, 0.55)
    for axis, (whose, rgb, published, formula) in zip(axes, ordered, strict=False):
        style.picture_axis(axis, rgb, f"{published:.3f}\nby the formula {formula:.2f}")
        axis.set_xlabel(whose, fontsize=6)
    fig.suptitle("GLCM Score of the published kind, from low to high; below it that of the formula", fontsize=8.5)
    return fig


def _cases(count, columns, above):
    """A figure of `columns` square cells a row with room above each; its axes in order, those not needed hidden."""
    lines = -(-count // columns)
    fig, axes = style.figure(lines * (WIDTH / columns + above) + 0.3, rows=lines, columns=columns, squeeze=False)
    for axis in axes.flat[count:]:
        axis.set_axis_off()
    return fig, axes.flat


def lowest_cases(cases):
    """Fig. A3: for each sub-dimension the picture, or patch, with the lowest rating, and where the damage is.

    cases: list of (sub-dimension of Tab. A4 and whose picture, as in "nge: L2P, 4K"; "global" or "local"; rgb; score, 1
    to 5; (x0, y0, x1, y1) in px of the place, or None)
    """
    if not cases:
        return nothing("No picture was rated: the table above says why.")
    names = dict(zip(FIDELITY[2:], table("tab_a3").sub_dimension, strict=True))
    fig, axes = _cases(len(cases), min(COLUMNS, len(cases)), 0.56)
    for axis, (what, kind, rgb, score, box) in zip(axes, cases, strict=False):
        key, _, whose = what.partition(": ")
        style.picture_axis(axis, rgb, f"{names.get(key.replace('-', '_'), key)}\n{score:.2f}",
                           NEUTRAL if kind == "global" else COLOURS[4])
        axis.title.set_fontsize(7)
        axis.set_xlabel(whose, fontsize=6, color=MUTED)
        if box is not None:
            x0, y0, x1, y1 = box
            axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=DROPPED, lw=1.6))
    fig.suptitle("Lowest scores, 5 is the best: blue of the whole picture, purple the mean of its patches, the "
                 "worst of which is framed", fontsize=7.5)
    return fig


def overview(sample, measured):
    """Fig. 1: a sample with its seven annotations; beside it the eight metrics, published and measured for one method.

    sample: rgb, scores (dict), tags, boxes (label, top, left, bottom, right as shares of the sides), analysis (dict),
    instances (list of str), short, long; measured: one method's rows of `scores`: method, scale, metric, name, value
    """
    fig, (left, right) = style.figure(6.4, columns=2, width_ratios=(1.5, 1))
    left.set_axis_off()
    right.set_axis_off()
    height, width = sample["rgb"].shape[:2]
    tall = min(0.5, 0.66 * height / width)  # of the height of the figure
    _boxes(left.inset_axes((0, 1 - tall, 1, tall)), sample)
    _told(left, 1 - tall - 0.03, sample)
    _metrics(right, measured)
    return fig


def _boxes(axis, sample):
    height, width = sample["rgb"].shape[:2]
    style.picture_axis(axis, sample["rgb"])
    for i, (label, top, left, bottom, right) in enumerate(sample["boxes"]):
        colour = COLOURS[i % len(COLOURS)]
        axis.add_patch(Rectangle((left * width, top * height), (right - left) * width, (bottom - top) * height,
                                 fill=False, ec=colour, lw=1.5))
        axis.text(left * width, top * height, label, fontsize=6, color="white", va="top",
                  bbox={"facecolor": colour, "edgecolor": "none", "pad": 1})


def _told(axis, y, sample):
    """Five kinds of metadata and two captions, one under the other, down from y."""
    scores = ", ".join(f"{name} {value:.3g}" for name, value in sample["scores"].items() if pd.notna(value))
    analysis = " ".join(f"{name}: {text}" for name, text in sample["analysis"].items())
    parts = (("1  basic visual scores", scores, 2), ("2  tags", ", ".join(sample["tags"]), 2),
             ("3  boxes", f"{len(sample['boxes'])} on the picture", 1), ("4  aesthetic analysis", analysis, 4),
             ("5  instance descriptions", " ".join(sample["instances"]), 4), ("6  short caption", sample["short"], 2),
             ("7  long caption", sample["long"], 30))
    for name, words, most in parts:
        most = max(1, min(most, int(y / ROW)))  # the last one takes what is left
        axis.text(0, y, name, fontsize=6.8, fontweight="bold", color=KEPT, va="top", transform=axis.transAxes)
        lines = _shortened(words or "none", 2.85, 6.2, most)
        axis.text(0.38, y, "\n".join(lines), fontsize=6.2, va="top", transform=axis.transAxes, linespacing=1.25)
        y -= ROW * len(lines) + 0.012


def _metrics(axis, measured):
    """The list of metrics with the published and the measured value of the one method that `measured` is of."""
    method, scale = measured.method.iloc[0], measured.scale.iloc[0]
    printed = numbers("tab_3")[lambda t: (t.method == method) & (t.resolution == scale)]
    values = measured.set_index("metric")

    def write(y, *cells, **look):
        for x, words in zip((0.02, 0.7, 1.0), cells, strict=False):
            axis.text(x, y, words, transform=axis.transAxes, ha="left" if x < 0.1 else "right", va="center", **look)

    write(0.97, "Eight metrics", fontsize=10, fontweight="bold")
    write(0.925, f"{method}, {scale}", "published", "measured", fontsize=7, color=MUTED)
    y = 0.87
    for i, metric in enumerate(HEADS):
        if i in (0, VISUAL):
            write(y, "Visual quality" if i == 0 else "Semantic alignment", fontsize=8, fontweight="bold", color=KEPT)
            axis.plot((0.02, 1), (y - 0.022,) * 2, color=GRID, lw=1, transform=axis.transAxes)
            y -= 0.065
        found = values.value.get(metric, np.nan)
        ours = "–" if pd.isna(found) else digits(found)
        published = printed[metric].iloc[0] if len(printed) else np.nan
        write(y, directed(metric), "–" if pd.isna(published) else f"{published:.3f}", ours, fontsize=8)
        name = measured.loc[measured.metric == metric, "name"]
        if len(name) and name.iloc[0] != HEADS[metric][0]:
            write(y - 0.028, f"   measured: {name.iloc[0]}", fontsize=6.3, color=MUTED)
        y -= 0.09

"""Exhibits of URAE's ablation: guidance in training, source of the data, components (Tab. 2, Fig. 3, Fig. 7)."""
import textwrap

import pandas as pd

from pixverve_lib.exhibits.related import LOWER, arrow, head
from pixverve_lib.kit import style
from pixverve_lib.kit.style import DROPPED, KEPT, MUTED, NEUTRAL

KEYS = ["components", "method_setting"]
GUIDELINES = {  # URAE Sec. 3.4 -> (which cells, what must win, over what); "{}" is filled by what the cells share
    "no CFG in training": (("Major Syn", "Major Real", "Minor Syn", "Minor Real"), "{} w/o CFG", "{} w/ CFG"),
    "synthetic before real data, w/o CFG": (("Major", "Minor"), "{} Syn w/o CFG", "{} Real w/o CFG"),
    "minor before major, real data w/o CFG": (("Real w/o CFG",), "Minor {}", "Major {}"),
}
TARGETS = {"noise - latents": DROPPED, "guided teacher": KEPT}
WRAP = 15  # letters of a prompt on a line


def ablation(measured: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Tab. 2 as printed with the scores of the same cells at 1:16 beside it.

    Metrics differ: the paper's need real weights and pictures of 2048 px, ours are those of the built-in scenes, hence
    no column of differences. measured: components, method_setting and one column a score, a student before adaptation
    too; published: `published.numbers("urae_tab_2")`
    """
    ours = measured.rename(columns={name: f"{arrow(name)} measured" for name in measured.columns.drop(KEYS)})
    theirs = published.rename(columns={name: f"{head(name)} published" for name in published.columns.drop(KEYS)})
    table = ours.merge(theirs, on=KEYS, how="left")
    columns = KEYS + [name for name in theirs if name not in KEYS] + [name for name in ours if name not in KEYS]
    return table[columns].rename(columns={"method_setting": "setting"}).round(3)


def guidelines(measured: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """In how many comparisons each guideline of Sec. 3.4 holds, of the paper's metrics and of ours: guideline,
    published, measured ("23 of 24"), tied, and the scores that say otherwise at 1:16. Arguments as of `ablation`.
    """
    rows = []
    for guideline, comparison in GUIDELINES.items():
        theirs, ours = (_compared(frame, *comparison) for frame in (published, measured))
        against = ours[ours.gain < 0]
        rows.append({
            "guideline": guideline, "published": _count(theirs), "measured": _count(ours),
            "tied, measured": int((ours.gain == 0).sum()),
            "against it, measured": ", ".join(f"{row.score} ({row.cells})" for row in against.itertuples()) or "–",
        })
    return pd.DataFrame(rows)


def mismatch(errors: pd.DataFrame):
    """Fig. 3 as a measurement: the student's distance from the targets of both stages against the scale it is told.

    errors: columns guidance, level (of noise), target, error
    """
    fig, (left, right) = style.figure(2.9, columns=2)
    means = errors.groupby(["target", "guidance"], sort=False).error.mean()
    for target, colour in TARGETS.items():
        left.plot(means[target].index, means[target], "o-", color=colour, label=target.replace("-", "−"), ms=4)
    left.set(xlabel="guidance scale g that is told", ylabel="mean squared error", title="Targets of both stages",
             ylim=(0, 1.5 * means.max()))
    left.legend(loc="upper left", title="target", title_fontsize=8)
    plain = errors[errors.target == "noise - latents"].pivot(index="guidance", columns="level", values="error")
    for (level, line), colour in zip(plain.items(), (MUTED, NEUTRAL, KEPT, DROPPED), strict=False):
        right.plot(line.index, line / line.iloc[0], "o-", color=colour, label=f"σ = {level:g}", ms=4)
    right.set(xlabel="guidance scale g that is told", ylabel=f"error, relative to g = {plain.index[0]:g}",
              title="Plain target, by noise level")
    right.legend()
    return fig


def cells(drawn: pd.DataFrame, pictures, prompts=3):
    """Fig. 7: the same prompts by every cell, a column each, the student before adaptation first.

    drawn: columns components, method_setting, prompt; pictures: one for each row  # H W 3 uint8; prompts: how many
    """
    shown = drawn.assign(picture=list(pictures))
    texts, columns = list(dict.fromkeys(shown.prompt))[:prompts], shown.groupby(KEYS, sort=False)
    width = style.WIDTH / (len(columns) + 0.6)
    fig, axes = style.figure(width * len(texts) + 0.6, style.WIDTH, len(texts), len(columns), squeeze=False)
    for column, ((components, setting), rows) in zip(axes.T, columns, strict=True):
        title = f"{components}\n" + setting.replace(" ", "\n", 1) if components != "–" else "before\nadaptation\n"
        by_prompt = rows.drop_duplicates("prompt").set_index("prompt").picture
        for row, (axis, text) in enumerate(zip(column, texts, strict=True)):
            style.picture_axis(axis, by_prompt[text], title if row == 0 else "")
    for axis, text in zip(axes[:, 0], texts, strict=True):
        axis.set_ylabel("\n".join(textwrap.wrap(text, WRAP, break_on_hyphens=False)), fontsize=6)
    return fig


def _compared(frame, shared, better, worse):
    """Columns score, cells, gain: how much better one cell is than the other, in the direction of the score."""
    values = frame.set_index(frame.components + " " + frame.method_setting).drop(columns=KEYS)
    rows = [(score, cells, (values.at[better.format(cells), score] - values.at[worse.format(cells), score])
             * (-1 if score in LOWER else 1)) for cells in shared for score in values.columns]
    return pd.DataFrame(rows, columns=["score", "cells", "gain"])


def _count(compared):
    return f"{int((compared.gain > 0).sum())} of {len(compared)}"

"""Fig. 3: the pipeline, drawn from the list of its steps and from what a run has counted."""
import pandas as pd
from matplotlib.patches import FancyBboxPatch

from pixverve_lib.kit import style
from pixverve_lib.kit.style import DROPPED, GRID, INK, KEPT, MUTED, NEUTRAL

ROW, GAP = 16.0, 4.0  # heights of a stage and of the arrow below it, in units of which the figure is 100 wide
STEP = 6.2  # height of a step
LEFT, RIGHT = 20.0, 79.0  # where the steps begin and end


def flow(steps):
    """One band a stage: its name, its steps with their functions, and what it leaves beside what the paper printed.

    steps: columns title, section, notebook, step, function, count, lost, result, left, published; one row a step
    """
    stages = list(steps.groupby("title", sort=False))
    height = len(stages) * (ROW + GAP) - GAP
    fig, axis = style.figure(7.2 * height / 100 + 0.25)
    axis.set(xlim=(0, 100), ylim=(height + 0.3, -0.3))
    axis.set_axis_off()
    for i, (title, rows) in enumerate(stages):
        top = i * (ROW + GAP)
        _stage(axis, top, title, rows)
        if i + 1 < len(stages):
            axis.annotate("", (90, top + ROW + GAP), (90, top + ROW),
                          arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 1.4, "shrinkA": 0, "shrinkB": 0})
    return fig


def _stage(axis, top, title, rows):
    first = rows.iloc[0]
    _box(axis, 0.3, top, 77.7, ROW, GRID, "white")
    for k, line in enumerate(_broken(title)):  # one by one: letters with tails would else move a block
        axis.text(1.8, top + 3.4 + 2.1 * k, line, fontsize=8.5, fontweight="bold")
    where = f"{first.section}\nnotebook{'s' * (',' in first.notebook)} {first.notebook}"
    axis.text(1.8, top + ROW - 2, where, fontsize=6.8, color=MUTED, va="bottom")
    per_row = {4: 2, 7: 4}.get(len(rows), 3)
    lines = -(-len(rows) // per_row)
    width, height = (RIGHT - 2 - LEFT) / per_row, STEP + 0.8
    first_top = top + (ROW - lines * height + 0.8) / 2
    for k, row in enumerate(rows.itertuples()):
        _step(axis, LEFT + width * (k % per_row), first_top + height * (k // per_row), width - 1, row)
    _box(axis, 80.5, top, 19.2, ROW, KEPT, "#eef6f2")
    axis.text(90.1, top + 2, first.result, fontsize=7, fontweight="bold", ha="center", va="top", color=KEPT)
    axis.text(90.1, top + ROW / 2 + 0.8, first.left, fontsize=10.5, ha="center", va="center")
    axis.text(90.1, top + ROW - 1.8, f"paper: {first.published}", fontsize=6.8, ha="center", va="bottom", color=MUTED)
    axis.annotate("", (80.5, top + ROW / 2), (78, top + ROW / 2),
                  arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 1.2, "shrinkA": 0, "shrinkB": 0})


def _step(axis, left, top, width, row):
    known = not pd.isna(row.count)
    colour = DROPPED if row.lost and known and row.count else INK
    number = f"{'−' if row.lost and row.count else ''}{int(row.count):,}" if known else ""
    _box(axis, left, top, width, STEP, NEUTRAL, "#f4f7fa")
    axis.text(left + 0.8, top + STEP / 2 - 0.2, row.step, fontsize=6.6, va="bottom")
    axis.text(left + 0.8, top + STEP / 2 + 0.3, row.function, fontsize=5.8, va="top", color=MUTED)
    axis.text(left + width - 0.8, top + STEP / 2 - 0.2, number, fontsize=7.2, va="bottom", ha="right", color=colour)


def _box(axis, left, top, width, height, edge, face):
    axis.add_patch(FancyBboxPatch((left, top), width, height, boxstyle="round,pad=0,rounding_size=0.8", ec=edge,
                                  fc=face, lw=0.9))


def _broken(title):
    """The lines of a title, of about 16 letters each."""
    lines = [""]
    for word in title.split():
        if len(lines[-1]) + len(word) > 15:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines

"""Figs. A5 and A6: one picture with all its annotations on a page, laid out in inches from the top."""
import textwrap
from functools import partial

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from pixverve_lib.exhibits.annotation import COLOURS, nothing, overlay
from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, GRID, INK, KEPT, MUTED, WIDTH

MARGIN, GUTTER = 0.12, 0.16  # inches
PICTURE = 4.5  # inches, width of the picture
CROP = 0.72  # inches, side of an instance's crop
LETTER = 0.515  # of the height of a type: its mean width
BOLD = 1.13  # wider than that
SHOWN = 6  # instances with a card of their own
SCORES = ("exposure", "sharpness", "flatness", "entropy", "aesthetics_l", "aesthetics_a")


def annotated(view=None, record=None):
    """The page.  view: rgb, boxes, masks, found, crops; record: dict of the export's columns. None: there is none."""
    if view is None:
        return nothing("There is no second picture with annotations in this pool.")
    page = _Page(record)
    page.head(view)
    page.instances(view)
    page.aesthetics()
    page.long_caption()
    return page.figure()


def wrapped(text, width, size):
    """Lines of a text set `size` points high in `width` inches, by the mean width of a letter of DejaVu Sans."""
    return textwrap.wrap(str(text), max(8, int(width * 72 / (LETTER * size))))


class _Page:
    """Things to draw are collected with their places; the height of the page follows from them."""

    def __init__(self, record):
        self.record, self.made, self.y = record, [], MARGIN

    def figure(self):
        fig, axis = style.figure(self.y + 0.3)
        fig.set_layout_engine("none")
        axis.set_position((0, 0, 1, 1))
        axis.set(xlim=(0, WIDTH), ylim=(self.y + 0.3, 0))
        axis.set_axis_off()
        for draw in self.made:
            draw(fig, axis)
        return fig

    def text(self, x, y, words, size=7.0, width=None, **options):
        """Writes words at a place in inches.  Returns where the next line would begin.

        Words come from models and files: a dollar sign in them is no formula, unless parse_math says so.
        """
        options = {"parse_math": False} | options
        bold = BOLD if options.get("fontweight") == "bold" else 1
        lines = wrapped(words, width / bold, size) if width else words.splitlines()
        step = 1.36 * size / 72
        for k, line in enumerate(lines):  # one by one: letters with tails would else move a block
            self.made.append(partial(_line, x, y + k * step + 0.85 * size / 72, line, fontsize=size, **options))
        return y + len(lines) * step

    def picture(self, x, y, width, height, show):
        """Reserves a place for a picture; show(axis) fills it."""
        def draw(fig, _):
            total = fig.get_figheight()
            show(fig.add_axes((x / WIDTH, 1 - (y + height) / total, width / WIDTH, height / total)))
        self.made.append(draw)

    def bar(self, x, y, width, height, colour):
        self.made.append(lambda _, axis: axis.add_patch(Rectangle((x, y), width, height, fc=colour, ec="none")))

    def heading(self, words, maker=""):
        self.text(MARGIN, self.y, words, 9, fontweight="bold")
        self.text(WIDTH - MARGIN, self.y + 0.02, f"by {maker}" if maker else "", 6.5, color=MUTED, ha="right")
        self.bar(MARGIN, self.y + 0.18, WIDTH - 2 * MARGIN, 0.012, GRID)
        self.y += 0.26

    def maker(self, role):
        makers = self.record.get("makers")
        return makers.get(role, "") if isinstance(makers, dict) else ""

    def head(self, view):
        """The picture with its instances; beside it the short caption, tags, facts and scores."""
        ratio = len(view.rgb) / view.rgb.shape[1]
        width = PICTURE if ratio < 1.1 else max(1.2, PICTURE * 1.1 / ratio)
        self.picture(MARGIN, self.y, width, width * ratio, lambda axis: overlay(axis, view))
        x = MARGIN + width + GUTTER
        room = WIDTH - MARGIN - x
        y = self.text(x, self.y, self.record["short_caption"], 9, room, fontweight="bold") + 0.1
        y = self.text(x, y, f"by {self.maker('short_caption')}", 6.5, room, color=MUTED) + 0.08
        y = self.tags(x, y, room)
        y = self.facts(x, y, room)
        y = self.scores(x, y, room)
        self.y = max(self.y + width * ratio, y) + 0.18

    def tags(self, x, y, room):
        names = self.record.get("tags")
        names = list(names) if isinstance(names, list | tuple | np.ndarray) else []
        place = x
        for name in names[:12]:
            width = TextPath((0, 0), name.replace("$", "S"), size=7).get_extents().width / 72 + 0.06
            if place + width > x + room:
                place, y = x, y + 0.22
            self.made.append(_chip(place, y, name))
            place += width + 0.08
        return y + (0.32 if names else 0)

    def facts(self, x, y, room):
        row = self.record
        size = f"{row['height']} x {row['width']} px, {row['height'] * row['width'] / 1e6:.0f} MP"
        for line in (size, row.get("source"), row.get("licence")):
            if isinstance(line, str) and line:
                y = self.text(x, y, line, 7, room, color=MUTED)
        return y + 0.1

    def scores(self, x, y, room):
        """The six basic visual scores; exposure, flatness and entropy as bars, for these have ends."""
        found = self.record.get("scores")
        if not isinstance(found, dict) or all(value is None for value in found.values()):
            return self.text(x, y, "scores: not measured", 7, color=MUTED)
        for name in SCORES:
            value, most = found.get(name), {"exposure": 1, "flatness": 1, "entropy": 8}.get(name)
            self.text(x, y, {"aesthetics_l": "$S_L$", "aesthetics_a": "$S_A$"}.get(name, name), 7, parse_math=True)
            self.text(x + 0.98, y, "–" if value is None else f"{value:.3g}", 7, ha="right")
            if most and value is not None and room > 1.3:
                self.bar(x + 1.08, y + 0.03, room - 1.1, 0.07, GRID)
                self.bar(x + 1.08, y + 0.03, (room - 1.1) * min(1, value / most), 0.07, KEPT)
            y += 0.145
        return self.text(x, y, f"$S_L$, $S_A$ by {self.record['predictors']}", 5.5, color=MUTED, parse_math=True)

    def instances(self, view):
        if not view.found:
            return
        self.heading(f"Instances: {min(SHOWN, len(view.found))} of {len(view.found)}, by importance (bars: 0 to 1)",
                     self.maker("describe"))
        column = (WIDTH - 2 * MARGIN - GUTTER) / 2
        for first in range(0, min(SHOWN, len(view.found)), 2):
            ends = [self.card(view, first + k, MARGIN + k * (column + GUTTER), column)
                    for k in (0, 1) if first + k < min(SHOWN, len(view.found))]
            self.y = max(ends) + 0.1
        self.y += 0.06

    def card(self, view, i, x, width):
        one, colour = view.found[i], COLOURS[i % len(COLOURS)]
        self.bar(x, self.y, 0.045, CROP, colour)
        self.picture(x + 0.09, self.y, CROP, CROP, lambda axis: _crop(axis, view.crops[i]))
        left = x + 0.09 + CROP + 0.1
        self.text(left, self.y, f"{i + 1}  {one['label']}", 7.5, fontweight="bold", color=colour)
        importance = one["importance"] or 0.0
        self.bar(x + width - 0.8, self.y + 0.03, 0.8, 0.07, GRID)
        self.bar(x + width - 0.8, self.y + 0.03, 0.8 * importance, 0.07, ACCENT)
        y = self.text(left, self.y + 0.16, one["text"] or f"no text: {one['reason']}", 6.8, x + width - left)
        return max(y, self.y + CROP)

    def aesthetics(self):
        found = self.record.get("aesthetics")
        if not isinstance(found, dict):
            return
        self.heading("Aesthetic analysis in six dimensions", self.maker("analyse"))
        column = (WIDTH - 2 * MARGIN - 2 * GUTTER) / 3
        items = list(found.items())
        for first in range(0, len(items), 3):
            ends = []
            for k, (name, text) in enumerate(items[first:first + 3]):
                x = MARGIN + k * (column + GUTTER)
                y = self.text(x, self.y, name, 7.2, column, fontweight="bold", color=KEPT)
                told = text not in (None, "not assessed")
                ends.append(self.text(x, y + 0.02, text or "missing", 6.8, column, color=INK if told else MUTED,
                                      fontstyle="normal" if told else "italic"))
            self.y = max(ends) + 0.1
        self.y += 0.04

    def long_caption(self):
        text = self.record["long_caption"]
        self.heading(f"Long caption, {len(text.split())} words", self.maker("long_caption"))
        column = (WIDTH - 2 * MARGIN - GUTTER) / 2
        lines = wrapped(text, column, 7.2)
        half = -(-len(lines) // 2)
        ends = [self.text(MARGIN + k * (column + GUTTER), self.y, "\n".join(part), 7.2)
                for k, part in enumerate((lines[:half], lines[half:]))]
        self.y = max(ends) + 0.05


def _line(x, y, words, _, axis, **options):
    axis.text(x, y, words, va="baseline", **options)


def _crop(axis, rgb):
    style.picture_axis(axis, rgb)
    axis.set_anchor("NW")


def _chip(x, y, name):
    box = {"boxstyle": "round,pad=0.25", "fc": "#eef6f2", "ec": KEPT, "lw": 0.6}
    return lambda _, axis: axis.text(x + 0.06, y + 0.02, name, fontsize=7, va="top", color=KEPT, bbox=box,
                                  parse_math=False)

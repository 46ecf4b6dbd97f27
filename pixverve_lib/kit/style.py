"""How figures and tables look, in one place: sizes, colours, footers.

Nobody else sets rcParams or a figsize.
"""
import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

WIDTH = 7.2  # inches, the text width of a page
DPI = 144
INK, MUTED, GRID = "#22262e", "#6b7280", "#e5e7eb"
KEPT, DROPPED, NEUTRAL, ACCENT = "#1d7f5f", "#c2412d", "#5b7fa6", "#d69a2d"
METHOD_COLOURS = {  # names and order of Tab. 3; far apart also for eyes that see no red or no green
    "FLUX.2-klein-base-4B": MUTED, "Qwen-Image": "#82a2a6", "L2P": "#811d24", "DemoFusion": "#600d5c",
    "LinFusion": "#cdc1f2", "HiFlow": "#4f16d0", "UltraPixel": "#bdd5cc", "UltraFlux": "#72e89a",
    "Diffusion-4K": "#51ab82", "FLUX.2-I (Full)": KEPT, "FLUX.2-I (LoRA)": ACCENT, "FLUX.2-II": "#2f7de1",
    "L2P-III": DROPPED,
}
METHODS = tuple(METHOD_COLOURS)
RC = {
    "font.size": 9, "font.family": "DejaVu Sans", "axes.titlesize": 9.5, "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "axes.axisbelow": True,
    "legend.frameon": False, "legend.fontsize": 8, "figure.dpi": DPI, "savefig.dpi": DPI, "svg.hashsalt": "pixverve",
    "figure.facecolor": "white", "figure.constrained_layout.h_pad": 0.07, "lines.linewidth": 1.6,
}
mpl.rcParams.update(RC)  # here and nowhere else
pd.set_option("display.max_colwidth", None, "display.max_rows", 100)  # a reason, and the ledger, are shown whole


def figure(height, width=WIDTH, rows=1, columns=1, **options):
    """A styled figure and its axes.  height, width: inches; options: of Figure.subplots"""
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, **options)


def picture_axis(axis, rgb, title="", colour=INK):
    """An axis that shows a picture and nothing else."""
    axis.imshow(rgb, interpolation="antialiased")
    axis.set_title(title, fontsize=8, color=colour, fontweight="normal")
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def footer(run):
    """What a figure says about the run it comes from; a figure of the `paper` budget says nothing."""
    return "" if run.budget == "paper" else f"PixVerve-Repro, budget {run.name}, seed {run.seed}"

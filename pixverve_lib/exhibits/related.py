"""Exhibits that notebooks A1, A2 and A3 share: what became of each exhibit, printed tables, sizes of pools."""
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, INK, KEPT, MUTED, NEUTRAL
from pixverve_lib.paper import related
from pixverve_lib.paper.published import DASH, unmarked

HEADS = {  # column of a related table: its printed head; the others lose their underscores
    "rfid": "rFID ↓", "fid": "FID ↓", "nmse": "NMSE ↓", "psnr": "PSNR ↑", "ssim": "SSIM ↑", "lpips": "LPIPS ↓",
    "clipscore": "CLIPScore ↑", "aesthetics": "Aesthetics ↑", "glcm_score": "GLCM Score ↑",
    "compression_ratio": "Compression Ratio ↓", "hpsv3": "HPSv3 ↑", "artimuse": "ArtiMuse ↑", "q_align": "Q-Align ↑",
    "man_iqa": "MAN-IQA ↑", "qualiclip": "QualiCLIP ↑", "hpsv2_1": "HPSv2.1 ↑", "pickscore": "PickScore ↑",
    "dpg_bench": "DPG Bench ↑", "method_setting": "method/setting", "model_loss": "model / loss",
    "time_s_per_step": "time (s/step)", "scalecrafter": "ScaleCrafter", "fouriscale": "FouriScale", "sana": "Sana",
    "ultraflux": "UltraFlux",
}
LOWER = ("fid", "lpips", "nano-FID", "stray", "loss", "CR")  # published and measured scores of which less is better
PICTURES = {"Aesthetic-Train": related.D4K_TRAIN_PICTURES, "Aesthetic-Train-V2": related.D4K_TRAIN_V2_PICTURES}
POOLS, SETS = (NEUTRAL, KEPT, ACCENT), (MUTED, DROPPED, INK)  # colours of ours and of the printed ones
BINS = 30


def accounting(listed, paper):
    """What became of each table and figure of one related paper.

    listed: of published.related_exhibits; paper: "002", "003" or "004". Raises ValueError for any other.
    """
    if paper not in set(listed.paper):
        raise ValueError(f"no paper {paper!r} is listed; take one of: {', '.join(listed.paper.unique())}")
    return listed[listed.paper == paper].drop(columns="paper").reset_index(drop=True)


def settings(constants, groups):
    """Settings as printed, of the groups of names that are asked for ("D4K_VAE", "D4K_WLF").

    constants: of published.related_constants; groups: how names start. Raises ValueError where none does.
    """
    for group in groups:
        if not constants.name.str.startswith(f"{group}_").any():
            raise ValueError(f"no constant of a related paper starts with {group}_ (paper/related.py)")
    rows = constants[constants.name.str.startswith(tuple(f"{group}_" for group in groups))]
    words = rows.name.str.partition("_")[2].str.replace("_", " ").str.lower()
    values = rows.value.str.strip('"').str.replace("_", "")
    shown = pd.DataFrame({"setting": words, "value": values, "place": rows.place, "note": rows.note})
    return shown.reset_index(drop=True)


def metrics(measured):
    """Metrics of the related papers: who uses them, through what they run, and what is missing here.

    measured: of bench/related_metrics.register
    """
    shown = measured.rename(columns=lambda name: name.replace("_", " "))
    return shown.assign(**{"runs here": shown["runs here"].map({True: "yes", False: "no"})})


def as_printed(published):
    """A published table for reading: printed heads, "(bold)" or "(underlined)" after a marked value.

    published: of published.table
    """
    return published.map(readable).rename(columns=head)


def readable(cell):
    """A printed cell with its mark in words: "0.547 (bold)" of "**0.547**"."""
    plain = unmarked(cell)
    return cell if plain == cell else f"{plain} ({'bold' if cell.startswith('**') else 'underlined'})"


def head(column):
    """The printed head of a column of a published table: "FID ↓" of fid, "training set" of training_set."""
    return HEADS.get(column, column.replace("_", " "))


def arrow(score):
    """A measured score with the arrow of its better direction: "pos ↑"."""
    return f"{score} {'↓' if score in LOWER else '↑'}"


def with_tokens(published):
    """A table as printed whose models are named F16@4096 or the like, with the picture tokens that they attend to.

    published: of published.table("diffusion4k_tab_6"). Raises ValueError if a name tells no factor and side.
    """
    found = published.model.str.extract(r"-F(\d+)\b.*@(\d+)").astype(float)
    if found.isna().any(axis=None):
        raise ValueError(f"no factor and side in {', '.join(published.model[found.isna().any(axis=1)])}")
    tokens = (found[1] / (found[0] * related.D4K_TOKEN_PATCH)) ** 2
    return as_printed(published).assign(**{"picture tokens (ours)": tokens.map("{:,.0f}".format)})


def size_table(pools, published):
    """Diffusion-4K Tab. 1 with the pictures of our own pools below; `row` says whose each is.

    pools: columns pool, height, width (pixels, missing: left out), a picture each; published: of
    published.table("diffusion4k_tab_1")
    """
    sides = pools.dropna(subset=["height", "width"]).groupby("pool", sort=False)[["height", "width"]]
    ours = {f"{word}_{side}": values.map("{:.0f}".format)
            for word, found in (("median", sides.median()), ("average", sides.mean()))
            for side, values in found.items()}
    measured = pd.DataFrame({"pictures": sides.size().map(_count), **ours}).rename_axis("dataset").reset_index()
    printed = published.assign(pictures=published.dataset.map(PICTURES).map(_count))
    both = pd.concat([printed.assign(row="published"), measured.assign(row="measured")], ignore_index=True)
    return both[["dataset", "row", *measured.columns[1:]]].rename(columns=head)


def _count(pictures):
    return DASH if pd.isna(pictures) else f"{pictures:,.0f}"


def pool_sizes(pools, printed):
    """Diffusion-4K Fig. 1 for our own pools: heights and widths, with the printed medians of the paper's sets as lines.

    pools: columns pool, height, width (pixels, missing: left out), a picture each; printed: of
    published.numbers("diffusion4k_tab_1"). Raises ValueError without a picture.
    """
    pools = pools.dropna(subset=["height", "width"])
    if pools.empty:
        raise ValueError("no pictures: give at least one pool with height and width")
    fig, axes = style.figure(3.2, columns=2, sharey=True)
    for axis, side in zip(axes, ("height", "width"), strict=True):
        medians = printed[f"median_{side}"]
        bins = np.linspace(0, 1.02 * max(pools[side].max(), medians.max()), BINS + 1)
        for (name, rows), colour in zip(pools.groupby("pool", sort=False), cycle(POOLS), strict=False):
            share = np.full(len(rows), 1 / len(rows))
            axis.hist(rows[side], bins, weights=share, color=colour, alpha=0.6, label=f"{name} ({len(rows)} pictures)")
        for (name, median), colour in zip(zip(printed.dataset, medians, strict=True), cycle(SETS), strict=False):
            axis.axvline(median, color=colour, ls="--", lw=1.3, label=f"{name}, printed median")
        axis.set(title=side, xlabel="pixels")
        axis.xaxis.set_major_locator(MaxNLocator(5))
    axes[0].set_ylabel("share of the pool's pictures")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=7.5)
    return fig

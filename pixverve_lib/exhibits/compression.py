"""Exhibits of notebook 09: frames in, one figure or one table out."""
import re

import numpy as np
import pandas as pd

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, INK, KEPT, MUTED, NEUTRAL

SHORT = {
    r"JPEG.XL .*-e (\d).*": r"JXL e\1", r"JPEG XL effort (\d).*": r"JXL e\1", r"JPEG-LS after.*": "JPEG-LS -G",
    r"TIFF.*": "TIFF zstd", r"HTJ2K.*": "HTJ2K", r"W[Ee][Bb][Pp].*(m|method )(\d).*": r"WebP m\2",
    r"PNG \(optimizing=False\)": "PNG", r"PNG \(optimizing=True\)": "PNG opt",
}
QUANTITIES = {"size": "size", "encode": "encoding time", "decode": "decoding time"}


def table_a5(table):
    """Tab. A5: printed bytes and seconds, bits per pixel, and everything relative to QOI on both sides."""
    chosen = {
        "format": "format", "compressed_size_bytes": "published bytes", "compression_time_s": "published encode s",
        "decompression_time_s": "published decode s", "bits_per_pixel_published": "published bits/px (assumed)",
        "bits_per_pixel": "measured bits/px",
    }
    for quantity in QUANTITIES:
        chosen |= {f"{quantity}_to_qoi_published": f"published {quantity} / QOI",
                   f"{quantity}_to_qoi_measured": f"measured {quantity} / QOI",
                   f"{quantity}_difference": f"{quantity} difference"}
    chosen |= {"encode_s_per_mp": "encode s/MP", "decode_s_per_mp": "decode s/MP", "peak_mb": "peak MB",
               "measured_with": "measured with"}
    frame = table[list(chosen)].rename(columns=chosen).round(3)
    return frame.assign(**{"published bytes": frame["published bytes"].astype("Int64")})


def on_screen(frame):
    """The columns of Tab. A5 that fit a page, with a dash for what is missing; the file holds the others as well."""
    wide = ["published encode s", "published decode s", "encode s/MP", "decode s/MP", "peak MB", "measured with"]
    wide += ["encode difference", "decode difference"]
    frame = frame.drop(columns=wide).rename(columns=lambda name: name.replace(" (assumed)", ""))
    return frame.assign(format=frame.format.map(_short)).style.format(precision=2, na_rep="–").hide(axis="index")


def fronts(table, published_fronts, measured_fronts):
    """Size against encoding and decoding speed; those that nobody beats in both are joined.

    table: of ranking.beside; *_fronts: {"encode": bool array, "decode": bool array}
    """
    fig, axes = style.figure(5.6, rows=2, columns=2)
    for row, (side, flags) in enumerate((("published", published_fronts), ("measured", measured_fronts))):
        for column, quantity in enumerate(("encode", "decode")):
            x, y = (table[f"{what}_to_qoi_{side}"].to_numpy(float) for what in (quantity, "size"))
            _front(axes[row, column], x, y, table.format, flags[quantity])
            axes[row, column].set(title=f"{side}: size and {QUANTITIES[quantity]}", xscale="log")
            axes[row, column].set(xlabel="time relative to QOI", ylabel="size relative to QOI")
    return fig


def _front(axis, x, y, names, best):
    there = ~np.isnan(x) & ~np.isnan(y)
    axis.plot(x[there & ~best], y[there & ~best], "o", color=MUTED, ms=3.5, alpha=0.7)
    order = np.argsort(x[best])
    axis.plot(x[best][order], y[best][order], "o-", color=KEPT, ms=4.5, lw=1)
    for i in np.flatnonzero(there):
        label = axis.annotate(_short(names[i]), (x[i], y[i]), xytext=(3, 3), textcoords="offset points", fontsize=6,
                              color=INK if best[i] else MUTED)
        label.set_in_layout(False)
    axis.margins(0.14, 0.1)


def _short(name):
    """A name that fits beside a point."""
    for pattern, short in SHORT.items():
        name = re.sub(pattern, short, name)
    return name


def scaling(frame, start_up):
    """CPU seconds a megapixel against the size of the picture.  start_up: seconds to start an empty program"""
    fig, axes = style.figure(3.0, columns=2, sharey=True)
    colours = (KEPT, NEUTRAL, DROPPED, ACCENT, INK)
    for axis, what in zip(axes, ("encode", "decode"), strict=True):
        for (codec, rows), colour in zip(frame.groupby("codec", sort=False), colours, strict=False):
            axis.loglog(rows.megapixels, rows[f"{what}_s_per_mp"], "o-", ms=3.5, color=colour, label=codec)
        sizes = np.sort(frame.megapixels.dropna().unique())
        axis.loglog(sizes, start_up / sizes, ":", color=MUTED, label=f"starting a program ({1000 * start_up:.1f} ms)")
        axis.set(title=QUANTITIES[what], xlabel="megapixels")
    axes[0].set_ylabel("CPU seconds a megapixel")
    axes[1].legend(fontsize=7)
    return fig


def content(ranks):
    """Rank by size of each codec on each picture, 1 the smallest.  ranks: codecs x pictures"""
    fig, axis = style.figure(0.24 * len(ranks) + 0.9, width=style.WIDTH * 0.85)
    axis.imshow(ranks, cmap="Greens_r", aspect="auto", vmin=-len(ranks), vmax=len(ranks))
    for (i, j), rank in np.ndenumerate(ranks.to_numpy()):
        axis.text(j, i, "" if np.isnan(rank) else f"{rank:.0f}", ha="center", va="center", fontsize=8)
    axis.set_xticks(range(ranks.shape[1]), ranks.columns, rotation=20 if ranks.shape[1] > 5 else 0)
    axis.set_yticks(range(len(ranks)), ranks.index)
    axis.set_title("Rank by size (1 is smallest)")
    axis.grid(False)
    return fig


def random_access(crops):
    """Crop latency and the share of the file that it needs."""
    return crops.rename(columns={"share_read": "share of the file read", "crop": "crop px"}).round(4)


def two_threads(frame):
    """Wall seconds with one and two threads, and the speed-up."""
    table = pd.DataFrame(index=frame.index)
    for what in ("encode", "decode"):
        one, two = frame["one", f"{what}_wall_s"], frame["two", f"{what}_wall_s"]
        table = table.assign(**{f"{what} s, 1 thread": one, f"{what} s, 2 threads": two, f"{what} speed-up": one / two})
    return table.reset_index().round(3)

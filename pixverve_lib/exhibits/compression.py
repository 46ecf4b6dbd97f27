"""Exhibits of notebook 09: frames in, one figure or one table out."""
import re

import numpy as np
import pandas as pd

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, INK, KEPT, MUTED, NEUTRAL

SHORT = {  # rows of Tab. A5, labels and ids of codecs
    r"JPEG.XL .*(-e|effort) (\d).*": r"JXL e\2", r"^jxl-": "JXL ", r"HTJ2K.*|^htj2k$": "HTJ2K",
    r"JPEG-LS after.*|^jpegls-subtract-green$": "JPEG-LS (−G)", r"^jpegls$": "JPEG-LS",
    r"TIFF.*|^tiff-zstd$": "TIFF zstd", r"(?i:webp).*(m|method )(\d).*": r"WebP m\2", r"^qoi$": "QOI",
    r"PNG \(optimizing=False\)|^png$": "PNG", r"PNG \(optimizing=True\)|^png-optimize$": "PNG opt", r"^zpng$": "ZPNG",
}
# places of a name, seen from its point: right and above
PLACES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1.6), (0, -1.6), (1, 0), (-1, 0), (1, 2.2), (1, -2.2), (-1, -2.2))
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
    styled = frame.assign(format=frame.format.map(short)).style.hide(axis="index")
    return styled.format(precision=2, na_rep="–", thousands=",")


def fronts(table, published_fronts, measured_fronts):
    """Size against encoding and decoding speed; those that nobody beats in both are joined.

    table: of ranking.beside; *_fronts: {"encode": bool array, "decode": bool array}. Open dots: estimated rows.
    """
    (fig, axes), drawn = style.figure(5.6, rows=2, columns=2), []
    for row, (side, flags) in enumerate((("published", published_fronts), ("measured", measured_fronts))):
        for column, quantity in enumerate(("encode", "decode")):
            x, y = (table[f"{what}_to_qoi_{side}"].to_numpy(float) for what in (quantity, "size"))
            rough = table.measured_with.str.contains("estimated").to_numpy() & (side == "measured")
            _front(axes[row, column], x, y, flags[quantity], rough)
            axes[row, column].set(title=f"{side}: size and {QUANTITIES[quantity]}", xscale="log")
            axes[row, column].set(xlabel="time relative to QOI", ylabel="size relative to QOI")
            drawn.append((axes[row, column], x, y, flags[quantity]))
    fig.draw_without_rendering()  # places are known from here on
    for axis, x, y, best in drawn:
        _names(axis, x, y, table.format.map(short), best)
    return fig


def _front(axis, x, y, best, rough):
    there = ~np.isnan(x) & ~np.isnan(y)
    axis.plot(x[there & ~best], y[there & ~best], "o", color=MUTED, ms=3.5, alpha=0.7)
    order = np.argsort(x[best])
    axis.plot(x[best][order], y[best][order], "o-", color=KEPT, ms=4.5, lw=1)
    axis.plot(x[rough], y[rough], "o", color="white", ms=1.8)
    axis.margins(0.14, 0.1)


def _names(axis, x, y, names, best):
    """Names beside their points, each where it hides least; the front first."""
    there, points = np.flatnonzero(~np.isnan(x + y)), axis.transData.transform(np.column_stack([x, y])) * 72 / style.DPI
    taken = [(*(points[i] - 2.5), *(points[i] + 2.5)) for i in there]
    inside = axis.get_window_extent()
    taken += [(-1e6, -1e6, inside.x0 * 72 / style.DPI, 1e6), (inside.x1 * 72 / style.DPI + 4, -1e6, 1e6, 1e6)]
    for i in sorted(there, key=lambda i: not best[i]):
        boxes = [_box(*points[i], 3.8 * len(names[i]), *place) for place in PLACES]
        at = int(np.argmin([sum(_overlap(box, other) for other in taken) for box in boxes]))
        taken.append(boxes[at])
        axis.annotate(names[i], (x[i], y[i]), boxes[at][:2] - points[i], textcoords="offset points", fontsize=6,
                      color=INK if best[i] else MUTED).set_in_layout(False)


def _box(x, y, width, right, up):
    """Where a name beside a point lies.  # left, bottom, right, top in points"""
    left, bottom = x - width / 2 + right * (width / 2 + 3), y - 2.5 + up * 5
    return left, bottom, left + width, bottom + 6


def _overlap(one, other):
    """Area that two boxes share, in square points."""
    width, height = (min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1))
    return max(0, width) * max(0, height)


def short(name):
    """A name that fits beside a point or in a row."""
    for pattern, short in SHORT.items():
        name = re.sub(pattern, short, name)
    return name


def scaling(frame, start_up):
    """CPU seconds a megapixel against the size of the picture.  start_up: seconds to start an empty program"""
    fig, axes = style.figure(3.0, columns=2, sharey=True)
    colours = (KEPT, NEUTRAL, DROPPED, ACCENT, INK)
    for axis, what in zip(axes, ("encode", "decode"), strict=True):
        for (codec, rows), colour in zip(frame.groupby("codec", sort=False), colours, strict=False):
            axis.loglog(rows.megapixels, rows[f"{what}_s_per_mp"], "o-", ms=3.5, color=colour, label=short(codec))
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
    axis.set_yticks(range(len(ranks)), ranks.index.map(short))
    axis.set_title("Rank by size (1 is smallest)")
    axis.grid(False)
    return fig


def random_access(crops):
    """Crop latency and the share of the file that it needs."""
    frame = crops.assign(bytes=crops.bytes / 1e6, milliseconds=crops.milliseconds.round(1))
    return frame.rename(columns={"bytes": "MB", "crop": "crop px", "share_read": "share of the file read"}).round(3)


def two_threads(frame):
    """Wall seconds with one and two threads, and the speed-up."""
    table = pd.DataFrame(index=frame.index)
    for what in ("encode", "decode"):
        one, two = frame["one", f"{what}_wall_s"], frame["two", f"{what}_wall_s"]
        table = table.assign(**{f"{what} s, 1 thread": one, f"{what} s, 2 threads": two, f"{what} speed-up": one / two})
    table = table.reset_index().round(3)
    return table.assign(codec=table.codec.map(short))

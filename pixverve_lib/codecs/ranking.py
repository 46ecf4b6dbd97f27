"""What the measurements say: Tab. A5 beside ours, rank correlations, Pareto fronts, and what to use for what."""
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from pixverve_lib.kit.artefacts import ARTEFACTS

PICTURES = 25  # App. H
ASSUMED_PIXELS = 10240**2  # not in paper: the sizes of the 25 pictures are not printed (M38)
QUANTITIES = ("size", "encode", "decode")
PRINTED = dict(zip(QUANTITIES, ("compressed_size_bytes", "compression_time_s", "decompression_time_s"), strict=True))
MEASURED = dict(zip(QUANTITIES, ("bits_per_pixel", "encode_s_per_mp", "decode_s_per_mp"), strict=True))
BROWSERS = ("png", "png-optimize", "webp-m1", "webp-m0")  # formats that every current browser shows


def per_pixel(frame):
    """Adds bits_per_pixel, encode_s_per_mp, decode_s_per_mp; rows without a verified result get NaN.

    frame: from measure.run_jobs
    """
    frame = frame.reindex(columns=[*frame.columns, *({"verified", "bytes", "height", "width"} - set(frame.columns))])
    pixels = frame.height * frame.width
    good = (frame.status == "ok") & (frame.verified == True)  # noqa: E712  NaN is not verified
    return frame.assign(
        bits_per_pixel=(frame.bytes * 8 / pixels).where(good),
        encode_s_per_mp=(frame.encode_s / pixels * 1e6).where(good),
        decode_s_per_mp=(frame.decode_s / pixels * 1e6).where(good),
    )


def beside(published, measured, codecs):
    """Tab. A5 in the paper's order, every time and size relative to QOI on both sides, then our own rows.

    published: published.numbers("tab_a5"); measured: per_pixel rows of one picture; codecs: {id: Codec}
    """
    by_row = {codecs[row.codec].row or codecs[row.codec].label: row for row in measured.itertuples()}
    labels = {codec.row: codec.label for codec in codecs.values() if codec.row}
    names = [*published.compressed_format, *(name for name in by_row if name not in set(published.compressed_format))]
    table = pd.DataFrame({"format": names}).merge(published, "left", left_on="format", right_on="compressed_format")
    table["bits_per_pixel_published"] = table[PRINTED["size"]] * 8 / (PICTURES * ASSUMED_PIXELS)
    for quantity in QUANTITIES:
        table[MEASURED[quantity]] = [getattr(by_row.get(name), MEASURED[quantity], np.nan) for name in names]
        for side, column in (("published", PRINTED[quantity]), ("measured", MEASURED[quantity])):
            table[f"{quantity}_to_qoi_{side}"] = table[column] / table.loc[table.format == "QOI", column].iloc[0]
        difference = table[f"{quantity}_to_qoi_measured"] - table[f"{quantity}_to_qoi_published"]
        table[f"{quantity}_difference"] = difference
    peaks = {name: row.peak_mb for name, row in by_row.items() if not row.side}  # an estimate says nothing of memory
    table["peak_mb"] = [peaks.get(name, np.nan) for name in names]
    table["measured_with"] = [_how(by_row.get(name), labels.get(name, name)) for name in names]
    return table.drop(columns="compressed_format")


def _how(row, label):
    if row is None:
        return "needs its executable"
    if row.status != "ok":
        return row.reason
    if not row.verified:
        return "NOT LOSSLESS here: not ranked"
    return f"{label}; estimated from a {row.width} px square" if row.side else label


def correlations(table):
    """Spearman's rank correlation with Tab. A5 over the rows that both sides have.  Returns quantity, rho, rows."""
    rows = []
    for quantity in QUANTITIES:
        both = table[[PRINTED[quantity], MEASURED[quantity]]].dropna()
        rho = spearmanr(*both.to_numpy().T).statistic if len(both) > 2 else np.nan
        rows.append((quantity, rho, len(both)))
    return pd.DataFrame(rows, columns=["quantity", "rho", "rows"])


def front(size, seconds):
    """Which points no other one beats in both size and seconds (ties beat nobody).  # n bool; NaN is never on it"""
    size, seconds = np.asarray(size, float), np.asarray(seconds, float)
    beaten = [((size <= s) & (seconds <= t) & ((size < s) | (seconds < t))).any() for s, t in zip(size, seconds,
                                                                                                  strict=True)]
    return ~np.array(beaten, bool) & ~np.isnan(size) & ~np.isnan(seconds)


def fronts(table, side):
    """{"encode", "decode"}: which rows of `beside` nobody beats in size and that time.  side: published | measured"""
    return {what: front(table[f"size_to_qoi_{side}"], table[f"{what}_to_qoi_{side}"]) for what in ("encode", "decode")}


def by_content(measured):
    """Rank of each codec by size on each picture.  # codecs x pictures, 1 is smallest; index codec, columns picture"""
    sizes = measured.pivot_table(index="codec", columns="picture", values="bits_per_pixel")
    return sizes.rank().loc[sizes.mean(axis=1).sort_values().index]


def advice(measured, crops):
    """Which format to use, from the measured rows: archive, training loader, web.  Returns use, format, why.

    measured: per_pixel rows of the large picture; crops: random_access.measure's rows
    """
    rows = measured.dropna(subset=["bits_per_pixel"])
    archive = rows.loc[rows.bits_per_pixel.idxmin()]
    loader = crops.loc[crops.milliseconds.idxmin()]
    browser = rows[rows.codec.isin(BROWSERS)]
    web = browser.loc[browser.bits_per_pixel.idxmin()]
    return pd.DataFrame([
        ("archive", archive.codec, f"smallest here: {archive.bits_per_pixel:.2f} bits a pixel, "
                                   f"{archive.encode_s_per_mp * 100:.0f} s of encoding at 100 MP"),
        ("training loader", loader.file, f"a crop of {loader.crop} px in {loader.milliseconds:.1f} ms, reading "
                                         f"{loader.share_read:.1%} of the file"),
        ("web", web.codec, f"smallest that every browser shows: {web.bits_per_pixel:.2f} bits a pixel"
                           + ("; no side above 16383 px" if web.codec.startswith("webp") else "")),
    ], columns=["use", "format", "why"])


def as_artefact(content, large, growing):
    """All measurements in one table with the columns of `codec_jobs`."""
    parts = {"content": content, "large": large, "growing": growing}
    together = pd.concat([frame.assign(part=name) for name, frame in parts.items()], ignore_index=True)
    return together.reindex(columns=list(ARTEFACTS["codec_jobs"].columns))

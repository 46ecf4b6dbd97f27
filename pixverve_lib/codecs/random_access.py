"""A crop from a very large file: how long it takes and how many of its bytes it needs, tiled against whole files."""
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pixverve_lib.imaging import large
from pixverve_lib.kit.artefacts import atomic

CROP = 1024  # pixels


def write_tiled(path, rgb, tile=large.TILE):
    """A TIFF of zstd-compressed tiles with horizontal differencing, without a pyramid.  rgb: H W 3 uint8"""
    with atomic(Path(path)) as temporary:
        large.write_tiled(temporary, *rgb.shape[:2], [rgb], tile=tile, levels=0)


def read_crop(path, top, left, side):
    """The square at (top, left), reading only the tiles that it touches.  Returns (rgb, bytes read)."""
    return large.read_crop(path, top, left, side, side), large.crop_bytes(path, top, left, side, side)


def measure(rgb, folder, whole_codecs, crop=CROP, repeats=5, seed=0):
    """Crops at random places from a tiled TIFF and from files that must be decoded whole.

    whole_codecs: Codec list.  Returns file, bytes, crop, milliseconds (median), share_read. Crops are verified.
    """
    rng = np.random.default_rng(seed)
    places = [(int(rng.integers(rgb.shape[0] - crop)), int(rng.integers(rgb.shape[1] - crop))) for _ in range(repeats)]
    path = Path(folder) / "tiled.tif"
    write_tiled(path, rgb)
    rows = [(f"tiled TIFF, zstd, {large.TILE} px", path.stat().st_size, crop, *_time_tiled(path, rgb, places, crop))]
    for codec in whole_codecs:
        data = codec.encode(rgb)
        start = time.perf_counter()
        same = np.array_equal(codec.decode(data)[places[0][0]:][:crop], rgb[places[0][0]:][:crop])
        spent = time.perf_counter() - start
        if same:
            rows.append((f"{codec.label}, whole", len(data), crop, 1000 * spent, 1.0))
    path.unlink()
    return pd.DataFrame(rows, columns=["file", "bytes", "crop", "milliseconds", "share_read"])


def _time_tiled(path, rgb, places, crop):
    spent, read = [], []
    for top, left in places:
        start = time.perf_counter()
        found = large.read_crop(path, top, left, crop, crop)
        spent.append(time.perf_counter() - start)
        read.append(large.crop_bytes(path, top, left, crop, crop))
        if not np.array_equal(found, rgb[top:top + crop, left:left + crop]):
            raise ValueError(f"the tiled file gave back another crop at {top}, {left}")
    return 1000 * float(np.median(spent)), float(np.mean(read)) / path.stat().st_size

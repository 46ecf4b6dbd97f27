"""A crop from a very large file: how long it takes and how many of its bytes it needs, tiled against whole files."""
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from pixverve_lib.kit.artefacts import atomic

TILE = 512  # pixels
CROP = 1024  # pixels
LEVEL = 1  # zstd


def write_tiled(path, rgb, tile=TILE):
    """A TIFF of zstd-compressed tiles with horizontal differencing.  rgb: H W 3 uint8"""
    with atomic(Path(path)) as temporary:
        tifffile.imwrite(temporary, rgb, tile=(tile, tile), compression="zstd", compressionargs={"level": LEVEL},
                         predictor=True, photometric="rgb")


def read_crop(path, top, left, side):
    """The square at (top, left), reading only the tiles that it touches.  Returns (rgb, bytes read)."""
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        tile, across = page.tilelength, -(-page.imagewidth // page.tilewidth)
        crop, read = np.empty((side, side, 3), np.uint8), 0
        for row in range(top // tile, (top + side - 1) // tile + 1):
            for column in range(left // tile, (left + side - 1) // tile + 1):
                index = row * across + column
                file.filehandle.seek(page.dataoffsets[index])
                data = file.filehandle.read(page.databytecounts[index])
                decoded = page.decode(data, index)[0][0]
                read += len(data)
                _paste(crop, decoded, row * tile - top, column * tile - left)
    return crop, read


def _paste(crop, tile, y, x):
    """Lays a tile whose corner is at (y, x) of the crop over it."""
    height, width = tile.shape[:2]
    y0, y1, x0, x1 = max(0, y), min(len(crop), y + height), max(0, x), min(crop.shape[1], x + width)
    crop[y0:y1, x0:x1] = tile[y0 - y:y1 - y, x0 - x:x1 - x]


def measure(rgb, folder, whole_codecs, crop=CROP, repeats=5, seed=0):
    """Crops at random places from a tiled TIFF and from files that must be decoded whole.

    whole_codecs: Codec list.  Returns file, bytes, crop, milliseconds (median), share_read. Crops are verified.
    """
    rng = np.random.default_rng(seed)
    places = [(int(rng.integers(rgb.shape[0] - crop)), int(rng.integers(rgb.shape[1] - crop))) for _ in range(repeats)]
    path = Path(folder) / "tiled.tif"
    write_tiled(path, rgb)
    rows = [(f"tiled TIFF, zstd, {TILE} px", path.stat().st_size, crop, *_time_tiled(path, rgb, places, crop))]
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
        found, count = read_crop(path, top, left, crop)
        spent.append(time.perf_counter() - start)
        read.append(count)
        if not np.array_equal(found, rgb[top:top + crop, left:left + crop]):
            raise ValueError(f"the tiled file gave back another crop at {top}, {left}")
    return 1000 * float(np.median(spent)), float(np.mean(read)) / path.stat().st_size

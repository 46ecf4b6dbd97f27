"""Very large pictures in bounded memory: written from bands of rows, kept in tiles, read by the crop.

The file is an ordinary BigTIFF: square tiles with lossless zstd and horizontal differences (or JPEG tiles), and in its
SubIFDs a pyramid: pixel (y, x) of level k covers rows y 2^k to (y + 1) 2^k - 1 of the picture. Each level is the 2 x 2
average of the one above; an odd last row or column counts twice. Equal input gives equal bytes.

What reads takes any other picture, too, as `reading.read_rgb` does: upright, but decoded whole by each call (half a
second and 315 MB at 100 MP), so cut many crops from what `read_rgb` gives instead.

Colour: pixels are never converted. Who writes hands on the ICC profile of the source (`icc_profile`) and the file keeps
it unchanged, so that a viewer shows both alike; statistics are of the file's own values, as in `reading`.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import fsspec
import numpy as np
import tifffile
from PIL import Image
from scipy import sparse

from pixverve_lib.imaging import reading
from pixverve_lib.imaging.reading import UnreadableImage

TILE = 512  # pixels: a crop of 768 touches 4 to 9 of them, a level of 100 MP has 400
LOSSLESS = {"compression": "zstd", "compressionargs": {"level": 1}, "predictor": True}
WRITER = {
    "photometric": "rgb", "maxworkers": 2, "buffersize": 2**24,  # encoding threads, bytes of tiles that wait for them
    "metadata": None, "software": False,  # no tags of tifffile's own: its next version may write others
}
SLICE = 128  # rows that are averaged at a time


def write_tiled(path, height: int, width: int, bands: Iterable[np.ndarray], *, quality: int | None = None,
                icc: bytes | None = None, tile: int = TILE, levels: int | None = None) -> None:
    """Write bands (rows width 3 uint8, any number of rows each, from the top) as a tiled picture, atomically.

    quality: None is lossless, 1 to 100 are JPEG 4:2:0; tile: side in pixels, a multiple of 16; levels: how many reduced
    ones, None for all down to a single tile. Holds a few bands, and on the disk for a while a third of the raw picture.
    Raises ValueError when the bands are not height x width in all; what `bands` raises passes.
    """
    way = WRITER | (LOSSLESS if quality is None else {"compression": "jpeg", "compressionargs": {"level": quality}})
    temporary = Path(path).with_name(f".{Path(path).name}.{os.getpid()}.tmp")
    sizes = [(height, width)]
    while max(sizes[-1]) > tile if levels is None else len(sizes) <= levels:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    try:
        with tifffile.TiffWriter(temporary, bigtiff=True, byteorder="<") as file:
            _write_levels(file, sizes, _rechunked(bands, height, width, tile), tile, way | {"iccprofile": icc})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def size(path, level: int = 0) -> tuple[int, int]:
    """(height, width) of a level, from the header. Raises UnreadableImage, and IndexError without such a level."""
    with _tiled_page(path, level) as page:
        if page is not None:
            return page.shape[:2]
    return reading.probe(path)[:2]


def read_crop(path, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:  # height width 3 uint8
    """A rectangle, in pixels of the level; of a tiled picture only the tiles that it touches are read.

    Raises UnreadableImage, and IndexError when the rectangle is not inside the picture or the level does not exist.
    """
    with _tiled_page(path, level) as page:
        if page is not None:
            return _crop(page, top, left, height, width)
    rgb = reading.read_rgb(path)
    _refuse_outside(rgb.shape, top, left, height, width)
    return rgb[top : top + height, left : left + width].copy()


def crop_bytes(path, top: int, left: int, height: int, width: int) -> int:
    """How many bytes of a tiled picture `read_crop` reads and decodes for this rectangle. Raises as it does."""
    with _tiled_page(path, 0) as page:
        if page is not None:
            return sum(page.databytecounts[index] for index, _, _ in _touched(page, top, left, height, width))
    return os.path.getsize(path)


def read_bands(path, level: int = 0) -> Iterator[np.ndarray]:  # rows width 3 uint8
    """The rows of a level from the top, in bands of one row of tiles. Raises as `read_crop` does."""
    with _tiled_page(path, level) as page:
        if page is not None:
            for top in range(0, page.shape[0], page.tilelength):
                yield _crop(page, top, 0, min(page.tilelength, page.shape[0] - top), page.shape[1])
            return
    rgb = reading.read_rgb(path)
    yield from (rgb[top : top + TILE] for top in range(0, len(rgb), TILE))


def shrunk(path, height: int, width: int) -> np.ndarray:  # height width 3 uint8
    """The picture averaged over the area of each new pixel, in bands; rounded half up once, at the end.

    Any size from 1 x 1 to the picture's own; raises ValueError for a larger one, and as `read_crop` does.
    """
    old_height, old_width = size(path)
    if not (0 < height <= old_height and 0 < width <= old_width):
        raise ValueError(f"{old_height} x {old_width} px cannot be shrunk to {height} x {width}")
    weights, small = _area_weights(old_height, height), np.empty((height, width, 3), np.uint8)
    top, unfinished = 0, 0.0
    for part in (band[i : i + SLICE] for band in read_bands(path) for i in range(0, len(band), SLICE)):
        bottom = top + len(part)
        first, last = top * height // old_height, -(-bottom * height // old_height)
        rows = weights[first:last, top:bottom] @ part.reshape(len(part), -1)
        rows = cv2.resize(rows.reshape(last - first, old_width, 3), (width, last - first), interpolation=cv2.INTER_AREA)
        rows[0] += unfinished  # what the part above has of this row
        unfinished = rows[-1].copy() if bottom * height % old_height else 0.0
        small[first:last] = rows + 0.5
        top = bottom
    return small


def thumbnail(path, long_side: int) -> np.ndarray:  # H W 3 uint8
    """The picture shrunk to long_side px by area averaging, from the smallest level that has them."""
    with _tiled_page(path, 0) as page:
        levels = len(page.subifds or ()) if page else 0
    level = next(k for k in range(levels, -1, -1) if k == 0 or max(size(path, k)) >= long_side)
    return reading.thumbnail(read_crop(path, 0, 0, *size(path, level), level), long_side)


def icc_profile(path) -> bytes | None:
    """The RGB profile embedded in a picture, or None. Raises UnreadableImage.

    Profiles of CMYK and gray files are left out, for they do not describe the RGB values that `read_rgb` makes of them.
    """
    opened = fsspec.open if "://" in os.fspath(path) else open
    try:
        with opened(path, "rb") as file, Image.open(file, formats=reading.FORMATS) as image:
            profile = image.info.get("icc_profile") or b""
    except OSError as error:
        raise UnreadableImage(f"its header cannot be read: {error}") from error
    return profile if profile[16:20] == b"RGB " else None  # the colour space field of ICC.1


def _write_levels(file, sizes, chunks, tile, way) -> None:
    """Each level as it comes; meanwhile the next one goes, raw, to a file without a name beside it."""
    with contextlib.ExitStack() as spools:
        for level, size in enumerate(sizes):
            kind = {"subfiletype": 1} if level else {"subifds": len(sizes) - 1}
            if below := sizes[level + 1 : level + 2]:
                spool = spools.enter_context(tempfile.TemporaryFile(dir=file.filehandle.dirname))
                chunks = _halving(chunks, spool)
            file.write(_tiles(chunks, tile), shape=(*size, 3), dtype=np.uint8, tile=(tile, tile), **kind, **way)
            chunks = _spooled(spool, *below[0], tile) if below else None


def _rechunked(bands, height, width, rows) -> Iterator[np.ndarray]:
    """The same picture in bands of `rows` rows; the last one comes only when `bands` has ended well."""
    chunk, filled, left = np.empty((rows, width, 3), np.uint8), 0, height
    for band in bands:
        left -= len(band)
        if band.dtype != np.uint8 or band.shape[1:] != (width, 3) or left < 0:
            raise ValueError(f"a band of {band.dtype} {band.shape} exceeds the uint8 picture ({height}, {width}, 3)")
        while len(band):
            if filled == rows:
                yield chunk
                chunk, filled = np.empty_like(chunk), 0  # the old one is still being encoded
            taken = min(rows - filled, len(band))
            chunk[filled : filled + taken] = band[:taken]
            band, filled = band[taken:], filled + taken
    if left:
        raise ValueError(f"the bands have {height - left} rows in all, the picture has {height}")
    yield chunk[:filled]


def _halving(chunks, spool) -> Iterator[np.ndarray]:
    for chunk in chunks:
        even = cv2.copyMakeBorder(chunk, 0, len(chunk) % 2, 0, chunk.shape[1] % 2, cv2.BORDER_REPLICATE)
        spool.write(cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).data)
        yield chunk


def _spooled(spool, height, width, rows) -> Iterator[np.ndarray]:
    spool.seek(0)
    for _ in range(0, height, rows):
        yield np.frombuffer(spool.read(rows * width * 3), np.uint8).reshape(-1, width, 3)


def _tiles(chunks, side) -> Iterator[np.ndarray]:
    for chunk in chunks:
        for left in range(0, chunk.shape[1], side):
            part = chunk[:, left : left + side]
            down, right = side - part.shape[0], side - part.shape[1]
            # Beyond the picture its edge goes on: zeros would show through JPEG's blocks.
            yield cv2.copyMakeBorder(part, 0, down, 0, right, cv2.BORDER_REPLICATE) if down or right else part


@contextlib.contextmanager
def _tiled_page(path, level):
    """The TIFF page of a level, None for a picture of another kind; whatever fails inside becomes UnreadableImage."""
    head = b""
    with contextlib.suppress(OSError), open(path, "rb") as file:  # `reading` says why it cannot be opened
        head = file.read(4)
    try:
        with tifffile.TiffFile(path) if head == b"II+\0" else contextlib.nullcontext() as file:
            page = file and file.pages.first
            ours = page and page.is_tiled and page.shape[2:] == (3,) and page.dtype == np.uint8
            levels = [page, *(page.pages or ())] if ours else [None]
            if not 0 <= level < len(levels):
                raise IndexError(f"the picture has levels 0 to {len(levels) - 1}, not {level}")
            yield levels[level]
    except (UnreadableImage, IndexError, MemoryError):
        raise
    except Exception as error:  # tifffile and the codecs raise nearly everything on damaged data
        raise UnreadableImage(f"damaged or truncated: {error}") from error


def _crop(page, top, left, height, width) -> np.ndarray:
    rgb = np.empty((height, width, 3), np.uint8)
    for index, y, x in _touched(page, top, left, height, width):
        page.parent.filehandle.seek(page.dataoffsets[index])
        data = page.parent.filehandle.read(page.databytecounts[index])
        if len(data) < page.databytecounts[index]:
            raise UnreadableImage("truncated: the file ends before the picture does")
        tile = page.decode(data, index, jpegtables=page.jpegtables)[0][0]
        y0, x0 = max(top, y), max(left, x)
        part = tile[y0 - y : top + height - y, x0 - x : left + width - x]
        rgb[y0 - top : y0 - top + part.shape[0], x0 - left : x0 - left + part.shape[1]] = part
    return rgb


def _touched(page, top, left, height, width) -> Iterator[tuple[int, int, int]]:
    """(index, top, left) of the tiles that a rectangle touches."""
    _refuse_outside(page.shape, top, left, height, width)
    across = -(-page.imagewidth // page.tilewidth)
    for row in range(top // page.tilelength, -(-(top + height) // page.tilelength)):
        for column in range(left // page.tilewidth, -(-(left + width) // page.tilewidth)):
            yield row * across + column, row * page.tilelength, column * page.tilewidth


def _refuse_outside(shape, top, left, height, width) -> None:
    if not (0 <= top < top + height <= shape[0] and 0 <= left < left + width <= shape[1]):
        raise IndexError(f"{height} x {width} px at ({top}, {left}) are not inside {shape[0]} x {shape[1]} px")


def _area_weights(length, new) -> sparse.csc_array:  # new x length float32
    """Row i averages the old pixels, or parts of them, below new pixel i."""
    cuts = np.union1d(np.arange(length + 1) * new, np.arange(new + 1) * length)  # in units of 1 / (length * new)
    middles = cuts[1:] + cuts[:-1]
    places = middles // (2 * length), middles // (2 * new)
    return sparse.csc_array(((np.diff(cuts) / length).astype(np.float32), places), shape=(new, length))

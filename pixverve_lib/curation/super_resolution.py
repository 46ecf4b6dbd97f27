"""Tiered super-resolution to 100 MP (Sec. 3.1.3): native pictures stay as they are, others grow 2x or 4x.

An up-scaler is a callable `(tile, scale, prompt) -> tile`: H W 3 uint8 in, sH sW 3 float32 in [0, 255] out. It has a
`name`, and may have `margin` (pixels of input that it wants to see around a tile; default 0), `threads` (how many tiles
it may be given at once; default 2) and `version` (text that changes when its results do, such as a hash of weights).

The picture to enlarge is held whole; what it becomes never is: tiles are blended into bands, and bands are written.
"""

import json
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from pixverve_lib.imaging import large, reading, tiling
from pixverve_lib.imaging.reading import UnreadableImage
from pixverve_lib.kit.artefacts import DiskFull, atomic, write_bytes_atomically
from pixverve_lib.kit.progress import progress
from pixverve_lib.kit.run import Run
from pixverve_lib.paper.constants import LARGE_SR_SCALE, MEDIUM_SR_SCALE, SEAM_STRIDE

TILE = 512  # output pixels; not in paper: choice
STRIDE = SEAM_STRIDE  # output pixels; Sec. 3.1.4: the seams that the inspection looks for
SCALES = {"2x": LARGE_SR_SCALE, "4x": MEDIUM_SR_SCALE}  # Sec. 3.1.3 ii), iii)
THREADS = 2
VERSION = "1"  # change it when the same up-scaler gives another picture: finished ones are then made again
UHR = ("id", "path", "source_path", "tier", "scale", "upscaler", "source_height", "source_width", "height", "width",
       "seconds", "tiles")

Upscaler = Callable[[np.ndarray, int, str], np.ndarray]


class BadTile(ValueError):
    """An up-scaler returned something else than it promised; the message names it and what was wrong."""


class OtherPicture(ValueError):
    """The file is not the picture that the pool speaks of."""


def produce(run: Run, pool: pd.DataFrame, upscaler_name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bring every picture of a candidate pool to 100 MP.  Returns (uhr: columns UHR; failures: path, step, reason).

    pool: rows with id, path, tier, caption, height, width. A native picture is recorded as it is (scale 1, 0 tiles).
    The others are written to `run.folder/uhr/<up-scaler>/<id>.tif`, each with a small `.json` that says how it was
    made: one that is there and was made the same way is not made again. A picture that fails leaves one line, its row
    in `failures`, and the rest goes on. One process at a time may work on a picture.

    Raises DiskFull (what is finished stays; run again), and what `upscalers.load` raises.
    """
    upscaler = _load(upscaler_name) if (pool.tier != "native").any() else None
    jobs = [_Job(run.folder / "uhr", row, upscaler) for row in pool.itertuples()]
    made = {job.id: row for job in jobs if (row := job.finished())}
    failures = []
    with progress(len(jobs), f"super-resolution by {upscaler_name}", kept=["ok"] * len(made)) as count:
        for job in jobs:
            if job.id in made:
                continue
            try:
                made[job.id] = job.make()
                count("ok")
            except DiskFull:
                raise
            except Exception as error:  # an up-scaler may raise anything, and costs one picture by it
                failures.append((job.source, "super-resolution", _reason(error)))
                tqdm.write(f"{job.id}: {job.source}: {failures[-1][2]}", file=sys.stdout)
                count("rejected")
    rows = [made[job.id] for job in jobs if job.id in made]
    return pd.DataFrame(rows, columns=list(UHR)), pd.DataFrame(failures, columns=["path", "step", "reason"], dtype=str)


def upscale(source, target: Path, upscaler: Upscaler, scale: int, prompt: str = "") -> tuple[int, int, int]:
    """Write `source`, `scale` times larger, as a tiled TIFF (imaging/large.py), atomically.

    Returns (height, width, number of tiles). Beside the decoded source (and what the up-scaler itself needs) about
    100 MB are needed at 10240 x 10240. Raises UnreadableImage, BadTile, DiskFull, and what the up-scaler raises.
    """
    rgb = reading.read_rgb(source)
    height, width = rgb.shape[0] * scale, rgb.shape[1] * scale
    places = [(row, column) for row in tiling.plan(height, TILE, STRIDE) for column in tiling.plan(width, TILE, STRIDE)]
    enlarge = partial(_enlarged, rgb, upscaler, scale, prompt)
    bar = tqdm(total=len(places), desc=Path(target).stem, unit=" tiles", mininterval=1, delay=1, leave=False,
               position=0, file=sys.stdout)
    with bar, atomic(target) as temporary, closing(_in_order(enlarge, places, upscaler)) as tiles:
        bands = tiling.blend(_counted(tiles, bar), height, width, TILE, STRIDE)
        large.write_tiled(temporary, height, width, bands, icc=large.icc_profile(source))
    return height, width, len(places)


class _Job:
    """One picture of the pool: what is to be made of it, and whether it is there already."""

    def __init__(self, folder: Path, row, upscaler: Upscaler | None):
        self.id, self.source, self.tier = row.id, row.path, row.tier
        self.height, self.width, self.upscaler = int(row.height), int(row.width), upscaler
        self.scale = 1 if row.tier == "native" else SCALES[row.tier]
        self.prompt = row.caption if isinstance(row.caption, str) else ""
        if upscaler:
            self.target = folder / re.sub(r"[^\w.-]+", "-", upscaler.name) / f"{row.id}.tif"
            # `id` is a hash of the source's content, so its path and time may change.
            self.way = {"id": row.id, "upscaler": upscaler.name, "upscaler_version": getattr(upscaler, "version", ""),
                        "scale": self.scale, "prompt": self.prompt, "tile": TILE, "stride": STRIDE, "version": VERSION}

    def finished(self) -> dict | None:
        """The row of `uhr`, of a native picture or one that was made before, in the same way and to its end."""
        if self.tier == "native":
            return self._row(self.source, "", seconds=0.0, tiles=0)
        try:
            record = json.loads(self._record.read_bytes())
            same = record["way"] == self.way and record["bytes"] == self.target.stat().st_size
            return self._row(str(self.target), self.upscaler.name, record["seconds"], record["tiles"]) if same else None
        except (OSError, ValueError, KeyError):
            return None

    def make(self) -> dict:
        header = reading.probe(self.source)
        if (header.height, header.width) != (self.height, self.width):
            raise OtherPicture(f"{header.height} x {header.width} px, the pool says {self.height} x {self.width}")
        for left_over in self.target.parent.glob(f".*{self.id}.*partial*"):  # of a run that was killed
            left_over.unlink()
        start = time.perf_counter()
        *_, tiles = upscale(self.source, self.target, self.upscaler, self.scale, self.prompt)
        seconds = time.perf_counter() - start
        record = {"way": self.way, "bytes": self.target.stat().st_size, "seconds": seconds, "tiles": tiles}
        write_bytes_atomically(self._record, json.dumps(record, indent=1, ensure_ascii=False).encode())
        return self._row(str(self.target), self.upscaler.name, seconds, tiles)

    @property
    def _record(self) -> Path:
        return self.target.with_suffix(".json")

    def _row(self, path, upscaler, seconds, tiles) -> dict:
        values = (self.id, path, self.source, self.tier, self.scale, upscaler, self.height, self.width,
                  self.height * self.scale, self.width * self.scale, seconds, tiles)
        return dict(zip(UHR, values, strict=True))


def _load(name: str) -> Upscaler:
    from pixverve_lib.models import upscalers  # networks: seconds to import

    return upscalers.load(name)


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split())  # one line
    return words if isinstance(error, BadTile | OtherPicture | UnreadableImage) else f"{type(error).__name__}: {words}"


def _in_order(enlarge, places, upscaler) -> Iterator[np.ndarray]:
    """The tiles of all places, in order; only a few are made ahead of the one that is taken."""
    threads, ahead = getattr(upscaler, "threads", THREADS), deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for place in places:
                ahead.append(pool.submit(enlarge, place))
                if len(ahead) > 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _counted(tiles: Iterable, bar: tqdm) -> Iterator:
    for tile in tiles:
        yield tile
        bar.update()


def _enlarged(rgb, upscaler, scale, prompt, place) -> np.ndarray:  # H W 3 float32
    """The up-scaled tile of one place, made with its margin and then without it."""
    margin = getattr(upscaler, "margin", 0)
    rows, columns = (slice(span.start // scale, span.stop // scale) for span in place)
    seen = _with_margin(rgb, rows, columns, margin)
    out = _checked(upscaler(seen, scale, prompt), seen.shape, scale, upscaler.name)
    inner = slice(margin * scale, out.shape[0] - margin * scale), slice(margin * scale, out.shape[1] - margin * scale)
    return np.ascontiguousarray(out[inner])


def _with_margin(rgb, rows, columns, margin) -> np.ndarray:
    """A rectangle with `margin` pixels around it, mirrored at the picture's border (its outermost pixels twice)."""
    height, width = rgb.shape[:2]
    lacking = (max(0, margin - rows.start), max(0, rows.stop + margin - height),
               max(0, margin - columns.start), max(0, columns.stop + margin - width))
    there = rgb[max(0, rows.start - margin):rows.stop + margin, max(0, columns.start - margin):columns.stop + margin]
    return cv2.copyMakeBorder(there, *lacking, cv2.BORDER_REFLECT)


def _checked(out, shape, scale, name) -> np.ndarray:
    due = shape[0] * scale, shape[1] * scale, 3
    if not isinstance(out, np.ndarray) or out.dtype != np.float32:
        kind = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
        raise BadTile(f"up-scaler {name} returned a tile of {kind} instead of float32")
    if out.shape != due:
        raise BadTile(f"up-scaler {name} returned a tile of shape {out.shape} instead of {due}")
    low, high = float(out.min()), float(out.max())  # NaN passes through both
    if not np.isfinite([low, high]).all():
        raise BadTile(f"up-scaler {name} returned a tile with NaN or infinite values")
    if low < 0 or high > 255:
        raise BadTile(f"up-scaler {name} returned values from {low:g} to {high:g}, outside 0 to 255")
    return out

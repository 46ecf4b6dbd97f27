"""The pictures that codecs are measured on, as PNM files (App. H): scenes of every layout, a large one, or your own."""
import os
from pathlib import Path

import numpy as np
import pandas as pd

from pixverve_lib.imaging.reading import SUFFIXES, UnreadableImage, probe, read_rgb
from pixverve_lib.kit.artefacts import atomic
from pixverve_lib.kit.progress import progress
from pixverve_lib.scenes import camera, layouts, render

CONTENT = (576, 864)  # half a megapixel of each layout, enough to rank sizes
LARGE = {"smoke": (2600, 3900)}  # height, width; every other budget:
LARGE_DEFAULT = (8200, 12300)  # 100.9 MP
LARGE_LAYOUT = "foliage"  # detail everywhere, as in the paper's pictures
MOST = {"smoke": 3, "laptop": 9}  # of the user's pictures; every other budget: 25 (App. H)


def prepare(run):
    """PNM files below the run's cache.  Returns columns picture, file, role ("content" | "large"), height, width.

    With the user's pictures the largest is `large`, and the centre of each is measured for content. A picture that
    cannot be read has a row with role "rejected" and the reason in `file`.
    """
    folder = run.cache / "pnm"
    folder.mkdir(parents=True, exist_ok=True)
    return _users(run, folder) if run.images else _scenes(run, folder)


def _scenes(run, folder):
    height, width = LARGE.get(run.budget, LARGE_DEFAULT)
    shown = layouts.LAYOUTS[:2] if run.budget == "smoke" else layouts.LAYOUTS
    wanted = [(layout, *CONTENT, "content") for layout in shown] + [(LARGE_LAYOUT, height, width, "large")]
    rows = []
    with progress(len(wanted), "drawing scenes as PNM") as count:
        for layout, rows_high, columns, role in wanted:
            scene = layouts.compose(layout, 1000 + run.seed, columns / rows_high)
            file = folder / f"{layout.replace(' ', '-')}-{1000 + run.seed}-{rows_high}x{columns}.ppm"
            if not file.exists():
                write_pnm(file, rows_high, columns, camera.record(render.draw(scene, rows_high, columns), run.seed))
            rows.append((layout if role == "content" else f"{layout}, large", str(file), role, rows_high, columns))
            count("ok")
    return pd.DataFrame(rows, columns=["picture", "file", "role", "height", "width"])


def _users(run, folder):
    paths = sorted(path for path in Path(run.images).rglob("*") if path.suffix.lower() in SUFFIXES)
    headers, rows = [], []
    for path in paths:
        try:
            headers.append((path, probe(path)))
        except UnreadableImage as error:
            rows.append((path.name, error.reason, "rejected", 0, 0))
    headers = sorted(headers, key=lambda pair: -pair[1].height * pair[1].width)[:MOST.get(run.budget, 25)]
    for i, (path, header) in enumerate(headers):
        file = folder / f"{path.stem}-{os.stat(path).st_mtime_ns}-{header.height}x{header.width}.ppm"
        try:
            if not file.exists():
                rgb = read_rgb(path)
                write_pnm(file, *rgb.shape[:2], [rgb])
        except UnreadableImage as error:
            rows.append((path.name, error.reason, "rejected", 0, 0))
            continue
        rows += [(path.stem, str(file), role, header.height, header.width) for role in ("content",
                                                                                        "large")[:2 if i == 0 else 1]]
    return pd.DataFrame(rows, columns=["picture", "file", "role", "height", "width"])


def load(path, side=0):
    """A picture that `write_pnm` wrote, or the square of `side` from its middle; only what is asked for is read."""
    with open(path, "rb") as file:
        _, width, height, _ = file.readline().split()
        rgb = np.memmap(file, np.uint8, "r", file.tell(), (int(height), int(width), 3))
    if side:
        top, left = (max(0, (length - side) // 2) for length in rgb.shape[:2])
        rgb = rgb[top:top + side, left:left + side]
    return np.array(rgb)


def write_pnm(path, height, width, bands):
    """A binary PPM, written band by band.  bands: rows width 3 uint8, from the top"""
    with atomic(Path(path)) as temporary, open(temporary, "wb") as file:
        file.write(b"P6 %d %d 255\n" % (width, height))
        for rgb in bands:
            file.write(rgb.tobytes())

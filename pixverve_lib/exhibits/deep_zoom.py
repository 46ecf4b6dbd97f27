"""A very large picture as JPEG tiles beside the report, and the pinned viewer (Bokeh) that shows them from file://.

The pyramid is the picture's own (imaging/large.py writes it: tiles of 512 px, each level half as large), so tiles are
only encoded again, one at a time. Nothing here is committed: figures/*/ is ignored, and the next report makes it again.
"""
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from pixverve_lib.kit import artefacts
from pixverve_lib.kit.artefacts import MissingArtefact, whole_folder
from pixverve_lib.kit.progress import progress

PIXELS = 99_000_000  # the paper's 100 MP and its round numbers, as "~100MP" in Sec. 3.1.3
QUALITY = 85  # of the tiles, for looking at; not in paper: choice
BACKDROP = "#1d232b"
VERSION = 2  # of what is written below: another number makes tiles anew


class NoPicture(Exception):
    """No picture for the viewer; the message is one line that says what to run."""


def show(run):
    """Tiles of one 100 MP picture of this run in figures/.../tiles, made only when they are not there yet.

    Returns what the report says of it: id, height, width, tier, upscaler. Raises NoPicture.
    """
    row = _picture(run)
    folder, source = run.figures / "tiles", Path(row["path"])
    state = source.stat()
    wanted = {key: row[key] for key in ("id", "height", "width", "tier", "upscaler", "scale")} | {
        "bytes": state.st_size, "modified": state.st_mtime_ns, "version": VERSION}
    if not _is_there(folder, wanted):
        with whole_folder(folder) as fresh:
            _write(fresh, source)
            (fresh / "picture.json").write_text(json.dumps(wanted))
    return wanted


def _picture(run):
    """The first up-scaled picture of at least 100 MP that notebook 02 has kept: its files hold a pyramid."""
    command = artefacts.command(run, "02_super_resolution")
    try:
        pool = artefacts.read(run, "uhr_pool")
    except MissingArtefact:
        raise NoPicture(f"the 100 MP picture needs notebook 02 of this run: {command}") from None
    large = pool[(pool.height * pool.width >= PIXELS) & (pool.scale > 1) & pool.kept]
    there = large[large.path.map(lambda path: Path(path).is_file())]
    if there.empty:
        raise NoPicture(f"notebook 02 of this run has kept no up-scaled picture of 100 MP: {command}")
    return json.loads(there.iloc[0][["id", "path", "height", "width", "tier", "upscaler", "scale"]].to_json())


def _is_there(folder, wanted):
    about = folder / "picture.json"
    return about.exists() and json.loads(about.read_text()) == wanted


def _write(folder, source):
    """folder/LEVEL/COLUMN_ROW.jpg (0 is the smallest level) and, beside them, the viewer."""
    import tifffile
    from bokeh.util.paths import static_path

    with tifffile.TiffFile(source) as file:
        page = file.pages.first
        levels = [page, *(page.pages or ())]
        with progress(sum(len(level.dataoffsets) for level in levels), "the 100 MP viewer", unit="tiles") as count:
            for up, level in enumerate(reversed(levels)):
                _write_level(folder / str(up), level, page.iccprofile, count)
        viewer = _viewer(*page.shape[:2], page.tilewidth, len(levels) - 1)
    (folder / "picture.js").write_text(f"const picture = {viewer};\n")
    shutil.copy(Path(static_path()) / "js" / "bokeh.min.js", folder)


def _write_level(folder, page, profile, count):
    folder.mkdir()
    side = page.tilewidth
    backdrop = np.array([int(BACKDROP[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    for pixels, (*_, top, left, _), _ in page.segments(maxworkers=1, buffersize=2**24):
        height, width = min(side, page.imagelength - top), min(side, page.imagewidth - left)
        tile = np.tile(backdrop, (side, side, 1))
        tile[:height, :width] = pixels[0, :height, :width]
        row, column = top // side, left // side
        Image.fromarray(tile).save(folder / f"{column}_{row}.jpg", quality=QUALITY, icc_profile=profile)
        count("written")


def _viewer(height, width, side, top):
    """Bokeh's description of the viewer as JSON.

    A unit is a pixel; level 0 is one tile, level `top` the picture itself in the upper left of a square of 2^top tiles.
    """
    from bokeh.embed import json_item
    from bokeh.models import PanTool, Range1d, WheelZoomTool, WMTSTileSource
    from bokeh.plotting import figure

    world = side * 2**top
    wheel, drag = WheelZoomTool(zoom_on_axis=False), PanTool()
    most = {"min_interval": 32, "max_interval": 4 * max(height, width)}
    plot = figure(
        name="picture", tools=[wheel, drag], active_scroll=wheel, active_drag=drag, toolbar_location=None,
        x_range=Range1d(0, width, **most), y_range=Range1d(world - height, world, **most),
        sizing_mode="stretch_both", match_aspect=True, min_border=0, outline_line_color=None,
        background_fill_color=BACKDROP, border_fill_color=BACKDROP)
    plot.axis.visible = plot.grid.visible = False
    plot.add_tile(WMTSTileSource(
        url="tiles/{Z}/{X}_{Y}.jpg", tile_size=side, max_zoom=top, initial_resolution=2**top, x_origin_offset=0,
        y_origin_offset=0, wrap_around=False))
    facts = {"height": height, "width": width, "side": side, "top": top, "item": json_item(plot, "viewer")}
    return json.dumps(facts).replace("<", "\\u003c")

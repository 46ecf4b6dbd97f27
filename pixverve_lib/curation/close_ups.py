"""What notebook 02 looks at: one square by several up-scalers, a planted seam, the patches of the region filter."""
import cv2
import numpy as np

from pixverve_lib.curation import seam_filter, spectra
from pixverve_lib.imaging import large, reading
from pixverve_lib.paper.constants import REGION_PATCH, SEAM_STRIDE
from pixverve_lib.scenes import seam_damage

SIDE = 96  # pixels of a close-up, in the 100 MP picture
SHOWN = 1200  # pixels, long side of a whole picture in a figure
TILES = 8  # a side of the part in which one is spoiled


def crops(paths, upscalers):
    """One square of a window of each picture, by several hands.

    Returns a list of {title: SIDE SIDE 3 uint8}: the input with its pixels enlarged, each up-scaler, the native pixels.
    """
    return [_square(spectra.window(path, max(u.margin for u in upscalers)), upscalers) for path in paths]


def _square(view, upscalers):
    top, left = _busiest(view.native)
    place = slice(top, top + SIDE), slice(left, left + SIDE)
    inner = view.low[view.margin:, view.margin:]
    found = {"input": np.kron(inner, np.ones((spectra.SCALE, spectra.SCALE, 1), np.uint8))}
    found |= {upscaler.name: spectra.super_resolved(view, upscaler) for upscaler in upscalers} | {"native": view.native}
    return {title: rgb[place] for title, rgb in found.items()}


def _busiest(rgb):
    """Corner of the square of SIDE that has the most detail.  # top, left"""
    n = len(rgb) // SIDE
    detail = np.abs(cv2.Laplacian(cv2.cvtColor(rgb[:n * SIDE, :n * SIDE], cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    means = cv2.resize(detail, (n, n), interpolation=cv2.INTER_AREA)
    return tuple(SIDE * int(i) for i in np.unravel_index(means.argmax(), means.shape))


def spoiled(path, severity=3, seed=0):
    """A part of a picture with one tile too bright by `severity` levels, for exhibits' `seam_map`.

    Returns (rgb, shrunk; segments; planted).
    """
    height, width = large.size(path)
    side = min(TILES * SEAM_STRIDE, height // SEAM_STRIDE * SEAM_STRIDE, width // SEAM_STRIDE * SEAM_STRIDE)
    top, left = ((n - side) // 2 // SEAM_STRIDE * SEAM_STRIDE for n in (height, width))
    damage = seam_damage.plant(large.read_crop(path, top, left, side, side), "brightness", severity, SEAM_STRIDE, seed)
    small = reading.thumbnail(damage.rgb, SHOWN)
    scale = len(small) / side
    segments = seam_filter.segments(damage.rgb)
    corners = ["y0", "x0", "y1", "x1"]
    segments[corners] = segments[corners] * scale
    return small, segments, tuple(scale * n for n in (damage.top, damage.left, damage.side, damage.side))


def region_patches(path, boxes):
    """(whole picture shrunk, boxes in its pixels with `side`, the patches shrunk) for exhibits' `regions`."""
    small = large.thumbnail(path, SHOWN)
    scale = small.shape[1] / large.size(path)[1]
    shown = boxes.assign(top=boxes.top * scale, left=boxes.left * scale, side=REGION_PATCH * scale)
    patches = [large.read_crop(path, box.top, box.left, REGION_PATCH, REGION_PATCH) for box in boxes.itertuples()]
    return small, shown, [reading.thumbnail(patch, REGION_PATCH // 3) for patch in patches]

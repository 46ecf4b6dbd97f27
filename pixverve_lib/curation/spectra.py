"""Fig. A1 (App. B): what super-resolution does to the spectrum, on windows whose native 100 MP pixels are known."""
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from pixverve_lib.curation import builtin_pool
from pixverve_lib.imaging import fidelity, reading, spectrum
from pixverve_lib.kit.progress import progress
from pixverve_lib.scenes import render

SCALE = 4  # Sec. 3.1.3 iii): the tier of all windows
SIDE = 2048  # pixels of a native window; not in paper: choice
BINS = 96  # rings of a spectrum, equally spaced on the logarithmic axis; not in paper: choice
FINE = 0.25  # cycles a pixel: what lies above is at most four pixels long


@dataclass(frozen=True)
class Window:
    """A square of a 100 MP picture as it really is, and the same square as the up-scaler gets it."""

    picture: str
    native: np.ndarray  # SIDE SIDE 3 uint8
    low: np.ndarray  # low-resolution square with `margin` more pixels on each side, uint8
    margin: int


def choose(pool, count):
    """Paths of at most `count` pictures of a pool that hold a whole window, spread evenly over it."""
    recipes = pool.path.map(builtin_pool.parse)
    large = pool[recipes.notna() | (pool[["height", "width"]].min(axis=1) >= SIDE)]
    picks = np.unique(np.linspace(0, len(large) - 1, min(count, len(large))).round().astype(int))
    return large.path.iloc[picks].tolist()


def window(path, margin):
    """The window in the middle of a picture; `low` is the area average of the native pixels.

    A built-in picture is drawn anew at four times its size, as a 100 MP camera would have seen its scene. Of any other
    picture those pixels are unknown: there the picture itself plays the native one.
    """
    recipe, side = builtin_pool.parse(path), SIDE + 2 * SCALE * margin
    if recipe is None:
        rgb = reading.read_rgb(path)
        native = rgb[_middle(rgb.shape[0], side):][:side, _middle(rgb.shape[1], side):][:, :side]
    else:
        height, width = SCALE * recipe.height, SCALE * recipe.width
        corner = _middle(height, side), _middle(width, side)
        native = render.window(recipe.scene(), height, width, *corner, side, side)
    inner = slice(SCALE * margin, SCALE * margin + SIDE)
    return Window(str(path), native[inner, inner], _shrunk(native), margin)


def _middle(length, part):
    return (length - part) // 2


def _shrunk(rgb):
    height, width = rgb.shape[:2]
    return cv2.resize(rgb, (width // SCALE, height // SCALE), interpolation=cv2.INTER_AREA)


def super_resolved(view, upscaler, prompt=""):
    """The window as the up-scaler draws it.  # SIDE SIDE 3 uint8"""
    high, margin = upscaler(view.low, SCALE, prompt), SCALE * view.margin
    return np.rint(high[margin:margin + SIDE, margin:margin + SIDE]).clip(0, 255).astype(np.uint8)


def study(paths, upscalers, prompts=None):
    """Spectra and scores of every up-scaler on a window of each picture.

    Returns (spectra: columns part "a" | "b", curve, picture, frequency, power; scores: upscaler, picture, psnr, ssim,
    fine detail (energy above FINE against native), spectral distance (dB)).
    """
    spectra, scores, margin = [], [], max(upscaler.margin for upscaler in upscalers)
    with progress(len(paths) * len(upscalers), "super-resolution", unit="windows") as done:
        for path in paths:
            view = window(path, margin)
            inner = view.low[margin:-margin or None, margin:-margin or None]
            native = _curve(view.native)
            spectra += [_rows("a", "native", path, native), _rows("b", "LR original", path, _curve(inner))]
            for upscaler in upscalers:
                high = super_resolved(view, upscaler, (prompts or {}).get(path, ""))
                curve = _curve(high)
                spectra += [_rows("a", upscaler.name, path, curve),
                            _rows("b", upscaler.name, path, _curve(_shrunk(high)))]
                scores.append((upscaler.name, path, *_scores(view.native, high, native, curve)))
                done("ok")
    columns = ["upscaler", "picture", "PSNR (dB)", "SSIM", "fine energy / native", "log-spectral distance (dB)"]
    return pd.concat(spectra, ignore_index=True), pd.DataFrame(scores, columns=columns)


def _curve(rgb):
    """(frequency, power) of the gray picture in BINS logarithmic rings, windowed."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    edges = np.geomspace(4 / min(gray.shape), 0.5, BINS + 1)
    return spectrum.raps(gray, edges, hann=True)


def _rows(part, curve, path, found):
    frame = pd.DataFrame({"part": part, "curve": curve, "picture": str(path), "frequency": found[0], "power": found[1]})
    return frame.dropna()


def _scores(native, high, native_curve, curve):
    fine = [spectrum.energy_above(*found, FINE) for found in (curve, native_curve)]
    return (fidelity.psnr(native, high), fidelity.ssim(native, high), fine[0] / fine[1],
            spectrum.log_spectral_distance(curve[1], native_curve[1]))

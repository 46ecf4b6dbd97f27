"""Artefacts that a judge should see: a clean picture spoilt everywhere in one known way, at a known severity."""
import cv2
import numpy as np
from scipy import fft

KINDS = {  # kind -> severities, mild to strong
    "blocking": (80, 40, 15),  # JPEG quality
    "ringing": (0.85, 0.6, 0.4),  # share of the frequencies that is left, cut off sharply
    "banding": (128, 64, 24),  # levels a channel that are left
    "noise": (1.5, 4, 10),  # gray levels, standard deviation in each channel
    "over-smoothing": (8, 20, 60),  # gray levels that a bilateral filter of 9 px levels out
    "blur": (1.0, 1.5, 3.0),  # pixels, standard deviation
    "aliasing": (2, 3, 4),  # pixels that one of every so many stands for
}
UNITS = {"blocking": "JPEG quality", "ringing": "of the band", "banding": "levels", "noise": "levels",
         "over-smoothing": "levels", "blur": "px", "aliasing": "px"}


def spoil(rgb, kind, severity, seed=0):
    """The damaged copy.  rgb: H W 3 uint8, left as it is.  Raises ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    if kind == "noise":
        return _bytes(rgb + np.random.default_rng(seed).normal(0, severity, rgb.shape))
    return _SPOILT[kind](rgb, severity)


def _bytes(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _blocked(rgb, quality):
    return cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def _ringing(rgb, share):
    values = fft.dctn(rgb.astype(np.float32), axes=(0, 1), norm="ortho")  # a cosine transform wraps nothing around
    height, width = rgb.shape[:2]
    values[round(share * height):] = 0
    values[:, round(share * width):] = 0
    return _bytes(fft.idctn(values, axes=(0, 1), norm="ortho"))


def _banded(rgb, levels):
    return _bytes(np.rint(rgb / 255 * (levels - 1)) * 255 / (levels - 1))


def _smoothed(rgb, levels):
    return cv2.bilateralFilter(rgb, 9, levels, 4)


def _blurred(rgb, sigma):
    return cv2.GaussianBlur(rgb, (0, 0), sigma)


def _aliased(rgb, pixels):
    few = rgb[::pixels, ::pixels]
    return np.repeat(np.repeat(few, pixels, 0), pixels, 1)[:rgb.shape[0], :rgb.shape[1]]


_SPOILT = {"blocking": _blocked, "ringing": _ringing, "banding": _banded, "over-smoothing": _smoothed,
           "blur": _blurred, "aliasing": _aliased}

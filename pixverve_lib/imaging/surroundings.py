"""Whether there seems to be a sky, a ground, foliage: from the colour and the grain of the upper and the lower edge.

A gray wall passes for an overcast sky, and autumn leaves for no foliage. All numbers are not in paper: choices, made on
built-in scenes of seeds 0 to 3.
"""
import cv2
import numpy as np

from pixverve_lib.imaging import colour_names, segments

SIDE = 96  # pixels, longest side of the picture that is looked at
AIRY = ("blue", "white", "pink", "violet")  # colours of skies; any other must be bright
SMOOTH = 3.0  # units of L, the most local contrast of a sky
LEAST_LEAVES = 0.1  # share of the picture


def surroundings(rgb: np.ndarray) -> dict[str, float]:
    """Which of sky, ground and foliage there seems to be, each with a rough score in [0, 1].  rgb: H W 3 uint8"""
    lab = segments.lab(segments.reduced(rgb, SIDE))
    contrast, height = grain(lab[..., 0]), len(lab)
    top, bottom = slice(0, max(1, height // 5)), slice(height - max(1, height // 4), height)
    above, below = np.median(lab[top], (0, 1)), np.median(lab[bottom], (0, 1))
    airy = colour_names.name(*above) in AIRY or above[0] > 57
    found = {}
    if airy and np.median(contrast[top]) < SMOOTH and above[0] > below[0] + 2.5:
        found = {"sky": min(1.0, 0.5 + float(above[0] - below[0]) / 80), "ground": 0.5}
    leaves = _share_of_leaves(lab, contrast)
    return found | ({"foliage": min(1.0, 0.4 + leaves)} if leaves > LEAST_LEAVES else {})


def grain(lightness):
    """Local contrast in units of L.  # H W"""
    return cv2.absdiff(lightness, cv2.GaussianBlur(lightness, (0, 0), 2))


def _share_of_leaves(lab, contrast):
    words = np.array([colour_names.name(*pixel) for pixel in lab[::3, ::3].reshape(-1, 3)])
    return float(np.mean((words == "green") & (contrast[::3, ::3].ravel() > 1)))

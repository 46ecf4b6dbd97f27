"""A scene as a camera records it: a lens that is not perfectly sharp, a sensor with grain in light and in colour."""
import cv2
import numpy as np

LENS = 0.7  # pixels, standard deviation of the blur
GRAIN_LIGHT, GRAIN_COLOUR = 0.7, 0.5  # of 255; chosen so that lossless formats rank on it as on photographs (Tab. A5)
BAND = 256  # rows


def record(rgb, seed=0):
    """Yields the rows of the photograph from the top, band by band.  rgb: H W 3 uint8, overwritten"""
    rng = np.random.default_rng(seed)
    cv2.GaussianBlur(rgb, (0, 0), LENS, dst=rgb)
    for top in range(0, len(rgb), BAND):
        rows = rgb[top:top + BAND].astype(np.float32)
        rows += GRAIN_LIGHT * rng.standard_normal((*rows.shape[:2], 1), np.float32)
        rows += GRAIN_COLOUR * rng.standard_normal(rows.shape, np.float32)
        yield np.clip(np.rint(rows), 0, 255).astype(np.uint8)

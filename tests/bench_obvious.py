"""The obvious ways that bench.py compares with: whole pictures through NumPy, Pillow and scikit-image."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pixverve_lib.curation.deduplication import RADIUS
from pixverve_lib.curation.super_resolution import STRIDE, TILE
from pixverve_lib.imaging import cooccurrence
from pixverve_lib.paper import constants as paper

DETECTORS = {
    "dark": paper.EXPOSURE_LOW,
    "bright": paper.EXPOSURE_HIGH,
    "patch": paper.FLAT_PATCH,
    "textureless_variance": paper.FLAT_MIN_VARIANCE,
}


def decode(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def measure(rgb: np.ndarray) -> tuple[float, ...]:
    from skimage import color, filters, util
    from skimage.measure import shannon_entropy

    gray = color.rgb2gray(rgb) * 255  # whole-frame float64; weights differ from OpenCV's in the third digit
    exposure = np.mean((gray > DETECTORS["bright"]) | (gray < DETECTORS["dark"]))
    sharpness = filters.laplace(gray).var()
    side = DETECTORS["patch"]
    magnitude = np.hypot(filters.sobel_h(gray), filters.sobel_v(gray)) * 4  # scikit-image divides the kernel by 4
    whole = magnitude[: gray.shape[0] // side * side, : gray.shape[1] // side * side]
    variances = util.view_as_blocks(whole, (side, side)).var(axis=(2, 3))
    flatness = np.mean(variances < DETECTORS["textureless_variance"])
    return exposure, sharpness, flatness, shannon_entropy(gray.round().astype(np.uint8))


def near_pairs(hashes: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(np.bitwise_count(hashes ^ one) <= RADIUS) for one in hashes]


def raps(gray: np.ndarray) -> np.ndarray:
    power = np.abs(np.fft.fft2(gray - gray.mean())) ** 2 / gray.size
    radius = np.hypot(np.fft.fftfreq(gray.shape[0])[:, None], np.fft.fftfreq(gray.shape[1]))
    ring = (radius * 512).astype(int).ravel()
    return (np.bincount(ring, power.ravel()) / np.bincount(ring))[:256]


def glcm(rgb: np.ndarray) -> float:
    """One of the four variants, as in the released evaluation."""
    from skimage import feature, util
    from skimage.measure import shannon_entropy

    levels = np.asarray(Image.fromarray(rgb).convert("L")) // 4
    side = cooccurrence.PATCH
    whole = levels[: levels.shape[0] // side * side, : levels.shape[1] // side * side]
    options = {"levels": cooccurrence.LEVELS, "symmetric": True, "normed": True}
    patches = util.view_as_blocks(whole, (side, side)).reshape(-1, side, side)
    matrices = (feature.graycomatrix(p, cooccurrence.DISTANCES, cooccurrence.ANGLES, **options) for p in patches)
    return float(np.mean([shannon_entropy(matrix) for matrix in matrices]))


def seam_ratios(rgb: np.ndarray) -> list[np.ndarray]:
    """Gray pixel gradients only: neither colour nor blocks."""
    gray, ratios = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64), []
    for axis in (0, 1):
        gradient = np.abs(np.diff(gray, axis=axis)).mean(axis=1 - axis)
        at = np.arange(paper.SEAM_STRIDE, gray.shape[axis], paper.SEAM_STRIDE) - 1
        near = gradient[np.clip(at[:, None] + np.r_[-8:0, 1:9], 0, len(gradient) - 1)]
        ratios.append(gradient[at] / near.max(axis=1))
    return ratios


def ssim(pair: tuple[np.ndarray, np.ndarray]) -> float:
    from skimage.metrics import structural_similarity

    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    return structural_similarity(*pair, channel_axis=2, **options)


def blend(given: tuple[int, list[np.ndarray]]) -> np.ndarray:
    """Full-frame float accumulators of pixels and weights, divided at the end."""
    side, tiles = given
    ramp = np.minimum(np.arange(1, TILE + 1), TILE - np.arange(TILE)).clip(max=TILE - STRIDE).astype(np.float32)
    weight = (ramp[:, None] * ramp)[..., None]
    total, weights = np.zeros((side, side, 3), np.float32), np.zeros((side, side, 1), np.float32)
    places = [min(start, max(0, side - TILE)) for start in range(0, max(1, side - TILE + STRIDE), STRIDE)]
    for i, (y, x) in enumerate((y, x) for y in places for x in places):
        target = total[y:y + TILE, x:x + TILE]
        part = weight[:target.shape[0], :target.shape[1]]
        target += tiles[i % len(tiles)][:target.shape[0], :target.shape[1]] * part
        weights[y:y + TILE, x:x + TILE] += part
    return np.rint(total / weights).astype(np.uint8)

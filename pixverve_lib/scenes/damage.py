"""Pictures that should not pass: each takes a good picture (or nothing) and spoils it in one known way."""
import cv2
import numpy as np

SHADOWS = 0.008  # linear light that a sensor no longer tells from black


def exposed(rgb, stops):
    """Over- or under-exposed by `stops`: clipped at white, and black below SHADOWS.  # H W C uint8"""
    light = (np.arange(256) / 255) ** 2.2 * 2.0**stops - (SHADOWS if stops < 0 else 0)
    return cv2.LUT(rgb, (255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8))


def defocused(rgb, radius):
    """Out of focus: averaged over a disk of `radius` pixels, as a lens does."""
    y, x = np.mgrid[-radius:radius + 1, -radius:radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.float32)
    return cv2.filter2D(rgb, -1, disk / disk.sum())


def shaken(rgb, length):
    """Motion blur along a diagonal of `length` pixels."""
    return cv2.filter2D(rgb, -1, np.eye(length, dtype=np.float32) / length)


def flat(height, width, seed):
    """Almost nothing: an empty wall in soft coloured light, and the noise of a sensor."""
    rng = np.random.default_rng(seed)
    light = (0.6 * rng.uniform(20, 235, (3, 4, 1)) + 0.4 * rng.uniform(20, 235, (3, 4, 3))).astype(np.float32)
    wall = cv2.resize(light, (width, height), interpolation=cv2.INTER_CUBIC)
    for top in range(0, height, 256):
        rows = wall[top:top + 256]
        rows += rng.normal(0, 3, rows.shape).astype(np.float32)
    return np.clip(wall, 0, 255).astype(np.uint8)


def posterised(rgb):
    """Three tones, as in a logo or a scan of a print: sharp edges, little information."""
    steps = np.rint(np.arange(256) / 255 * 2) * (255 * 0.7 / 2) + 30
    return cv2.LUT(cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), steps.astype(np.uint8))


def cropped(rgb, share):
    """Mildly cropped: `share` of each side is cut away, a little more from the lower right."""
    height, width = rgb.shape[:2]
    top, left = int(0.4 * share * height), int(0.4 * share * width)
    return rgb[top:height - int(0.6 * share * height), left:width - int(0.6 * share * width)]


def resized(rgb, scale):
    """A smaller copy of the same picture."""
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

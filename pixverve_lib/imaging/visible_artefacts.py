"""Seven measures of visible damage in a picture seen at 1:1; each grows with the damage, none has a threshold here.

Pictures are gray, H W float32 in gray levels, 32 px a side at least. Each measure takes one kind of damage for granted
and is fooled by content that looks like it: a close weave is noise to it, fog is blur.
"""
import cv2
import numpy as np
from scipy import fft

SIDE = 32  # pixels, the smallest picture there is something to say about
BLOCK = 16  # pixels, squares in which detail is compared
CODED = 8  # pixels, the squares of JPEG and its heirs
REPEATS = (2, 3, 4)  # pixels; periods of repeated pixels
UNSEEN = 0.1  # gray levels; mean steps as small as this are no grid that anybody sees
SPECTRAL = 96  # pixels; a shorter spectrum has cliffs by chance
CLIFF = 0.04  # of the band, over which the spectrum is averaged on either side of a frequency


def measure(rgb):
    """{kind: measure} of an H W 3 uint8 picture, all seven; {} for one smaller than SIDE either way."""
    if min(rgb.shape[:2]) < SIDE:
        return {}
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return {"blocking": blocking(gray), "ringing": ringing(gray), "banding": banding(gray), "noise": noise(gray),
            "over-smoothing": over_smoothing(gray), "blur": blur(gray), "aliasing": aliasing(gray)}


def blocking(gray):
    """Steps between 8-px squares against steps elsewhere, the weaker of both directions; 1: none."""
    return min(_largest_step(one, CODED) for one in (gray, gray.T))


def aliasing(gray):
    """How exactly pixels repeat in the period of 2, 3 or 4; 0: not at all, 1: an enlargement by the nearest pixel."""
    return max(1 - max(_smallest_step(one, period) for one in (gray, gray.T)) for period in REPEATS)


def _steps(gray, period):
    """Mean step among the columns of each phase."""
    steps = np.minimum(np.abs(np.diff(gray, axis=1)), 8).mean(axis=0)  # clipped: drawn edges would drown the grid
    return np.array([steps[phase::period].mean() for phase in range(period)]) + UNSEEN


def _smallest_step(gray, period):
    phases = _steps(gray, period)
    return float(phases.min() / phases.mean())


def _largest_step(gray, period):
    phases = _steps(gray, period)
    return float(phases.max() / np.median(phases))


def banding(gray):
    """Clean steps of 2 to 24 levels between flat runs of 3 px, per thousand pixels, the larger direction."""
    return max(_clean_steps(one) for one in (gray, gray.T))


def _clean_steps(gray):
    step = np.abs(np.diff(gray, axis=1))
    flat = (step[:, :-1] == 0) & (step[:, 1:] == 0)
    clean = flat[:, :-3] & flat[:, 3:] & (step[:, 2:-2] >= 2) & (step[:, 2:-2] <= 24)
    return float(1000 * clean.mean())


def noise(gray):
    """Standard deviation of the grain where the picture is flattest, in gray levels (mask of Immerkaer 1996)."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.percentile(_deviations(cv2.filter2D(gray, -1, mask)) / 6, 10))


def over_smoothing(gray):
    """How much more contrast there is at 4 px than at 1 px, inside surfaces: their median block."""
    soft, softer = cv2.GaussianBlur(gray, (0, 0), 1), cv2.GaussianBlur(gray, (0, 0), 4)
    fine, coarse = _deviations(gray - soft), _deviations(soft - softer)
    surface = (coarse > 0.5) & (coarse < 12)  # neither nothing nor an edge
    return float(np.median(coarse[surface] / (fine[surface] + 0.1))) if surface.any() else 0.0


def blur(gray):
    """Share of steps that survive a blur of 11 px, in [0, 1] (Crete et al. 2007: the perceptual blur metric)."""
    return max(_survives(one) for one in (gray, np.ascontiguousarray(gray.T)))


def _survives(gray):
    blurred = cv2.blur(gray, (11, 1), borderType=cv2.BORDER_REFLECT)
    sharp, soft = (np.abs(cv2.Sobel(one, cv2.CV_32F, 1, 0, ksize=3)[2:-2, 2:-2]) for one in (gray, blurred))
    total = float(sharp.sum())
    return 1 - float(np.maximum(0, sharp - soft).sum()) / total if total else 0.0


def ringing(gray):
    """Largest cliff in the spectrum, in powers of ten, of the axis with the lesser: a sharp cut ripples beside edges.

    0 for a picture with a side below SPECTRAL.
    """
    if min(gray.shape) < SPECTRAL:
        return 0.0
    power = fft.dctn(gray, norm="ortho") ** 2
    return min(_cliff(power.mean(axis=0)), _cliff(power.mean(axis=1)))


def _cliff(power):
    """Fall of the mean power from the CLIFF of the band below a frequency to the one above it; natural: below 0.5."""
    n = max(2, round(CLIFF * len(power)))
    level = np.log10(np.convolve(power, np.ones(n) / n, "valid") + 1e-3)  # rounding to 8 bits leaves about 0.1
    first = len(power) // 6  # below, natural spectra are steep themselves
    return float(np.max(level[first:-n - 2] - level[first + n + 2:]))


def _deviations(values):
    """Standard deviation in each whole square of BLOCK px."""
    rows, columns = (n // BLOCK for n in values.shape)
    squares = values[:rows * BLOCK, :columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return squares.std(axis=(1, 3))

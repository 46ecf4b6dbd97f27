"""The radially averaged power spectrum of a gray picture (App. B), and two ways to compare such curves.

    power of a frequency = |F|^2 / (height * width), F the unnormalised transform of the picture less its mean

Summed over all height * width frequencies that is the sum of squared deviations (Parseval), so that white noise of
variance v has power v at every size of picture. A Hann window is divided out of the power by its own mean square.
Frequencies are in cycles a pixel, 0.5 the finest along an axis, whatever the sides of the picture.

The transform goes in blocks: half of a float32 spectrum, 4 bytes a pixel, is all that is ever held of it.
"""

import cv2
import numba
import numpy as np
import scipy.fft

ROWS = 32  # transformed at a time; they stay in the cache
COLUMNS = 64  # the same


def raps(gray: np.ndarray, bins=256, *, hann: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(frequency, power) of each ring: its middle in cycles a pixel, and the mean power of the frequencies in it.

    gray: H W, uint8 or float; bins: the number of equal rings from 0 to 0.5 or, as in np.histogram, their edges;
    hann: window the picture, so that its borders, which do not continue on the far side, add no power of their own.
    Power is in squared units of gray, NaN where a ring of a small picture is empty.
    """
    edges = np.linspace(0, 0.5, bins + 1) if np.ndim(bins) == 0 else np.asarray(bins, np.float64)
    energy, count = ring_energies(gray, edges, hann=hann)
    power = np.divide(energy, count, out=np.full(len(energy), np.nan), where=count > 0)
    return (edges[:-1] + edges[1:]) / 2, power


def ring_energies(gray: np.ndarray, edges: np.ndarray, *, hann: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(energy, count) of the rings edges[i] <= frequency < edges[i + 1]: summed power, and how many frequencies.

    Edges rise; the corners of the spectrum reach up to sqrt(0.5), so that edges (0, 0.71) hold everything.
    """
    if gray.ndim != 2:
        raise ValueError(f"a spectrum is of a gray picture, H W, not of shape {gray.shape}")
    height, width = gray.shape
    energy, count = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1, np.int64)
    half = _transformed_rows(gray, hann)
    for left in range(0, half.shape[1], COLUMNS):
        # A complex64 is copied like any 8 bytes; cv2.transpose is several times as fast as NumPy's copy.
        columns = cv2.transpose(half[:, left : left + COLUMNS].view(np.float64)).reshape(-1, height)
        columns = scipy.fft.fft(columns.view(np.complex64), axis=1, overwrite_x=True)
        _add_to_rings(columns, left, width, np.asarray(edges, np.float64), energy, count)
    return energy / (height * width), count


def energy_above(frequency: np.ndarray, power: np.ndarray, above: float = 0.0) -> float:
    """Variance that the rings from frequency `above` up to the last carry, from a curve of raps; NaN rings count 0.

    A ring of width df holds 2 pi f df of the frequencies. The share of fine detail is energy_above(f, p, above) /
    energy_above(f, p).
    """
    rings = 2 * np.pi * frequency * np.gradient(frequency) * power
    return float(np.nansum(rings[frequency >= above]))


def log_spectral_distance(power: np.ndarray, other: np.ndarray) -> float:
    """Root mean square of 10 log10(power / other) over the rings that both have, in dB."""
    both = np.isfinite(power) & np.isfinite(other)
    with np.errstate(divide="ignore"):  # a ring without any power is infinitely far from one with some
        decibels = 10 * (np.log10(power[both]) - np.log10(other[both]))
    return float(np.sqrt(np.mean(decibels**2)))


def _transformed_rows(gray: np.ndarray, hann: bool) -> np.ndarray:  # H W//2+1 complex64
    height, width = gray.shape
    mean = np.float32(gray.mean(dtype=np.float64))
    down, across = _window(height, hann), _window(width, hann)
    half = np.empty((height, width // 2 + 1), np.complex64)
    for top in range(0, height, ROWS):
        block = gray[top : top + ROWS].astype(np.float32) - mean
        if hann:
            block *= down[top : top + ROWS, None] * across
        half[top : top + ROWS] = scipy.fft.rfft(block, axis=1, overwrite_x=True)
    return half


def _window(n: int, hann: bool) -> np.ndarray:
    window = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 if hann else np.ones(n)
    return (window / np.sqrt(np.mean(window**2))).astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _add_to_rings(columns, left, width, edges, energy, count):
    """Adds |F|^2 of columns `left` and following of the half spectrum; along a column, a ring is one run of rows."""
    n, height = columns.shape
    for i in range(n):
        x, column = (left + i) / width, columns[i]
        times = 1 if left + i == 0 or 2 * (left + i) == width else 2  # the other half mirrors all but these
        start = _first_row(edges[0], x, height)
        for ring in range(len(energy)):
            stop = _first_row(edges[ring + 1], x, height)
            total = np.float32(0)
            for y in range(start, stop):
                total += column[y].real ** 2 + column[y].imag ** 2
            mirrored_start, mirrored_stop = height + 1 - stop, height + 1 - max(start, 1)
            for y in range(max(mirrored_start, height // 2 + 1), mirrored_stop):
                total += column[y].real ** 2 + column[y].imag ** 2
            if stop > start:
                energy[ring] += times * total
                count[ring] += times * (stop - start + max(0, mirrored_stop - max(mirrored_start, height // 2 + 1)))
            start = stop


@numba.njit(cache=True, nogil=True)
def _first_row(edge, x, height):
    """The first row from 0 to height // 2 + 1 whose frequency, with x across, is at least `edge`."""
    if edge <= x:
        return 0
    return min(height // 2 + 1, int(np.ceil(np.sqrt(edge * edge - x * x) * height)))

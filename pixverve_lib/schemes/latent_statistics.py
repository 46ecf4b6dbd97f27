"""Wavelet statistics of latents (UltraFlux Supp. Sec. 4, Fig. 3): where their energy is, and how heavy their tails are.

Latents are those that the network sees (`flow.encode`): patchified to F = 16 and normalised channel by channel, hence
about 1 in mean energy. A one-level orthonormal Haar transform runs over the grid of tokens, per channel.
"""
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from pixverve_lib.models import haar

WIDTH = 0.1  # of a bar of the histogram, in |w|; not in paper: choice
HALF, ONE = 0.5, 1.0  # UltraFlux Supp. Sec. 4: thresholds of the tails


class Bands(NamedTuple):
    """What is known of the coefficients w of each band."""

    summary: pd.DataFrame  # band energy share above_half above_one largest kurtosis gaussian_half gaussian_one
    histogram: pd.DataFrame  # band low count gaussian: bars of WIDTH over |w|


def measure(latents: Iterable[torch.Tensor]) -> Bands:
    """Statistics over latents  # each N C h w, of any sizes; they are read once and not kept.

    energy: mean square; share: of all energy; above_*: share of |w| beyond; kurtosis: 3 for a Gaussian; gaussian_*:
    what a Gaussian of the band's energy has. Raises ValueError without latents.
    """
    sums, counts = np.zeros((len(haar.BANDS), 5)), [np.zeros(1, int) for _ in haar.BANDS]
    largest = np.zeros(len(haar.BANDS))
    for each in latents:
        for row, band in enumerate(haar.split(each.float()).transpose(1, 2).flatten(2).transpose(0, 1).flatten(1)):
            w = band.abs().double().cpu().numpy()
            sums[row] += len(w), (w**2).sum(), (w**4).sum(), (w > HALF).sum(), (w > ONE).sum()
            largest[row] = max(largest[row], w.max())
            counts[row] = _added(counts[row], np.bincount((w / WIDTH).astype(int)))
    if not sums[:, 0].all():
        raise ValueError("no latents: give pictures, or a set that has some")
    number, square, fourth, half, one = sums.T
    energy = square / number
    kurtosis = np.divide(fourth / number, energy**2, out=np.full(len(energy), np.nan), where=energy > 0)
    summary = pd.DataFrame({
        "band": haar.BANDS, "energy": energy, "share": square / square.sum(), "above_half": half / number,
        "above_one": one / number, "largest": largest, "kurtosis": kurtosis,
        "gaussian_half": _tails(HALF, energy), "gaussian_one": _tails(ONE, energy),
    })
    return Bands(summary, pd.concat(map(_bars, haar.BANDS, counts, energy), ignore_index=True))


def _tails(threshold, energies):
    """Share of a Gaussian of each energy beyond the threshold on both sides."""
    return [math.erfc(threshold / math.sqrt(2 * energy)) if energy else 0.0 for energy in energies]


def _bars(band, counts, energy):
    edges = WIDTH * np.arange(len(counts) + 1)
    below = 1 - np.array([_tails(edge, [energy])[0] for edge in edges])
    return pd.DataFrame({"band": band, "low": edges[:-1], "count": counts, "gaussian": counts.sum() * np.diff(below)})


def _added(one, other):
    total = np.zeros(max(len(one), len(other)), int)
    total[:len(one)] += one
    total[:len(other)] += other
    return total

"""How wrong a predicted velocity is: callables (predicted, target  # N C H W, sigma  # N) -> error of each picture  # N

All divide by the number of values of a picture, so that their size does not depend on it; repr tells them apart.
`Wavelet()` is `squared` to the last digit but rounding: the Haar transform is orthonormal (Parseval). Any gain that is
put down to it must come from its weights, its norm, its weighting over time, or numerics.
"""
from dataclasses import dataclass

import torch

from pixverve_lib.models import haar

NORMS = ("l2", "l1")


@dataclass(frozen=True)
class Squared:
    """The mean squared error, as in flow matching."""

    def __call__(self, predicted, target, sigma):
        return (predicted - target).square().mean((1, 2, 3))


squared = Squared()


@dataclass(frozen=True)
class Wavelet:
    """Squared (l2) or absolute (l1) error of Haar coefficients (Diffusion-4K Eq. 10), each band with its weight.

    weights: of the bands LL LH HL HH. released: of the clean latents that a velocity implies, x - sigma v, which is
    what Diffusion-4K's public trainer compares (not in paper): its l2 is the plain one times sigma^2.
    Raises ValueError for another norm, and for weights that are not four of at least 0.
    """

    weights: tuple[float, float, float, float] = (1, 1, 1, 1)
    norm: str = "l2"
    released: bool = False

    def __post_init__(self):
        if self.norm not in NORMS:
            raise ValueError(f"norm {self.norm!r} is unknown; use one of: {', '.join(NORMS)}")
        if len(self.weights) != len(haar.BANDS) or min(self.weights) < 0:
            raise ValueError(f"{self.weights} are no band weights: give four of at least 0, for {' '.join(haar.BANDS)}")

    def __call__(self, predicted, target, sigma):
        difference = predicted - target
        if self.released:
            difference = difference * sigma[:, None, None, None]
        bands = haar.split(difference)
        weights = bands.new_tensor(self.weights)[:, None, None]
        errors = weights * (bands.square() if self.norm == "l2" else bands.abs())
        return errors.flatten(1).sum(1) / difference[0].numel()


@dataclass(frozen=True)
class HuberWavelet:
    """Pseudo-Huber error of Haar coefficients (UltraFlux Supp. Tab. 3): c^2 (sqrt(1 + (d/c)^2) - 1).

    Half the square for |d| << c, c |d| for |d| >> c. c_min, c_max: at sigma 0 and 1, see `threshold`.
    """

    c_min: float = 0.2  # UltraFlux Supp. Tab. 3
    c_max: float = 1.0  # UltraFlux Supp. Tab. 3

    def __post_init__(self):
        if not 0 < self.c_min <= self.c_max:
            raise ValueError(f"c_min {self.c_min} and c_max {self.c_max}: give 0 < c_min <= c_max")

    def threshold(self, sigma):
        """c of a noise level in [0, 1], elementwise: c_min (c_max / c_min)^u, u = 1 / (1 + SNR).

        not in paper: choice. SNR = ((1 - sigma) / sigma)^2, so u is the share of noise in the energy of what the
        network sees. Log-linear in u: c is robust (L1-like) where little noise is left and sparse large coefficients of
        fine detail are learned, and quadratic where the layout is.
        """
        share = sigma**2 / (sigma**2 + (1 - sigma) ** 2)
        return self.c_min * (self.c_max / self.c_min) ** share

    def __call__(self, predicted, target, sigma):
        difference = predicted - target
        bands, c = haar.split(difference).flatten(1), self.threshold(sigma)[:, None]
        return pseudo_huber(bands, c).sum(1) / difference[0].numel()


def pseudo_huber(difference, c):
    """c^2 (sqrt(1 + (d/c)^2) - 1), elementwise, written so that small d loses no digits."""
    square = difference.square()
    return square / (1 + torch.sqrt(1 + square / c**2))

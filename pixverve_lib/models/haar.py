"""The Haar transform, one level: four bands of half the size that hold the same energy (Diffusion-4K Sec. 4.2).

    L = (1, 1) / sqrt 2    H = (-1, 1) / sqrt 2    bands: L L^T, L H^T, H L^T, H H^T with stride 2

The first filter runs down the rows, the second along the columns: LH holds vertical edges, HL horizontal ones.
"""
import torch
from torch.nn import functional

BANDS = ("LL", "LH", "HL", "HH")


def split(x):
    """Coefficients of pictures or latents  # N C H W -> N C 4 ceil(H/2) ceil(W/2), in the order of BANDS

    Orthonormal: the sum of squares stays. A zero row or column completes an odd side, so it stays there, too.
    """
    height, width = x.shape[2:]
    x = functional.pad(x, (0, width % 2, 0, height % 2))
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    return torch.stack([a + b + c + d, b - a + d - c, c + d - a - b, a + d - b - c], 2) / 2


def merge(bands, height: int, width: int):
    """What `split` took  # N C 4 h w -> N C height width"""
    low, along, down, both = bands.unbind(2)
    corners = [low - along - down + both, low + along - down - both, low - along + down - both, sum(bands.unbind(2))]
    whole = functional.pixel_shuffle(torch.stack(corners, 2).flatten(1, 2) / 2, 2)
    return whole[..., :height, :width]

"""The Haar transform: it loses nothing, keeps the energy, and its bands are what their names say."""
import pytest
import torch

from pixverve_lib.models import haar

SIZES = [(8, 8), (7, 10), (6, 1), (5, 9), (1, 1)]


def picture(height, width, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, height, width, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_split_and_merged_is_the_same_and_has_the_same_energy(size):
    x = picture(*size)
    bands = haar.split(x)
    assert bands.shape == (2, 3, 4, -(-size[0] // 2), -(-size[1] // 2))
    assert (haar.merge(bands, *size) - x).abs().max() < 1e-12
    assert bands.square().sum() == pytest.approx(x.square().sum().item(), rel=1e-13)


def test_the_transform_is_the_four_printed_kernels_with_stride_2():
    low, high = torch.tensor([[1.0, 1], [-1, 1]], dtype=torch.float64) / 2**0.5  # Diffusion-4K Sec. 4.2
    kernels = torch.stack([torch.outer(a, b) for a in (low, high) for b in (low, high)])[:, None]
    x = picture(6, 8)
    expected = torch.nn.functional.conv2d(x.flatten(0, 1)[:, None], kernels, stride=2).unflatten(0, (2, 3))
    assert (haar.split(x) - expected).abs().max() < 1e-14


def test_an_even_picture_is_in_the_first_band_and_stripes_are_in_the_band_of_their_direction():
    flat, stripes = torch.ones(1, 1, 4, 4), torch.tensor([1.0, -1, 1, -1]).expand(1, 1, 4, 4)
    checks = stripes * stripes.mT
    for band, x in enumerate((flat, stripes, stripes.mT, checks)):
        energy = haar.split(x).square().sum((0, 1, 3, 4))
        assert energy.argmax() == band and energy.sum() == energy[band] == 16

"""Losses in the Haar domain: where they are the plain one, where they are not, and their closed forms."""
import pytest
import torch

from pixverve_lib.models import criteria, haar
from pixverve_lib.models.criteria import HuberWavelet, Wavelet, squared

SIZES = [(8, 8), (7, 10), (5, 9)]
TOLERANCES = {torch.float32: 1e-6, torch.float64: 1e-12}


def given(height=8, width=6, dtype=torch.float64, number=3):
    """Predicted with gradient, target, sigma."""
    random = torch.Generator().manual_seed(height)
    predicted, target = (torch.randn(number, 4, height, width, generator=random, dtype=dtype) for _ in range(2))
    return predicted.requires_grad_(), target, torch.linspace(0.1, 0.9, number, dtype=dtype)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("size", SIZES)
def test_equal_weights_are_the_plain_squared_error_and_its_gradient(size, dtype):
    predicted, target, sigma = given(*size, dtype)
    plain, wavelet = (each(predicted, target, sigma) for each in (squared, Wavelet()))
    assert torch.allclose(plain, wavelet, rtol=TOLERANCES[dtype], atol=0)
    gradients = [torch.autograd.grad(each.sum(), predicted, retain_graph=True)[0] for each in (plain, wavelet)]
    assert (gradients[0] - gradients[1]).abs().max() < TOLERANCES[dtype] * gradients[0].abs().max()


def test_as_released_it_is_the_plain_error_of_the_clean_latents():
    velocity, true, sigma = given()
    x = torch.randn_like(true)
    level = sigma[:, None, None, None]
    clean = squared(x - level * velocity, x - level * true, sigma)
    assert torch.allclose(Wavelet(released=True)(velocity, true, sigma), clean, rtol=1e-12)
    assert torch.allclose(clean, sigma**2 * squared(velocity, true, sigma), rtol=1e-12)


def test_a_weight_moves_its_own_band_only():
    predicted, target, sigma = given()
    energies = haar.split(predicted - target).square().sum((1, 3, 4)) / target[0].numel()  # N 4
    for band in range(4):
        weights = [1, 1, 1, 1]
        weights[band] = 5
        found = Wavelet(tuple(weights))(predicted, target, sigma)
        assert torch.allclose(found, energies.sum(1) + 4 * energies[:, band])


def test_another_norm_is_the_mean_of_absolute_coefficients():
    predicted, target, sigma = given()
    expected = haar.split(predicted - target).abs().flatten(1).mean(1)  # even sides: as many as values
    assert torch.allclose(Wavelet(norm="l1")(predicted, target, sigma), expected)


def test_pseudo_huber_is_half_the_square_below_its_threshold_and_absolute_above():
    d = torch.tensor([-3.0, -0.5, 0.0, 1e-9, 2.0], dtype=torch.float64)
    assert torch.allclose(criteria.pseudo_huber(d, 1e6), d.square() / 2, rtol=1e-9, atol=0)
    assert torch.allclose(criteria.pseudo_huber(d, 1e-7)[[0, 1, 4]] / 1e-7, d[[0, 1, 4]].abs(), rtol=1e-6)
    assert criteria.pseudo_huber(torch.tensor(3.0), 4.0).item() == 4.0  # 16 (5/4 - 1)


def test_a_wide_huber_wavelet_is_half_the_plain_error_on_odd_sides_too():
    predicted, target, sigma = given(7, 5)
    wide = HuberWavelet(1e5, 1e5)(predicted, target, sigma)
    assert torch.allclose(wide, squared(predicted, target, sigma) / 2, rtol=1e-8)


def test_the_threshold_rises_from_c_min_without_noise_to_c_max_in_noise():
    sigma = torch.linspace(0, 1, 11, dtype=torch.float64)
    c = HuberWavelet().threshold(sigma)
    assert c[0].item() == pytest.approx(0.2) and c[-1].item() == pytest.approx(1.0) and (c.diff() > 0).all()
    assert c[5].item() == pytest.approx((0.2 * 1.0) ** 0.5)  # SNR 1


def test_one_outlier_weighs_less_than_in_the_squared_error():
    target, sigma = torch.zeros(2, 1, 4, 4), torch.full((2,), 0.3)
    predicted = torch.full((2, 1, 4, 4), 0.01)
    predicted[1, 0, 0, 0] = 10
    plain, robust = (each(predicted, target, sigma) for each in (squared, HuberWavelet()))
    assert robust[1] / robust[0] < plain[1] / plain[0] / 10


def test_repr_tells_criteria_apart_and_nonsense_is_refused():
    made = [squared, Wavelet(), Wavelet(released=True), Wavelet((1, 2, 2, 4)), Wavelet(norm="l1"), HuberWavelet()]
    assert len(set(map(repr, made))) == len(made) and not any(" at 0x" in repr(each) for each in made)
    with pytest.raises(ValueError, match="norm 'l3' is unknown; use one of: l2, l1"):
        Wavelet(norm="l3")
    with pytest.raises(ValueError, match="give four of at least 0"):
        Wavelet((1, -1, 1, 1))
    with pytest.raises(ValueError, match="give 0 < c_min <= c_max"):
        HuberWavelet(0, 1)

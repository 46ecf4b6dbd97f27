"""The radially averaged power spectrum: closed forms, and the same from a full complex transform in float64."""

import numpy as np
import pytest

from pixverve_lib.imaging import spectrum

EVERYTHING = (0, 0.71)  # cycles a pixel; corners included


def rings_by_hand(gray, edges):
    """|F|^2 of the whole plane, ring by ring, straight from the definition."""
    power = np.abs(np.fft.fft2(gray - gray.mean())) ** 2 / gray.size
    radius = np.hypot(np.fft.fftfreq(gray.shape[0])[:, None], np.fft.fftfreq(gray.shape[1]))
    inside = [(low <= radius) & (radius < high) for low, high in zip(edges, edges[1:], strict=False)]
    return [power[ring].sum() for ring in inside], [ring.sum() for ring in inside]


@pytest.mark.parametrize("shape", [(256, 320), (255, 320), (300, 67), (97, 101), (31, 1), (1, 9), (2, 2), (600, 130)])
def test_rings_agree_with_a_full_transform_at_even_and_odd_and_prime_sides(shape):
    gray = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    edges = np.linspace(0, 0.7108, 38)  # none of them a frequency of these sides
    energy, count = spectrum.ring_energies(gray, edges)
    by_hand = rings_by_hand(gray.astype(float), edges)
    assert count.tolist() == by_hand[1]
    assert count.sum() == gray.size
    assert energy == pytest.approx(by_hand[0], rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("shape", [(512, 512), (301, 402)])
def test_the_energies_of_all_frequencies_add_up_to_the_squared_deviations(shape):  # Parseval
    gray = 1000 * np.random.default_rng(1).random(shape, np.float32) ** 4
    (energy,), _ = spectrum.ring_energies(gray, EVERYTHING)
    assert energy == pytest.approx(gray.astype(float).var() * gray.size, rel=1e-5)


@pytest.mark.parametrize("hann", [False, True])
def test_white_noise_is_flat_at_its_variance(hann):
    gray = np.random.default_rng(2).normal(100, 7, (900, 700)).astype(np.float32)
    _, power = spectrum.raps(gray, bins=20, hann=hann)
    assert power == pytest.approx(np.full(20, 49), rel=0.15)  # some 1000 frequencies in the smallest ring
    assert power[4:] == pytest.approx(np.full(16, 49), rel=0.04)


@pytest.mark.parametrize(("down", "across"), [(0, 60), (45, 0), (30, 40), (30, -40)])
def test_a_sinusoid_has_all_its_power_in_the_ring_of_its_frequency(down, across):
    height, width, amplitude = 400, 500, 20
    y, x = np.mgrid[:height, :width]
    gray = 128 + amplitude * np.cos(2 * np.pi * (down * y / height + across * x / width))
    edges = np.linspace(0, 0.5, 51)
    energy, _ = spectrum.ring_energies(gray.astype(np.float32), edges)
    ring = np.searchsorted(edges, np.hypot(down / height, across / width) + 1e-9) - 1
    assert energy[ring] == pytest.approx(amplitude**2 / 2 * gray.size, rel=1e-4)
    assert energy.sum() - energy[ring] < 1e-6 * energy[ring]
    frequency, power = spectrum.raps(gray, bins=50)
    assert np.argmax(power) == ring
    assert frequency[ring] == pytest.approx((ring + 0.5) / 100)


def test_a_window_hides_the_jump_between_opposite_borders():
    ramp = np.tile(np.linspace(0, 255, 512, dtype=np.float32), (512, 1))
    fine = {hann: spectrum.energy_above(*spectrum.raps(ramp, hann=hann), 0.1) for hann in (False, True)}
    assert fine[True] < 1e-3 * fine[False]


def test_a_ring_without_frequencies_is_nan_and_a_flat_picture_has_no_power():
    frequency, power = spectrum.raps(np.full((20, 30), 77, np.uint8), bins=100)
    assert frequency[0] == 0.0025
    assert np.isnan(power[1])
    assert np.nanmax(power) == 0
    assert spectrum.energy_above(frequency, power) == 0


def test_energy_above_a_frequency_is_the_variance_of_what_is_finer():
    y, x = np.mgrid[:600, :600]
    coarse, fine = 30 * np.sin(2 * np.pi * 0.05 * x), 10 * np.sin(2 * np.pi * 0.3 * y)
    curve = spectrum.raps(128 + coarse + fine, bins=100)
    assert spectrum.energy_above(*curve, 0.2) == pytest.approx(10**2 / 2, rel=0.05)
    assert spectrum.energy_above(*curve) == pytest.approx(30**2 / 2 + 10**2 / 2, rel=0.05)


def test_the_log_spectral_distance_of_a_tenfold_power_is_ten_decibels():
    power = np.array([4.0, 2.0, np.nan, 1.0])
    assert spectrum.log_spectral_distance(power, power) == 0
    assert spectrum.log_spectral_distance(10 * power, power) == pytest.approx(10)
    assert spectrum.log_spectral_distance(np.array([0.0]), np.array([1.0])) == np.inf


def test_a_colour_picture_is_refused():
    with pytest.raises(ValueError, match="gray"):
        spectrum.raps(np.zeros((8, 8, 3), np.uint8))

"""The Frechet distance against its closed form, a matrix root, and in the cases where that root fails."""
import numpy as np
import pytest
from scipy.linalg import sqrtm

from pixverve_lib.imaging.distances import frechet, moments


def exactly(mean, covariance, count, seed):
    """Samples whose mean and unbiased covariance are exactly these.  # count D"""
    white = np.random.default_rng(seed).normal(size=(count, len(mean)))
    white -= white.mean(0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    return np.asarray(mean) + white @ np.linalg.cholesky(covariance).T


def random_covariance(rng, size):
    root = rng.normal(size=(size, size))
    return root @ root.T / size + 0.1 * np.eye(size)


def test_two_gaussians_are_as_far_apart_as_the_closed_form_says():
    one = exactly([0, 0, 0], np.diag([1.0, 4.0, 9.0]), 50, 1)
    two = exactly([1, 2, 2], np.diag([4.0, 4.0, 1.0]), 80, 2)
    assert frechet(one, two) == pytest.approx(9 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2, abs=1e-10)  # |m|^2 + sum (s1 - s2)^2


def test_correlated_gaussians_agree_with_the_matrix_root():
    rng = np.random.default_rng(3)
    first, second = random_covariance(rng, 6), random_covariance(rng, 6)
    expected = np.trace(first + second - 2 * sqrtm(first @ second).real)
    measured = frechet(exactly(np.zeros(6), first, 40, 4), exactly(np.zeros(6), second, 30, 5))
    assert measured == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("count", [2, 10, 500])
def test_equal_sets_are_at_distance_zero_however_few(count):
    features = np.random.default_rng(count).normal(size=(count, 64)).astype(np.float32)
    assert frechet(features, features[::-1]) == pytest.approx(0, abs=1e-10)


def test_fewer_pictures_than_features_still_give_the_distance_of_a_shift():
    features = np.random.default_rng(7).normal(size=(12, 200))
    assert frechet(features, features + 0.5) == pytest.approx(200 * 0.25, rel=1e-9)


def test_the_distance_is_symmetric_and_grows_with_the_spread():
    rng = np.random.default_rng(8)
    one, other = rng.normal(size=(100, 20)), rng.normal(size=(90, 20))
    far = [frechet(one, other * scale) for scale in (1, 2, 4)]
    assert far == sorted(far) and frechet(one, other) == pytest.approx(frechet(other, one))


def test_the_root_of_the_covariance_squares_to_the_covariance():
    features = np.random.default_rng(9).normal(size=(30, 5))
    mean, root = moments(features)
    assert np.allclose(root.T @ root, np.cov(features.T)) and np.allclose(mean, features.mean(0))


@pytest.mark.parametrize("first, second, says", [
    (np.zeros((1, 4)), np.zeros((9, 4)), "two pictures"),
    (np.zeros((9, 4)), np.full((9, 4), np.nan), "not finite"),
    (np.zeros((9, 4)), np.zeros((9, 5)), "different networks"),
])
def test_what_has_no_distance_is_refused(first, second, says):
    with pytest.raises(ValueError, match=says):
        frechet(first, second)

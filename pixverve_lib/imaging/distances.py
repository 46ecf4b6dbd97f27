"""Distance between two sets of pictures by their features: the Frechet distance that FID is (Heusel et al. 2017).

    d^2 = |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)

With C = R^T R the last trace is the sum of the singular values of R1 R2^T: no matrix root, no ill-conditioned product,
and exact too where a set has fewer pictures than features, so that its covariance is singular.
"""
import numpy as np


def moments(features):
    """Mean  # D float64  and a root R of the unbiased covariance, R^T R = C  # min(N, D) D float64.

    features: N D, any real dtype. Raises ValueError for fewer than two rows or a value that is not finite.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"a Frechet distance needs features N x D of at least two pictures, got {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("a feature is not finite: look for the broken picture before measuring a distance")
    mean = features.mean(0)
    return mean, np.linalg.qr((features - mean) / np.sqrt(len(features) - 1), mode="r")


def frechet(first, second):
    """Squared Frechet distance between Gaussians fitted to two sets of features, as FID is given; 0 for equal sets.

    first: N D, second: M D. Few pictures read too far apart, so compare sets of equal size. Raises ValueError.
    """
    (mean1, root1), (mean2, root2) = moments(first), moments(second)
    if len(mean1) != len(mean2):
        raise ValueError(f"features of {len(mean1)} and of {len(mean2)} numbers come from two different networks")
    shared = np.linalg.svd(root1 @ root2.T, compute_uv=False).sum()
    return float(max(0.0, ((mean1 - mean2) ** 2).sum() + (root1 ** 2).sum() + (root2 ** 2).sum() - 2 * shared))

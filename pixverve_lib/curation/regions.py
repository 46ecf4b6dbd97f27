"""Region-level artifact assessment (Sec. 3.1.4): which ten patches of a 100 MP picture are judged, and what follows.

The picture is partitioned "into non-overlapping patches of size 768"; of these the judge sees "six with the highest
texture complexity (via the Sobel variance) and the remaining four sampled randomly". Nothing is rated here. The same
decision serves the instances of Sec. 3.1.5, with max_bad=INSTANCE_MAX_BAD.
"""
import hashlib

import numpy as np
import pandas as pd
from scipy.stats import binom

from pixverve_lib.imaging import large, statistics
from pixverve_lib.paper.constants import (
    REGION_MAX_BAD,
    REGION_PATCH,
    REGION_PATCHES,
    REGION_RANDOM_PATCHES,
    REGION_TEXTURED_PATCHES,
)

COLUMNS = ("top", "left", "side", "why", "sobel_variance")


def variances(bands):
    """Variance of the Sobel gradient magnitude of each patch, remainders dropped.  # rows columns, gray levels squared

    bands: the picture from the top, in bands of any number of rows  # rows W 3 uint8
    """
    return np.concatenate([statistics.patch_variances(rows, REGION_PATCH) for rows in _rows_of_patches(bands)])


def _rows_of_patches(bands):
    """The same picture in bands of REGION_PATCH rows; the last one has fewer, or none."""
    waiting = None
    for band in bands:
        waiting = band if waiting is None else np.concatenate([waiting, band])
        while len(waiting) >= REGION_PATCH:
            yield waiting[:REGION_PATCH]
            waiting = waiting[REGION_PATCH:]
    yield waiting


def choose(variances, name, seed=0):
    """The patches for the judge: a frame of COLUMNS in px, textured ones first, `why` being "texture" or "random".

    variances: from `variances`. name: the picture's id; with the seed it decides the random patches, so that they
    depend neither on the order of pictures nor on their number. A picture with fewer patches gives those it has.
    """
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8]))
    textured, random = statistics.textured_and_random(variances, REGION_TEXTURED_PATCHES, REGION_RANDOM_PATCHES, rng)
    chosen = np.concatenate([textured, random])
    rows, columns = np.unravel_index(chosen, variances.shape)
    why = ["texture"] * len(textured) + ["random"] * len(random)
    return pd.DataFrame({"top": REGION_PATCH * rows, "left": REGION_PATCH * columns, "side": REGION_PATCH, "why": why,
                         "sobel_variance": variances.flat[chosen]}, columns=list(COLUMNS))


def sample(path, name, seed=0):
    """`choose` for a picture in a file; of a tiled one (imaging/large.py) two bands are in memory at a time."""
    return choose(variances(large.read_bands(path)), name, seed)


def decide(judgements, max_bad=REGION_MAX_BAD):
    """One row a picture: bad, missing (counts) and verdict, from judged patches or instances with columns id and bad.

    bad is True, False or missing (None, NaN, NA). "rejected": more than max_bad are bad. "undecided": they would be if
    the missing ones were, so these have to be judged again. "kept" otherwise; a missing judgement is no good one.
    """
    bad = judgements.bad.astype("boolean")
    counts = pd.DataFrame({"bad": bad.fillna(False), "missing": bad.isna()}).astype(int).groupby(judgements.id).sum()
    verdict = np.where(counts.bad > max_bad, "rejected",
                       np.where(counts.bad + counts.missing > max_bad, "undecided", "kept"))
    return counts.assign(verdict=verdict)


def catch_probability(q):
    """Probability that more than one of ten random patches is bad when a share q of a picture is.

    1 - (1-q)^10 - 10 q (1-q)^9 (claim P12).  q: number or array  # [0, 1]
    """
    return binom.sf(REGION_MAX_BAD, REGION_PATCHES, q)

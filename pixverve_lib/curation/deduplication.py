"""Deduplication of the raw pool (Sec. 3.1.1): exact by content, near by perceptual hash.

Of a group of duplicates the one with the most pixels is kept, of those the one with the most bytes (least compressed),
of those the first path in alphabetical order: whatever order the pictures came in, the same one stays.
"""
import time

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pixverve_lib.imaging.duplicates import CENTRES, near_pairs

RADIUS = 6  # bits of 64 (not in paper: choice); re-encoded copies differ by 0-2, unlike scenes by 14 and more


def groups(frame):
    """A group number for each row: rows share one when a chain of near or exact duplicates joins them.  # n int"""
    columns = [f"hash_{centre}" for centre in range(len(CENTRES))]
    hashes = np.array([[int(value, 16) for value in frame[column]] for column in columns], np.uint64)
    unique, alike = np.unique(hashes, axis=1, return_inverse=True)  # equal hashes are looked up once
    i, j = np.concatenate([near_pairs(unique[0], centre, RADIUS) for centre in unique]).T
    near = connected_components(coo_array((np.ones(len(i), bool), (i, j)), (unique.shape[1],) * 2), directed=False)[1]
    return near[alike]  # equal files have equal hashes: they are in one group as well


def find_duplicates(frame):
    """Which rows go.  frame: columns path height width bytes sha256 hash_0..2.

    Returns a frame with the same index: `duplicate_of` (the path that is kept, "" for the kept) and `kind`
    ("exact" | "near" | "").
    """
    if frame.empty:
        return pd.DataFrame({"duplicate_of": pd.Series(dtype=str), "kind": pd.Series(dtype=str)}, index=frame.index)
    order = frame.assign(group=groups(frame), pixels=frame.height * frame.width)
    order = order.sort_values(["pixels", "bytes", "path"], ascending=[False, False, True])
    best = order.groupby("group")[["path", "sha256"]].transform("first")
    gone = order.path != best.path
    kind = np.where(~gone, "", np.where(order.sha256 == best.sha256, "exact", "near"))
    found = pd.DataFrame({"duplicate_of": best.path.where(gone, ""), "kind": kind}, index=order.index)
    return found.loc[frame.index]


def measure_cost(counts, all_pairs_up_to, seed=0):
    """Seconds to find every near pair among random hashes.  Returns columns hashes, method, seconds, pairs.

    counts: numbers of hashes; all_pairs_up_to: the largest number for which the obvious way is also timed
    """
    rng = np.random.default_rng(seed)
    near_pairs(*[rng.integers(0, 2**63, 64, dtype=np.uint64)] * 2, RADIUS)  # compiles
    rows = []
    for n in counts:
        hashes = rng.integers(0, 2**63, n, dtype=np.uint64)
        hashes[n // 2:n // 2 + n // 100] = hashes[:n // 100] ^ np.uint64(0b1011 << 20)
        rows.append((n, "banded index (ours)", *_timed(near_pairs, hashes, hashes, RADIUS)))
        if n <= all_pairs_up_to:
            rows.append((n, "every pair compared", *_timed(_every_pair, hashes)))
    return pd.DataFrame(rows, columns=["hashes", "method", "seconds", "pairs"])


def _timed(function, *arguments):
    start = time.perf_counter()
    found = function(*arguments)
    return time.perf_counter() - start, len(found)


def _every_pair(hashes):
    """The obvious way: each hash against all of them."""
    return np.concatenate([np.flatnonzero(np.bitwise_count(hashes ^ one) <= RADIUS) for one in hashes])

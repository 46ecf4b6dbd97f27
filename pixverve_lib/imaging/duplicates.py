"""Near duplicates: perceptual hashes of 64 bits, and all pairs of them within a small Hamming distance.

A hash is of the picture as a whole; two more are of its centre, so that a picture also meets its own mild crops.
"""
import imagehash
import numba
import numpy as np
from PIL import Image

CENTRES = (1.0, 0.95, 0.9)  # shares of each side that are hashed
BANDS, BAND_BITS = 4, 16
MAX_RADIUS = 2 * BANDS - 1  # of eight or more differing bits, each band could hold two


def perceptual_hashes(thumbnail):
    """DCT hashes of the picture and of its centres.  thumbnail: H W 3 uint8, about 256 px  # len(CENTRES) uint64"""
    height, width = thumbnail.shape[:2]
    hashes = []
    for share in CENTRES:
        y, x = round(0.5 * (1 - share) * height), round(0.5 * (1 - share) * width)
        bits = imagehash.phash(Image.fromarray(thumbnail[y:height - y, x:width - x])).hash.ravel()
        hashes.append(int(np.packbits(bits).view(">u8")[0]))
    return np.array(hashes, np.uint64)


@numba.njit(cache=True)
def _distance(a, b):
    x = a ^ b
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(cache=True)
def _probe(queries, targets, order, starts, shift, radius, found):
    """Pairs whose keys in one band differ by at most one bit and whose hashes differ by at most `radius` bits."""
    mask = np.uint64((1 << BAND_BITS) - 1)
    count = 0
    for i in range(len(queries)):
        key = np.int64((queries[i] >> shift) & mask)
        for flip in range(BAND_BITS + 1):
            bucket = key if flip == BAND_BITS else key ^ (1 << flip)
            for k in range(starts[bucket], starts[bucket + 1]):
                j = order[k]
                if _distance(queries[i], targets[j]) <= radius:
                    if count < len(found):
                        found[count, 0], found[count, 1] = i, j
                    count += 1
    return count


def near_pairs(queries, targets, radius):
    """All (i, j) with at most `radius` bits between queries[i] and targets[j], sorted.  # pairs 2 int64

    Exact: with radius <= MAX_RADIUS at least one of the four 16-bit bands differs by at most one bit (pigeonhole), and
    every such band is looked up. Time grows with the number of hashes plus the number of hashes sharing a band key.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius must be 0 to {MAX_RADIUS} bits, not {radius}")
    found = []
    for band in range(BANDS):
        shift = np.uint64(band * BAND_BITS)
        keys = (targets >> shift).astype(np.uint16)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange(2**BAND_BITS + 1))
        room = np.empty((4 * len(queries) + 1024, 2), np.int64)
        count = _probe(queries, targets, order, starts, shift, radius, room)
        if count > len(room):  # many alike: now we know how many
            room = np.empty((count, 2), np.int64)
            _probe(queries, targets, order, starts, shift, radius, room)
        found.append(room[:count])
    return np.unique(np.concatenate(found), axis=0)

"""Looks at one picture of the pool, once: its size, its hashes, and the numbers of the five detectors (Sec. 3.1.2)."""
import hashlib
import math
import os

import fsspec

from pixverve_lib.curation import screening
from pixverve_lib.imaging import duplicates, reading, statistics
from pixverve_lib.models import aesthetics
from pixverve_lib.paper.constants import (
    EXPOSURE_HIGH,
    EXPOSURE_LOW,
    FLAT_MIN_VARIANCE,
    FLAT_PATCH,
    ULTRAFLUX_FLAT_MIN_VARIANCE,
)

VERSION = "2"  # change it when a number below changes: finished shards are then measured again
COLUMNS = (
    "path", "status", "reason", "height", "width", "bytes", "sha256", "tier", "hash_0", "hash_1", "hash_2", "exposure",
    "sharpness", "flatness", "flatness_800", "entropy", "aesthetics_l", "aesthetics_a",
)


class TooSmall(Exception):
    """A picture that the resolution screen of Sec. 3.1.1 drops, before it is decoded."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def size_and_digest(path):
    """Bytes of a file, and their SHA-256 in hexadecimal."""
    path = os.fspath(path)
    with fsspec.open(path, "rb") if "://" in path else open(path, "rb") as file:  # a local name may hold "::"
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def inspect(path, predictor_l, predictor_a):
    """One picture, decoded once.  Returns a flat dict of COLUMNS from `height` on.

    exposure, flatness: shares in [0, 1]; sharpness: variance of the Laplacian; entropy: bits; aesthetics: the
    predictors' own scales. Raises UnreadableImage and TooSmall, whose `reason` is one line.
    """
    header = reading.probe(path)
    if reason := screening.why_too_small(header.height, header.width):
        raise TooSmall(f"too small: {header.height} x {header.width}, {reason}")
    rgb = reading.read_rgb(path)
    histogram = statistics.gray_histogram(rgb)
    variances = statistics.patch_variances(rgb, FLAT_PATCH)
    small = reading.thumbnail(rgb, aesthetics.THUMBNAIL)
    hashes = duplicates.perceptual_hashes(reading.thumbnail(small, 256))
    size, sha256 = size_and_digest(path)
    found = {
        "height": header.height, "width": header.width, "bytes": size, "sha256": sha256,
        "tier": screening.tier(header.height, header.width),
        # text, because one rejected picture would turn a column of 64-bit integers into floats
        **{f"hash_{i}": f"{value:016x}" for i, value in enumerate(hashes)},
        "exposure": statistics.exposure(histogram, dark=EXPOSURE_LOW, bright=EXPOSURE_HIGH),
        "sharpness": statistics.laplacian_variance(rgb),
        "flatness": statistics.flat_fraction(variances, FLAT_MIN_VARIANCE),
        "flatness_800": statistics.flat_fraction(variances, ULTRAFLUX_FLAT_MIN_VARIANCE),
        "entropy": statistics.entropy_bits(histogram),
        "aesthetics_l": aesthetics.load(predictor_l)(small),
        "aesthetics_a": aesthetics.load(predictor_a)(small),
    }
    if lost := [name for name in ("aesthetics_l", "aesthetics_a") if not math.isfinite(found[name])]:
        raise ValueError(f"the predictor gave no number: {', '.join(lost)}")
    return found

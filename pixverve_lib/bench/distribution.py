"""FID and FID_patch (Sec. 3.3.1) as the released code computes them, on pictures of 100 MP in bounded memory.

FID        real and generated are resized straight to (side, side), `side` being the generated picture's, with
           torchvision's default (Pillow's bilinear, which antialiases); the network then shrinks them to 299.
           The released detour over [0, 1] back to whole bytes changes no value (all 256 tried).
FID_patch  both are resized to (side, side) with Lanczos; the same random patches are cut from both. Only the pixels of
           a patch are ever resized: the result is that of cutting the resized picture, at most one level off.

Places: one stream of Python's random.Random(42) for the whole set; for each picture in turn 20 times `top`, then
`left`, both randint(0, side - patch), ends included. A picture that is left out draws nothing, as in the released code.
A side below the patch has no places and no FID_patch.
"""
from contextlib import nullcontext
from random import Random

import numpy as np
from PIL import Image

from pixverve_lib.bench import bootstrap
from pixverve_lib.imaging import distances
from pixverve_lib.kit.progress import progress

PATCHES = 20  # a picture; not in paper: released code
SEED = 42  # not in paper: released code
ENOUGH = 2048  # samples for a covariance of 2048 features to have full rank; not in paper: pytorch-fid's warning
DIRECTIONS = 256  # of 2048 features, for intervals: minutes instead of an hour; not in paper: choice
BAND = 512  # rows resized at a time
REACH = {Image.Resampling.BILINEAR: 1, Image.Resampling.LANCZOS: 3}  # source pixels each way, at scale 1


def side_of(height, width):
    """The side that a generated picture is compared at: its own; of one that is not square, that of equal area."""
    return round((height * width) ** 0.5)  # not in paper: choice; the released code takes one side for all


def whole_features(rgb, features, side):
    """What FID sees of one picture  # H W 3 uint8 -> 1 D;  features: Backends.features; side: of the generated one"""
    return features([resized(rgb, side)])


def patch_features(rgb, features, lengths, places, side):
    """What FID_patch sees of one picture  # H W 3 uint8 -> len(places) D;  places: its entry of `places`, not empty"""
    return features([_window(rgb, side, top, left, lengths.fid, lengths.fid, Image.Resampling.LANCZOS)
                     for top, left in places])


def places(sides, lengths):
    """Upper left corners of the patches, 20 a picture: a list for each side; empty where a patch does not fit."""
    draw = Random(SEED).randint
    return [[(draw(0, side - lengths.fid), draw(0, side - lengths.fid)) for _ in range(PATCHES)]
            if side >= lengths.fid else [] for side in sides]


def fid(generated, reference, name="FID", seed=0):
    """The distance and how far it may be off: {"value", "low", "high", "samples", "warning"}.

    generated, reference: a list with the features of each picture, n D (n = 1 for FID, 20 for FID_patch), pairs in
    order; None stands for a picture without features and leaves out its pair. warning: one line, or "".
    The interval resamples pairs of pictures (bench/bootstrap.py). Resampled sets hold fewer different pictures, so all
    their distances are too large: low and high are the value minus and plus half the width of those distances.
    Raises ValueError for fewer than two pairs.
    """
    pairs = [(a, b) for a, b in zip(generated, reference, strict=True) if a is not None and b is not None]
    if len(pairs) < 2:
        raise ValueError(f"{name} needs at least two pictures with their references, got {len(pairs)}")
    value, half, samples = _distance(pairs), _half_width(name, pairs, seed), sum(len(a) for a, _ in pairs)
    return {"value": value, "low": max(0.0, value - half), "high": value + half, "samples": samples,
            "warning": warning(name, samples)}


def _half_width(name, pairs, seed):
    """Half the width of the interval, in the span of the strongest directions: exact up to DIRECTIONS features."""
    pairs = _strongest(pairs)
    long = sum(len(a) for a, _ in pairs) >= ENOUGH
    with progress(bootstrap.DRAWS + 1, f"{name}: interval", unit="resamples") if long else nullcontext(id) as count:
        def score(rows):
            count("done")
            return {name: _distance([pairs[row] for row in rows])}
        drawn = bootstrap.over_pictures(score, len(pairs), seed).iloc[0]
    return float(drawn.high - drawn.low) / 2


def _strongest(pairs):
    """The same features along the directions in which both sets together vary most."""
    both = np.concatenate([features for pair in pairs for features in pair]).astype(np.float64)
    if both.shape[1] <= DIRECTIONS:
        return pairs
    basis = np.linalg.eigh(np.cov(both.T))[1][:, -DIRECTIONS:]
    return [(a @ basis, b @ basis) for a, b in pairs]


def warning(name, samples):
    """One line below 2,048 samples, else ""."""
    few = f"{name} from {samples} samples: below {ENOUGH:,} it reads too high; compare only sets of equal size"
    return few if samples < ENOUGH else ""


def _distance(pairs):
    generated, reference = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return distances.frechet(generated, reference)


def resized(rgb, side, resample=Image.Resampling.BILINEAR):
    """The picture at side x side, as Pillow resizes it but in bands; unchanged where it has that size already."""
    if rgb.shape[:2] == (side, side):
        return rgb
    out = np.empty((side, side, 3), np.uint8)
    for top in range(0, side, BAND):
        height = min(BAND, side - top)
        out[top:top + height] = _window(rgb, side, top, 0, height, side, resample)
    return out


def _window(rgb, side, top, left, height, width, resample):
    """A part of the resized picture, from the part of the source that it depends on  # height width 3 uint8"""
    if rgb.shape[:2] == (side, side):
        return rgb[top:top + height, left:left + width]
    rows, y = _source(rgb.shape[0], side, top, height, REACH[resample])
    columns, x = _source(rgb.shape[1], side, left, width, REACH[resample])
    part = Image.fromarray(np.ascontiguousarray(rgb[rows, columns]))
    return np.asarray(part.resize((width, height), resample, box=(x[0], y[0], x[1], y[1])))


def _source(length, side, start, count, reach):
    """Which source pixels (slice) a stretch of the resized picture reads, and the stretch's ends within them."""
    scale = length / side
    first, last = start * scale, (start + count) * scale
    margin = reach * max(scale, 1) + 1
    low, high = max(0, int(first - margin)), min(length, int(np.ceil(last + margin)))
    return slice(low, high), (first - low, min(last - low, high - low))

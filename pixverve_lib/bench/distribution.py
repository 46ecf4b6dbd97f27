"""FID and FID_patch (Sec. 3.3.1) as the released code computes them, on pictures of 100 MP in bounded memory.

FID        real and generated are resized straight to (side, side), `side` being the generated picture's, with
           torchvision's default (Pillow's bilinear, which antialiases); the network then shrinks them to 299.
           The released detour over [0, 1] back to whole bytes changes no value (all 256 tried).
FID_patch  both are resized to (side, side) with Lanczos; the same random patches are cut from both. Only the pixels of
           a patch are ever resized: the result is that of cutting the resized picture, at most one level off.

Places: one stream of Python's random.Random(42) for the whole set; for each picture in turn 20 times `top`, then
`left`, both randint(0, side - patch), ends included. A picture without a reference, or whose header cannot be read,
draws nothing; one that turns out to be truncated later has drawn already. A side below the patch has no places and no
FID_patch.
"""
from contextlib import nullcontext
from itertools import islice
from random import Random

import numpy as np
from PIL import Image

from pixverve_lib.bench import bootstrap
from pixverve_lib.imaging import distances
from pixverve_lib.kit.progress import progress

PATCHES = 20  # a picture; not in paper: released code
SEED = 42  # not in paper: released code
ENOUGH = 2048  # pictures for a covariance of 2048 features to have full rank; not in paper: pytorch-fid's warning
DIRECTIONS = 256  # of 2048 features, for intervals: minutes instead of an hour; not in paper: choice
GATHERED = 64  # pictures whose features are in memory together
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
    """The distance and how far it may be off: {"value", "low", "high", "warning"}.

    generated, reference: sequences with the features of each picture, n D (n = 1 for FID, 20 for FID_patch), pairs in
    order; they are gone through several times, a picture after the other, so they may lie on disk. warning: one line,
    or "".
    The interval resamples pairs of pictures (bench/bootstrap.py). Resampled sets hold fewer different pictures, so all
    their distances are too large: low and high are the value minus and plus half the width of those distances.
    Raises ValueError for fewer than two pairs.
    """
    if min(len(generated), len(reference)) < 2:
        raise ValueError(f"{name} needs at least two pictures with their references, got {len(generated)}")
    value, half = _distance(generated, reference), _half_width(name, generated, reference, seed)
    return {"value": value, "low": max(0.0, value - half), "high": value + half,
            "warning": warning(name, len(generated), len(generated[0]))}


def _half_width(name, generated, reference, seed):
    """Half the width of the interval, in the span of the strongest directions: exact up to DIRECTIONS features."""
    sides = _strongest(generated, reference)
    long = sum(map(len, sides[0])) >= ENOUGH
    with progress(bootstrap.DRAWS + 1, f"{name}: interval", unit="resamples") if long else nullcontext(id) as count:
        def score(rows):
            count("done")
            return {name: _distance(*([side[row] for row in rows] for side in sides))}
        drawn = bootstrap.over_pictures(score, len(generated), seed).iloc[0]
    return float(drawn.high - drawn.low) / 2


def _strongest(*sides):
    """The same features, in memory, along the directions in which both sets together vary most."""
    if sides[0][0].shape[1] <= DIRECTIONS:
        return [list(side) for side in sides]
    _, covariance = _moments(features for side in sides for features in side)
    basis = np.linalg.eigh(covariance)[1][:, -DIRECTIONS:]
    return [[(features @ basis).astype(np.float32) for features in side] for side in sides]


def warning(name, pictures, patches=1):
    """One line below 2,048 pictures, else ""; patches: how many of each are compared."""
    each = f" of {patches} patches each, which are much alike" if patches > 1 else ""
    few = f"{name} from {pictures} pictures{each}: below {ENOUGH:,} it reads too high; compare only sets of equal size"
    return few if pictures < ENOUGH else ""


def _distance(generated, reference):
    return distances.frechet(_gathered(generated), _gathered(reference))


def _gathered(side):
    """The features of all pictures, N D, or fewer with the same mean and covariance where there are many."""
    samples, width = len(side) * len(side[0]), side[0].shape[1]
    return np.concatenate(list(side)) if samples <= 2 * width else _stand_in(*_moments(side))


def _stand_in(mean, covariance):
    """2 D features with this mean and covariance: from the mean along each principal axis, both ways."""
    variances, axes = np.linalg.eigh(covariance)
    arms = np.sqrt(variances.clip(0) * (2 * len(mean) - 1) / 2)[:, None] * axes.T
    return np.concatenate([mean + arms, mean - arms])


def _moments(parts):
    """Mean  # D  and unbiased covariance  # D D, float64  of features that are never all in memory."""
    count, total, square, origin = 0, 0.0, 0.0, None
    parts = iter(parts)
    while some := list(islice(parts, GATHERED)):
        rows = np.concatenate(some).astype(np.float64)
        origin = rows[0].copy() if origin is None else origin  # near the mean: no digits are lost
        rows -= origin
        count, total, square = count + len(rows), total + rows.sum(0), square + rows.T @ rows
    return origin + total / count, (square - np.outer(total, total) / count) / (count - 1)


def resized(rgb, side):
    """The picture at side x side, as Pillow resizes it (bilinear) but in bands; unchanged where it has that size."""
    if rgb.shape[:2] == (side, side):
        return rgb
    out = np.empty((side, side, 3), np.uint8)
    for top in range(0, side, BAND):
        height = min(BAND, side - top)
        out[top:top + height] = _window(rgb, side, top, 0, height, side, Image.Resampling.BILINEAR)
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

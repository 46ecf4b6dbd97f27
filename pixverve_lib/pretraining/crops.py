"""Squares to train an autoencoder on, cut from pictures of any size: paths, or H W 3 uint8 each."""
import os
from collections.abc import Sequence

import cv2
import numpy as np

from pixverve_lib.imaging import reading, statistics
from pixverve_lib.paper import constants

WIDEST = 4  # a picture is shrunk until its short side is between one and four sides of a crop; not in paper: choice
NAMED = 5  # pictures that an error names


class BadPictures(ValueError):
    """Pictures that cannot be trained on; the line says which and why."""


def refuse_unusable(pictures: Sequence, side: int) -> None:
    """Look at paths, or at H W 3 uint8 each.

    Raises BadPictures where there is none, and for unreadable ones and short sides below `side` pixels.
    """
    if not len(pictures):
        raise BadPictures("no picture to train on: give at least one")
    if bad := [reason for picture in pictures if (reason := _wrong(picture, side))]:
        raise BadPictures(f"{len(bad)} of {len(pictures)} pictures cannot be used, leave them out: "
                          f"{'; '.join(bad[:NAMED])}{' ...' if len(bad) > NAMED else ''}")


def _wrong(picture, side):
    """What is wrong with a picture, or None."""
    is_array = isinstance(picture, np.ndarray)
    try:
        height, width = picture.shape[:2] if is_array else reading.probe(picture)[:2]
    except reading.UnreadableImage as error:
        return f"{picture} ({error.reason})"
    if min(height, width) < side:
        return f"{'an array' if is_array else picture} ({height} x {width} px, smaller than a crop of {side})"
    return None


def least_flat(pictures: Sequence, kept: float) -> list:
    """The share `kept` with the least flat patches, in their order; of equal ones those with stronger gradients.

    Flat: UltraFlux Supp. Sec. 2.1, patches of 240 px (of the short side of smaller pictures) of a variance below 800.
    """
    if kept >= 1:
        return list(pictures)
    ranks = sorted(range(len(pictures)), key=lambda n: _flatness(opened(pictures[n])))
    return [pictures[n] for n in sorted(ranks[: max(1, round(kept * len(pictures)))])]


def _flatness(rgb):
    patch = min(constants.ULTRAFLUX_FLAT_PATCH, *rgb.shape[:2])
    variances = statistics.patch_variances(rgb, patch)
    return statistics.flat_fraction(variances, constants.ULTRAFLUX_FLAT_MIN_VARIANCE), -variances.mean()


def opened(picture) -> np.ndarray:
    """H W 3 uint8 of a path, or of what is one already. Raises BadPictures."""
    if isinstance(picture, np.ndarray):
        return picture
    try:
        return reading.read_rgb(picture)
    except reading.UnreadableImage as error:
        raise BadPictures(f"{picture} cannot be read ({error.reason}): repair or remove it") from error


def cut(rgb: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A square of `side` pixels, shrunk evenly and cropped at random; the short side of `rgb` has as many or more."""
    short = min(rgb.shape[:2])
    target = int(rng.integers(side, min(short, WIDEST * side) + 1))
    height, width = (max(target, round(length * target / short)) for length in rgb.shape[:2])
    if target < short:
        rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    top, left = (int(rng.integers(length - side + 1)) for length in (height, width))
    return rgb[top : top + side, left : left + side]


def stamp(picture) -> bytes:
    """What changes when a picture does: of a path its name, size and time."""
    if isinstance(picture, np.ndarray):
        return np.ascontiguousarray(picture).tobytes()
    file = os.stat(picture)
    return f"{picture} {file.st_size} {file.st_mtime_ns}".encode()

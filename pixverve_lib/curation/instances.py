"""Instances of a very large picture (Sec. 3.1.5): which masks stay, and the pair of pictures that shows each of them.

Masks and boxes belong to the analysis picture, ANALYSIS_SIDE px long; crops are cut from the picture itself. The paper
names the IoU and the area threshold without their values (misprints.csv, M18).
"""
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from pixverve_lib.imaging import large, reading
from pixverve_lib.models.annotation import Box, Instance
from pixverve_lib.paper.constants import INSTANCE_PADDING

ANALYSIS_SIDE = 1024  # px, long side of what taggers, detectors and captioners see; not in paper: choice
CROP_SIDE = 1024  # px, longest side of a crop that a model gets; not in paper: choice
DIMMED = 0.35  # brightness left outside the highlighted mask; not in paper: choice
OUTLINE = (255, 225, 0)  # RGB; not in paper: choice


@dataclass(frozen=True)
class Limits:
    """What is an instance of its own. iou: [0, 1], area: share of the picture, most: boxes a picture, best first."""

    max_iou: float = 0.5  # not in paper: choice (M18)
    min_area: float = 0.001  # not in paper: choice (M18); 320 x 320 px of 100 MP
    most: int = 100  # not in paper: choice; so that a crowd of 500 costs 100 descriptions and says so


class Selection(NamedTuple):
    kept: list[Instance]  # best score first
    trivial: int  # smaller than the area threshold
    duplicates: int  # overlapping a better one


class Pair(NamedTuple):
    crop: np.ndarray  # H W 3 uint8, at most CROP_SIDE px long
    highlighted: np.ndarray  # H W 3 uint8, the analysis picture


class Opened:
    """A picture that is looked at as a whole and cut many times: a tiled file by the crop, any other decoded once.

    shown: the analysis picture  # H W 3 uint8. Raises UnreadableImage.
    """

    def __init__(self, path):
        self.path, (self.height, self.width) = path, large.size(path)
        tiled = large.crop_bytes(path, 0, 0, 1, 1) < large.crop_bytes(path, 0, 0, self.height, self.width)
        self._rgb = None if tiled else reading.read_rgb(path)
        self._levels = _levels(path)
        self.shown = large.thumbnail(path, ANALYSIS_SIDE) if tiled else reading.thumbnail(self._rgb, ANALYSIS_SIDE)

    def crop(self, top, left, bottom, right, long_side=None):
        """A rectangle in px; longer than long_side it comes shrunk, from the smallest level that suffices."""
        if self._rgb is not None:
            return self._shrunk(self._rgb[top:bottom, left:right], long_side)
        level = 0
        while long_side and level + 1 < self._levels and max(bottom - top, right - left) >> level + 1 >= long_side:
            level += 1
        height, width = large.size(self.path, level)
        top, left = top >> level, left >> level
        bottom, right = min(max(bottom >> level, top + 1), height), min(max(right >> level, left + 1), width)
        return self._shrunk(large.read_crop(self.path, top, left, bottom - top, right - left, level), long_side)

    @staticmethod
    def _shrunk(rgb, long_side):
        return reading.thumbnail(rgb, long_side) if long_side else rgb


def select(boxes, masks, limits=None):
    """Drop trivial instances, then of those that overlap all but the best (non-maximum suppression by mask IoU).

    boxes: list of Box; masks: list of H W bool, one each. Equal scores: the larger one is better. Returns Selection.
    """
    limits = limits or Limits()
    found = [Instance(**vars(box), mask=np.asarray(mask, bool)) for box, mask in zip(boxes, masks, strict=True)]
    areas = {id(instance): int(instance.mask.sum()) for instance in found}
    large_enough = [i for i in found if areas[id(i)] >= max(1, limits.min_area * i.mask.size)]
    large_enough.sort(key=lambda instance: (-instance.score, -areas[id(instance)]))
    kept = []
    for instance in large_enough:
        if all(mask_iou(instance.mask, other.mask) <= limits.max_iou for other in kept):
            kept.append(instance)
    return Selection(kept, len(found) - len(large_enough), len(large_enough) - len(kept))


def best(boxes, limits):
    """The boxes with the highest scores, as many as the limits allow, and how many are left out."""
    ranked = sorted(boxes, key=lambda box: -box.score)
    return ranked[:limits.most], max(0, len(ranked) - limits.most)


def mask_iou(one, other):
    """Intersection over union of two masks of the same size, [0, 1]; two empty ones: 0."""
    common = np.count_nonzero(one & other)
    union = np.count_nonzero(one) + np.count_nonzero(other) - common
    return common / union if union else 0.0


def visual_pair(picture, instance):
    """The crop around an instance and the whole picture with it highlighted. picture: Opened. Returns Pair."""
    return Pair(cut_out(picture, instance), highlighted(picture.shown, instance.mask))


def cut_out(picture, box: Box):
    """The crop of a box with its padding.  # H W 3 uint8, at most CROP_SIDE long"""
    return cut_around(picture, *box.pixels(picture.height, picture.width))


def cut_around(picture, top, left, bottom, right):
    """A rectangle in px with its padding, clipped at the picture's border.  # H W 3 uint8, at most CROP_SIDE long

    Sec. 3.1.5: 5 % padding, here of the rectangle's own height and width on each side (not in paper: choice).
    """
    down, across = round(INSTANCE_PADDING * (bottom - top)), round(INSTANCE_PADDING * (right - left))
    return picture.crop(max(0, top - down), max(0, left - across), min(picture.height, bottom + down),
                        min(picture.width, right + across), CROP_SIDE)


def highlighted(rgb, mask):
    """The picture with everything outside the mask dimmed and the mask outlined.  # H W 3 uint8"""
    shown = np.where(mask[..., None], rgb, (rgb * DIMMED).astype(np.uint8))
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.ascontiguousarray(shown), contours, -1, OUTLINE, 2)


def encode_mask(mask):
    """Run lengths as COCO writes them: {"size": [H, W], "counts": [...]}, by columns, beginning with the zeros."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [not mask[-1, -1]]])
    return {"size": list(mask.shape), "counts": np.diff(np.flatnonzero(np.diff(flat)), prepend=0).tolist()}


def decode_mask(runs):
    """The mask of `encode_mask`.  # H W bool"""
    values = np.arange(len(runs["counts"])) % 2 == 1
    return np.repeat(values, runs["counts"]).reshape(runs["size"], order="F")


def _levels(path):
    """How many levels of its pyramid a file has; 1 for one without."""
    levels = 1
    while True:
        try:
            large.size(path, levels)
        except IndexError:
            return levels
        levels += 1

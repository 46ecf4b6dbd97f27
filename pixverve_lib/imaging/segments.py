"""Classical segmentation: which regions of a picture stand out as things, and which are sky, ground or backdrop.

The regions of a tree of merges are weighed by how they differ from what is around them, by size and by shape, and the
best that do not overlap are kept. It knows colours and grain, not meaning: a striped shirt is several things, and of
two trees that touch it makes one. None of the numbers here is in the paper: they are choices, WEIGHTS a logistic fit
to the boxes of 20 built-in scenes (seeds 0 to 3) that nothing is measured on.
"""
from typing import NamedTuple

import cv2
import numpy as np

from pixverve_lib.imaging import region_tree

SIDE = 320  # pixels, longest side of the picture that is segmented
SHORTEST = 8  # pixels; below that there is nothing to segment
SMALLEST, LARGEST = 8e-4, 0.3  # shares of the picture that a thing may cover
FAINTEST = 4.0  # units of Lab; what differs less than this from its surroundings is no thing
SURE = 0.35  # probability from which a region is a thing
MOST = 60  # things a picture, the surest first
GRAIN = 2.0  # weight of a unit of local contrast beside one of Lab
REFINED = 96  # pixels, longest side of a cut-out whose mask is refined
WEIGHTS = {"size": 1.3, "size squared": -0.17, "contrast": 0.84, "weakest": 0.36, "borders": -1.3, "filling": 3.45,
           "width": -8.1, "bias": 0.7}


class Region(NamedTuple):
    """A thing in the reduced picture."""

    mask: np.ndarray  # h w bool
    probability: float  # [0, 1]
    contrast: float  # units of Lab between it and its surroundings, median along its border

    @property
    def area(self):
        """Share of the picture in [0, 1]."""
        return float(self.mask.mean())

    @property
    def edges(self):
        """(top, left, bottom, right) as shares of the picture."""
        return edges(self.mask)


def edges(mask):
    """(top, left, bottom, right) of what is set, as shares of the picture; of nothing: all 0."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    height, width = mask.shape
    return (float(rows[0] / height), float(columns[0] / width),
            float((rows[-1] + 1) / height), float((columns[-1] + 1) / width))


def reduced(rgb, side=SIDE):
    """The picture with its longest side at most `side`.  # h w 3 uint8"""
    scale = side / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    return cv2.resize(rgb, [max(1, round(scale * n)) for n in rgb.shape[1::-1]], interpolation=cv2.INTER_AREA)


def lab(rgb):
    """CIE Lab, L in [0, 100].  rgb: H W 3 uint8  # H W 3 float32"""
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def things(rgb):
    """Regions that stand out, the surest first, at most MOST; none in a flat or tiny picture.  rgb: H W 3 uint8"""
    small = reduced(rgb)
    if min(small.shape[:2]) < SHORTEST:
        return []
    cells = region_tree.superpixels(small)
    tree = region_tree.merge(cells, _channels(small))
    weighed = _weighed(tree, cells)
    taken, regions = np.zeros(cells.max() + 1, bool), []
    for probability, contrast, leaves in sorted(weighed, key=lambda found: -found[0])[:20 * MOST]:
        if len(regions) < MOST and not taken[list(leaves)].any():
            taken[list(leaves)] = True
            regions.append(Region(np.isin(cells, leaves), probability, contrast))
    return regions


def _channels(small):
    colour = lab(small)
    grain = cv2.absdiff(colour[..., 0], cv2.GaussianBlur(colour[..., 0], (0, 0), 2))
    return np.dstack([cv2.GaussianBlur(colour, (0, 0), 0.7), GRAIN * cv2.GaussianBlur(grain, (0, 0), 3)])


def _weighed(tree, cells):
    """(probability of being a thing, contrast, superpixels) of the regions that may be one."""
    boxes, sizes = _boxes(cells), np.bincount(cells.ravel()) / cells.size
    found = []
    for leaves in tree.leaves:
        cover = float(sizes[list(leaves)].sum())
        if not SMALLEST <= cover <= LARGEST:
            continue
        inside = np.zeros(len(sizes), bool)
        inside[list(leaves)] = True
        around = np.sort(tree.steps[inside[tree.borders[:, 0]] != inside[tree.borders[:, 1]]])
        if len(around) and (contrast := float(around[len(around) // 2])) >= FAINTEST:
            probability = _probability(cover, contrast, float(around[len(around) // 5]), boxes[list(leaves)])
            if probability >= SURE:
                found.append((probability, contrast, leaves))
    return found


def _probability(cover, contrast, weakest, boxes):
    (top, left), (bottom, right) = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    borders = (top <= 0) + (left <= 0) + (bottom >= 1) + (right >= 1)
    size = np.log(cover)
    evidence = {"size": size, "size squared": (size + 4) ** 2, "contrast": np.log1p(contrast),
                "weakest": np.log1p(weakest), "borders": borders, "width": right - left,
                "filling": cover / ((bottom - top) * (right - left)), "bias": 1.0}
    return float(1 / (1 + np.exp(-sum(WEIGHTS[name] * value for name, value in evidence.items()))))


def _boxes(cells):
    """Of each superpixel: top, left, bottom, right as shares of the picture.  # n 4"""
    rows, columns = np.indices(cells.shape)
    n, (height, width) = cells.max() + 1, cells.shape
    boxes = np.tile([height, width, 0, 0], (n, 1))
    np.minimum.at(boxes[:, 0], cells, rows)
    np.minimum.at(boxes[:, 1], cells, columns)
    np.maximum.at(boxes[:, 2], cells, rows + 1)
    np.maximum.at(boxes[:, 3], cells, columns + 1)
    return boxes / (height, width, height, width)


def refined(rgb, box):
    """The mask of what a box holds, by GrabCut inside it.  rgb: H W 3 uint8; box: px (top, left, bottom, right)

    The box alone when it is too small, or when GrabCut finds next to nothing in it.  # H W bool
    """
    top, left, bottom, right = box
    mask = np.zeros(rgb.shape[:2], bool)
    mask[top:bottom, left:right] = True
    margin_y, margin_x = max(2, (bottom - top) // 4), max(2, (right - left) // 4)
    window = (slice(max(0, top - margin_y), bottom + margin_y), slice(max(0, left - margin_x), right + margin_x))
    cut, inside = reduced(rgb[window], REFINED), reduced(mask[window].astype(np.uint8), REFINED)
    if min(cut.shape[:2]) < SHORTEST or inside.all():
        return mask
    marks = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    nothing = np.zeros((1, 65))
    cv2.setRNGSeed(0)  # GrabCut clusters colours from random seeds
    cv2.grabCut(np.ascontiguousarray(cut), marks, None, nothing, nothing.copy(), 2, cv2.GC_INIT_WITH_MASK)
    kept = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    if kept.sum() < 0.2 * inside.sum():
        return mask
    mask[window] &= cv2.resize(kept, mask[window].shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    return mask

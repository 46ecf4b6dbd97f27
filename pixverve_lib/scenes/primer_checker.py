"""Says what a picture shows where a scene has things: the ground truth that generated pictures are measured with."""
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from pixverve_lib.scenes import primer
from pixverve_lib.scenes.primer import COLOURS, PLACES, RADIUS, SHAPES, Spec, Thing

SIDE = 64  # pixels; larger pictures are averaged down to it, so that a verdict means the same at every side
REACH = 0.205  # half the width of the window around a place, share of the side: a thing with its jitter fits
SATURATED = 55  # least difference between the strongest and the weakest channel of a thing's pixel, 0..255
LEAST_SHARE = 0.15  # of a window that a thing's colour covers; the smallest thing, a cross, covers 0.40
LEAST_LIKENESS = 0.6  # correlation of the found region with the best template
SIZES = (0.92, 1.0, 1.08)  # of the templates, of the usual radius
SEARCHED = 128  # pixels, side at which things are looked for anywhere
LEAST_AREA = 0.003  # of the picture; a region that is a thing: the smallest, a cross, covers 0.069, in a 4 x 4 lattice
                    # of small copies 0.0043
USUAL_AREA = 0.06  # of the picture; the smallest thing, a cross, covers a little more
APART = 0.1  # of the side; what is beside something else is at least so far to that side


@dataclass(frozen=True)
class Verdict:
    """For each thing of a scene in its order: whether its colour, and whether its shape, is at its place."""

    colour: tuple[bool, ...]
    shape: tuple[bool, ...]


@dataclass(frozen=True)
class Seen:
    """A coloured region, anywhere: shape is None for one like no shape; x, y (right, down) and area in shares, 0..1."""

    colour: str
    shape: str | None
    x: float
    y: float
    area: float


@dataclass(frozen=True)
class Compliance:
    """What of a scene a picture shows, as (right, of how many).

    present: things that have a region of their colour or of their shape, anywhere, each another one
    attributes: colour and shape, two for each thing that is present
    relations: each present thing at its named place, and each two of them to the sides of each other that they should
    stray: share of the picture that all other coloured regions cover
    """

    present: tuple[int, int]
    attributes: tuple[int, int]
    relations: tuple[int, int]
    stray: float


def check(rgb: np.ndarray, spec: Spec) -> Verdict:
    """Compare a picture with the scene it should show  # rgb: side side 3 uint8, side >= 64"""
    small = _shrunk(rgb)
    found = [look(small, thing.place) for thing in spec.things]
    return Verdict(
        tuple(colour == thing.colour for (colour, _), thing in zip(found, spec.things, strict=True)),
        tuple(shape == thing.shape for (_, shape), thing in zip(found, spec.things, strict=True)),
    )


def scores(pictures, specs) -> dict[str, float]:
    """Over all things: `pos`, share with the right colour at the right place; `shape`, with the right shape too."""
    verdicts = [check(picture, spec) for picture, spec in zip(pictures, specs, strict=True)]
    pairs = [pair for verdict in verdicts for pair in zip(verdict.colour, verdict.shape, strict=True)]
    return {"pos": sum(colour for colour, _ in pairs) / len(pairs), "shape": sum(map(all, pairs)) / len(pairs)}


def stray(pictures, specs) -> float:
    """Share of the places without a thing where one is seen, over all scenes; what lies between places is not seen."""
    found = [look(small, place)[0] is not None
             for small, spec in zip(map(_shrunk, pictures), specs, strict=True)
             for place in PLACES if place not in {thing.place for thing in spec.things}]
    return sum(found) / len(found)


def compliance(rgb: np.ndarray, spec: Spec) -> Compliance:
    """Compare a picture with a scene, wherever its things are; backgrounds are not looked at  # rgb: H W 3 uint8"""
    seen = search(rgb)
    pairs = _matched(seen, spec.things)
    right = sum((one.colour == thing.colour) + (one.shape == thing.shape) for one, thing in pairs)
    used = sum(one.area for one, _ in pairs)
    relations = _relations(pairs)
    return Compliance((len(pairs), len(spec.things)), (right, 2 * len(pairs)), (sum(relations), len(relations)),
                      sum(one.area for one in seen) - used)


def search(rgb: np.ndarray) -> list[Seen]:
    """All coloured regions of a picture of any size, the largest first."""
    small = cv2.resize(rgb, (SEARCHED, SEARCHED), interpolation=cv2.INTER_AREA)
    names = _nearest_colours(small)
    found = [one for number, colour in enumerate(COLOURS) for one in _regions(names == number, colour)]
    return sorted(found, key=lambda one: -one.area)


def _regions(mask, colour):
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, labels, boxes, centres = cv2.connectedComponentsWithStats(opened, connectivity=4)
    for number in range(1, count):
        left, top, width, height, area = boxes[number]
        if area >= LEAST_AREA * mask.size:
            region = (labels[top:top + height, left:left + width] == number).astype(np.float32)
            # the middle of the box, not of the mass: that of a triangle lies lower
            x, y = (left + width / 2) / SEARCHED, (top + height / 2) / SEARCHED
            yield Seen(colour, _shape(_sized(region)), x, y, area / mask.size)


def _sized(region):
    """A region in the middle of a square as wide as the templates' usual thing."""
    down, across = (max(region.shape) - length for length in region.shape)
    square = cv2.copyMakeBorder(region, down // 2, down - down // 2, across // 2, across - across // 2,
                                cv2.BORDER_CONSTANT, value=0)
    return cv2.resize(square, (round(2 * RADIUS * SIDE),) * 2, interpolation=cv2.INTER_AREA)


def _matched(seen, things):
    """(region, thing) pairs: of those with the colour or the shape, by colour first, then the largest and nearest ones.

    So of many copies the one that is seen first counts, not the one that happens to be right.
    """
    if not seen:
        return []
    worth = np.array([[_worth(one, thing) for thing in things] for one in seen])
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(seen[i], things[j]) for i, j in zip(rows, columns, strict=True) if worth[i, j]]


def _worth(one, thing):
    """How likely a region is taken for a thing, 0: not at all."""
    colour, shape = one.colour == thing.colour, one.shape == thing.shape
    return (colour or shape) * (1 + colour + min(1, one.area / USUAL_AREA) - np.hypot(*_offset(one, thing)) / 4)


def _offset(one, thing):
    return one.x - PLACES[thing.place][0], one.y - PLACES[thing.place][1]


def _relations(pairs):
    """Whether each holds: a thing's centre in the window of its place; two things to the named sides of each other."""
    at_place = [max(map(abs, _offset(one, thing))) <= REACH / 2 for one, thing in pairs]
    return at_place + [_as_named(*two) for two in combinations(pairs, 2)]


def _as_named(first, second):
    should = np.subtract(PLACES[first[1].place], PLACES[second[1].place])
    apart = np.subtract((first[0].x, first[0].y), (second[0].x, second[0].y))
    return bool(((should == 0) | (apart * np.sign(should) >= APART)).all())


def look(rgb: np.ndarray, place: str) -> tuple[str | None, str | None]:
    """(colour, shape) of the thing at a place of a picture of 64 pixels; None where there is none to be seen."""
    window = _window(rgb, place)
    names = _nearest_colours(window)
    counts = np.bincount(names[names >= 0], minlength=len(COLOURS))
    colour = int(counts.argmax())
    if counts[colour] < LEAST_SHARE * names.size:
        return None, None
    return tuple(COLOURS)[colour], _shape((names == colour).astype(np.float32))


def _shrunk(rgb):
    return rgb if len(rgb) == SIDE else cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _window(rgb, place):
    x, y = PLACES[place]
    top, left = (max(0, round((share - REACH) * SIDE)) for share in (y, x))
    bottom, right = (round((share + REACH) * SIDE) for share in (y, x))
    return rgb[top:bottom, left:right]


def _nearest_colours(window):
    """Index of the colour whose hue is nearest, -1 where a pixel is too grey  # H W int64"""
    pixels = window.astype(np.float32)
    chroma = pixels - pixels.mean(-1, keepdims=True)
    hues = np.array(list(COLOURS.values()), np.float32)
    hues -= hues.mean(-1, keepdims=True)
    hues /= np.linalg.norm(hues, axis=-1, keepdims=True)
    return np.where(np.ptp(pixels, axis=-1) < SATURATED, -1, (chroma @ hues.T).argmax(-1))


def _shape(mask):
    """The shape whose template, at its best place and size, is most like the region."""
    padded = cv2.copyMakeBorder(mask, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=0)
    likeness = {
        shape: max(cv2.matchTemplate(padded, template, cv2.TM_CCOEFF_NORMED).max() for template in templates)
        for shape, templates in _templates().items()
    }
    best = max(likeness, key=likeness.get)
    return best if likeness[best] >= LEAST_LIKENESS else None


@cache
def _templates():
    """Regions of every shape as the painter draws them, at several sizes, with a margin around."""
    templates = {}
    for shape in SHAPES:
        drawn = primer.draw(Spec("paper", "dark", (Thing("red", shape, "centre"),)), 8 * SIDE)
        mask = (_nearest_colours(drawn) >= 0).astype(np.float32)
        margin = round((RADIUS + 1.5 / SIDE) * 8 * SIDE)
        core = mask[4 * SIDE - margin:4 * SIDE + margin, 4 * SIDE - margin:4 * SIDE + margin]
        templates[shape] = [
            cv2.resize(core, (side, side), interpolation=cv2.INTER_AREA)
            for side in (round(2 * margin / 8 * size) for size in SIZES)
        ]
    return templates

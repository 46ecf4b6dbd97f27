"""Says what a picture shows where a scene has things: the ground truth that generated pictures are measured with."""
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from pixverve_lib.scenes import primer
from pixverve_lib.scenes.primer import COLOURS, PLACES, RADIUS, SHAPES, Spec, Thing

SIDE = 64  # pixels; larger pictures are averaged down to it, so that a verdict means the same at every side
REACH = 0.205  # half the width of the window around a place, share of the side: a thing with its jitter fits
SATURATED = 55  # least difference between the strongest and the weakest channel of a thing's pixel, 0..255
LEAST_SHARE = 0.15  # of a window that a thing's colour covers; the smallest thing, a cross, covers 0.40
LEAST_LIKENESS = 0.6  # correlation of the found region with the best template
SIZES = (0.92, 1.0, 1.08)  # of the templates, of the usual radius


@dataclass(frozen=True)
class Verdict:
    """For each thing of a scene in its order: whether its colour, and whether its shape, is at its place."""

    colour: tuple[bool, ...]
    shape: tuple[bool, ...]


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

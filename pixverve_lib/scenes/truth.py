"""What is true of a scene: boxes, masks, relations and captions, measured from what is visible in the drawn picture."""
from dataclasses import dataclass

import numpy as np

from pixverve_lib.scenes import render

TRUTH_HEIGHT = 512  # rows at which visibility is measured; boxes are good to 1 / 512 of the height
LEAST_AREA = 4e-4  # a thing that shows less of itself than this share of the picture is not mentioned

PLACES = (("upper left", "top", "upper right"), ("left", "centre", "right"), ("lower left", "bottom", "lower right"))
MOOD_WORDS = {
    "midday": "under a clear midday light", "morning": "in the pale light of the morning",
    "overcast": "under a grey sky",
    "sunset": "in the warm light of the setting sun", "night": "at night",
}
SOFT = ("still life", "foliage")  # layouts without a sky: their light is only warm or cool
LAYOUT_WORDS = {
    "landscape": "A wide landscape", "still life": "A still life on a wooden table",
    "street": "A street seen along its middle",
    "foliage": "A close-up of dense foliage", "night": "A view",
}


@dataclass(frozen=True)
class Seen:
    """A visible instance. box = (left, top, right, bottom) and area are shares of the picture; place: one of PLACES."""

    number: int
    name: str
    colour: str
    material: str
    depth: float
    box: tuple[float, float, float, float]
    area: float
    place: str


def _place(box):
    column = min(2, int(1.5 * (box[0] + box[2])))
    row = min(2, int(1.5 * (box[1] + box[3])))
    return PLACES[row][column]


def visible(scene, owners=None):
    """The instances that can be seen, nearest first.  owners: from render.owners, else drawn at TRUTH_HEIGHT."""
    if owners is None:
        owners = render.owners(scene, TRUTH_HEIGHT, round(TRUTH_HEIGHT * scene.aspect))
    height, width = owners.shape
    seen = []
    for number, thing in enumerate(scene.instances):
        rows, columns = np.nonzero(owners == number)
        if len(rows) < LEAST_AREA * owners.size:
            continue
        box = (columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height)
        seen.append(Seen(number, thing.name, thing.colour, thing.material, thing.depth, tuple(map(float, box)),
                         len(rows) / owners.size, _place(box)))
    return sorted(seen, key=lambda s: -s.depth)


def mask(owners, number):
    """Which pixels show an instance.  # H W bool"""
    return owners == number


def relations(seen):
    """True statements (subject number, "left of" | "above" | "in front of", object number).

    Left of and above: the boxes do not overlap along that axis. In front of: they overlap and the subject
    is drawn later, over the object.
    """
    found = []
    for a in seen:
        for b in seen:
            if a.number == b.number:
                continue
            if a.box[2] <= b.box[0]:
                found.append((a.number, "left of", b.number))
            if a.box[3] <= b.box[1]:
                found.append((a.number, "above", b.number))
            if a.number > b.number and min(a.box[2], b.box[2]) > max(a.box[0], b.box[0]) \
                    and min(a.box[3], b.box[3]) > max(a.box[1], b.box[1]):
                found.append((a.number, "in front of", b.number))
    return found


def _article(words):
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _phrase(thing):
    return _article(f"{thing.colour} {thing.name}")


def _listed(phrases):
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]


def short_caption(scene, seen):
    """One sentence: the kind of picture, its light, and its three largest things."""
    largest = sorted(seen, key=lambda s: -s.area)[:3]
    what = f" with {_listed([_phrase(s) for s in largest])}" if largest else ""
    warm = "in warm light" if scene.mood in ("sunset", "morning") else "in cool light"
    return f"{LAYOUT_WORDS[scene.layout]} {warm if scene.layout in SOFT else MOOD_WORDS[scene.mood]}{what}."


def long_caption(scene, seen):
    """Every visible thing with its colour, surface and place, then up to six relations between the largest ones."""
    sentences = [short_caption(scene, seen)]
    for s in sorted(seen, key=lambda s: -s.area):
        sentences.append(f"{_phrase(s).capitalize()} with a {s.material} surface stands at the {s.place} of it, "
                         f"covering about {max(1, round(100 * s.area))} percent of the picture.")
    named = {s.number: f"the {s.colour} {s.name} at the {s.place}" for s in sorted(seen, key=lambda s: -s.area)[:8]}
    told = [r for r in relations(seen) if r[0] in named and r[2] in named][:6]
    sentences += [f"{named[a].capitalize()} is {relation} {named[b]}." for a, relation, b in told]
    side = "left" if scene.towards_light < 0 else "right"
    return " ".join([*sentences, f"The light falls from the upper {side} and the shadows lie to the other side."])

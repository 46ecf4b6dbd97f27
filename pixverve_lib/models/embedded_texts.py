"""What the classical describer, analyst and captioners write: sentences filled with what was measured, and no more."""
import re

import cv2
import numpy as np

from pixverve_lib.imaging import appeal, colour_names, segments, visible_artefacts
from pixverve_lib.imaging.surroundings import surroundings
from pixverve_lib.models.annotation import DIMENSIONS, NOT_ASSESSED, Aesthetics, Description

OUTLINE = (255, 225, 0)  # RGB, how the pipeline outlines the highlighted instance; not in paper: choice
PLACES = (("upper left", "top", "upper right"), ("left", "centre", "right"), ("lower left", "bottom", "lower right"))
SIZES = ((0.005, "tiny"), (0.02, "small"), (0.08, "medium-sized"), (2.0, "large"))  # shares of the picture
FULL_SIZE = 0.25  # share of the picture from which size adds no importance; not in paper: choice, as all below
WEIGHTS = {"size": 0.7, "contrast": 0.15, "central": 0.15}
TOLD, RELATED, RELATIONS = 12, 6, 8  # a long caption's instances, those of them that are related, its relations


def describe(crop: np.ndarray, highlighted: np.ndarray, label: str) -> Description:
    """Colour, surface, size and place of the instance that is outlined; importance from size, contrast, centrality.

    Without an outline the crop is described alone, and neither size nor place are told.
    """
    mask = inside_outline(highlighted)
    pixels = segments.lab(highlighted[mask][None])[0] if mask.any() else segments.lab(crop).reshape(-1, 3)
    attributes = {"colour": colour_names.dominant(pixels), "texture": _texture(crop), "kind": label}
    contrast = _contrast(crop, pixels)
    words = f"{attributes['colour']}, {attributes['texture']} {label}"
    if not mask.any():
        return Description(f"{_article(words).capitalize()}.", WEIGHTS["contrast"] * contrast, attributes)
    box, cover = segments.edges(mask), float(mask.mean())
    attributes |= {"size": next(word for bound, word in SIZES if cover < bound), "place": place(box),
                   "box": " ".join(f"{edge:.4f}" for edge in box)}  # top, left, bottom, right
    text = (f"{_article(attributes['size'] + ', ' + words).capitalize()} at the {attributes['place']}, covering about "
            f"{100 * cover:.1f} % of the picture, {'clearly' if contrast > 0.4 else 'hardly'} set off from what is "
            "around it.")
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    central = 1 - float(np.linalg.norm(middle - 0.5)) / np.sqrt(0.5)
    evidence = {"size": min(1.0, np.sqrt(cover / FULL_SIZE)), "contrast": contrast, "central": central}
    return Description(text, float(sum(WEIGHTS[name] * value for name, value in evidence.items())), attributes)


def inside_outline(highlighted: np.ndarray) -> np.ndarray:
    """The mask that OUTLINE was drawn around, the line itself left out; nothing without a line.  # H W bool"""
    line = (highlighted == OUTLINE).all(axis=2).astype(np.uint8)
    contours, _ = cv2.findContours(line, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(line), contours, -1, 1, cv2.FILLED)
    inner = (filled > 0) & (line == 0)
    return inner if inner.any() else filled > 0  # of a thing of few pixels the line is all there is


def place(box) -> str:
    """One of PLACES.  box: top, left, bottom, right"""
    row, column = (min(2, int(1.5 * (box[i] + box[i + 2]))) for i in (0, 1))
    return PLACES[row][column]


def _texture(crop):
    gray = cv2.cvtColor(segments.reduced(crop), cv2.COLOR_RGB2GRAY).astype(np.float32)
    grain = float(np.median(cv2.absdiff(gray, cv2.GaussianBlur(gray, (0, 0), 2))))
    return "smooth" if grain < 1.5 else "fine-grained" if grain < 5 else "rough"


def _contrast(crop, pixels):
    """How far the median colour lies from that of the crop's rim: 0 alike, 1 from 50 units of Lab on."""
    lab = segments.lab(segments.reduced(crop))
    rim = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    return min(1.0, float(np.linalg.norm(np.median(pixels, 0) - np.median(rim, 0))) / 50)


def relations(boxes: list[tuple]) -> list[tuple]:
    """(subject, "left of" | "above" | "in front of" | "larger than", object) of boxes (top, left, bottom, right).

    Left of and above: without overlap along that axis. In front of: they overlap, and the subject reaches lower, as
    things on the ground do that are nearer. Larger: more than twice the area of the box.
    """
    found = []
    for i, a in enumerate(boxes):
        for j, b in enumerate(boxes):
            if i == j:
                continue
            if a[3] <= b[1]:
                found.append((i, "left of", j))
            if a[2] <= b[0]:
                found.append((i, "above", j))
            if min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1]) and a[2] > b[2]:
                found.append((i, "in front of", j))
            if (a[2] - a[0]) * (a[3] - a[1]) > 2 * (b[2] - b[0]) * (b[3] - b[1]):
                found.append((i, "larger than", j))
    return found


def analyse(rgb: np.ndarray) -> Aesthetics:
    """Statements on the three dimensions that can be measured; the other three are not assessed."""
    small = segments.reduced(rgb)
    lab = segments.lab(small)
    said = dict.fromkeys(DIMENSIONS, NOT_ASSESSED)
    said["composition & design"] = _composition(lab, segments.things(rgb))
    said["visual elements & structure"] = f"{_light(lab)} {_colours(small, lab)}"
    said["technical execution"] = _technique(rgb)
    return said


def _composition(lab, regions):
    left, right = (float(half.std()) for half in np.array_split(lab[..., 0], 2, axis=1)) if lab.shape[1] > 1 else (0, 0)
    share = left / (left + right) if left + right else 0.5
    balance = ("Contrast is balanced between left and right." if 0.4 <= share <= 0.6 else
               f"Most contrast lies on the {'left' if share > 0.5 else 'right'}.")
    if not regions:
        return f"No thing stands out. {balance}"
    main = max(regions, key=lambda region: region.probability * np.sqrt(region.area))
    top, left, bottom, right = main.edges
    y, x = (top + bottom) / 2, (left + right) / 2
    off_third = float(np.hypot(min(abs(y - 1 / 3), abs(y - 2 / 3)), min(abs(x - 1 / 3), abs(x - 2 / 3))))
    where = ("near a point of the rule of thirds" if off_third < 0.1 else
             "in the middle" if np.hypot(y - 0.5, x - 0.5) < 0.1 else "away from the points of the rule of thirds")
    return f"What stands out most lies {where}, at the {place(main.edges)}. {balance}"


def _light(lab):
    level, spread = float(np.median(lab[..., 0])), float(lab[..., 0].std())
    tone = "dark" if level < 30 else "bright" if level > 65 else "of middle brightness"
    return f"The light is {tone}, with {'strong' if spread > 20 else 'soft' if spread < 10 else 'moderate'} contrast."


def _colours(small, lab):
    names = _main_colours(lab)
    vivid = appeal.colourfulness(small)
    strength = "vivid" if vivid > 60 else "muted" if vivid < 25 else "moderately strong"
    b = float(np.median(lab[..., 2]))
    cast = "warm" if b > 6 else "cool" if b < -3 else "neutral"
    return f"Colours are {strength} and on the whole {cast}: mostly {_listed(names)}."


def _main_colours(lab):
    return [name for name, share in colour_names.shares(lab).items() if share >= 0.15][:3] or ["mixed"]


def _technique(rgb):
    found = visible_artefacts.measure(rgb)
    if not found or not found["blur"]:  # too small, or one even surface
        return NOT_ASSESSED
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    clipped = 100 * float(np.mean((gray < 5) | (gray > 250)))
    focus = "sharp" if found["blur"] < 0.4 else "soft" if found["blur"] > 0.6 else "moderately sharp"
    return (f"At this size it looks {focus} (blur {found['blur']:.2f} of 1), with grain of {found['noise']:.1f} gray "
            f"levels and {clipped:.1f} % of it black or white.")


def long_caption(rgb: np.ndarray, descriptions: list[Description], aesthetics: Aesthetics) -> str:
    """The look of the whole, the most important instances, how they stand to each other, and the measured analysis."""
    ranked = sorted(descriptions, key=lambda one: -one.importance)
    lab = segments.lab(segments.reduced(rgb))
    shape = "wide" if lab.shape[1] > 1.2 * lab.shape[0] else "tall" if lab.shape[0] > 1.2 * lab.shape[1] else "square"
    around = list(surroundings(rgb))
    seems = f" with what looks like {_listed(around)}" if around else ""
    sentences = [f"{_article(shape).capitalize()} picture in {_listed(_main_colours(lab))}{seems}, in which "
                 f"{_number(len(ranked))} out."]
    sentences += [one.text for one in ranked[:TOLD]]
    if len(ranked) > TOLD:
        sentences.append(f"Of less importance: {len(ranked) - TOLD} more.")
    sentences += _told_relations(ranked)
    return " ".join(sentences + [text for text in aesthetics.values() if text != NOT_ASSESSED])


def _told_relations(ranked):
    """One sentence for each pair of the most important instances that have a place: the first relation they have."""
    placed = [one.attributes for one in ranked[:RELATED] if "box" in one.attributes]
    named = [f"the {one['colour']} {one['kind']} at the {one['place']}" for one in placed]
    sentences = {}
    for a, relation, b in relations([tuple(map(float, one["box"].split())) for one in placed]):
        if named[a] != named[b]:  # a sentence that tells nobody which is which
            sentences.setdefault(frozenset((named[a], named[b])), f"{named[a].capitalize()} is {relation} {named[b]}.")
    return list(sentences.values())[:RELATIONS]


def short_caption(rgb: np.ndarray, long: str) -> str:
    """The first two sentences of the long one, the second without its measurements."""
    first, *rest = re.split(r"(?<=\.) (?=[A-Z])", long)
    second = re.sub(r", covering about.*?(?=\.$)", "", rest[0]) if rest and ", covering about" in rest[0] else ""
    return f"{first} {second}".strip()


def _article(words):
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _listed(words):
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _number(n):
    return {0: "nothing stands", 1: "one thing stands"}.get(n, f"{n} things stand")

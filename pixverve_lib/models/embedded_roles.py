"""The roles of Sec. 3.1.4-3.1.5 played offline by classical image processing: small tools, honest about what they see.

They know colours, grain, shapes and places, no meaning: what they call a round thing may be an apple or the moon. Their
maker is `classical`; how good they are is measured in curation/role_quality.py. Pictures are H W 3 uint8, at most about
1024 px long for all but the judges, who want their pixels at 1:1. All numbers are not in paper: choices, made on
built-in scenes of seeds 0 to 3.
"""
import numpy as np

from pixverve_lib.imaging import colour_names, segments, visible_artefacts
from pixverve_lib.imaging.surroundings import grain, surroundings
from pixverve_lib.models import embedded_texts
from pixverve_lib.models.annotation import Box, Judgement, Role, Roles, Tag

MAKER = "classical"
THING = "thing"  # of no kind that a shape gives away
KINDS = ("round thing", "tall thing", "wide thing", "angular thing", "leafy thing", THING)
SLENDER = 1.8  # height over width from which a thing is tall, width over height from which it is wide
BOXY, ROUND = 0.85, (0.68, 0.85)  # shares of its box that an angular and a round thing fill
LEAFY_GRAIN = 2.0  # units of Lab, local contrast of leaves
LIMITS = {  # of visible_artefacts: above them damage is called noticeable
    "blocking": 2.3, "ringing": 0.8, "banding": 12.0, "noise": 5.0, "over-smoothing": 2.6, "blur": 0.65,
    "aliasing": 0.5,
}


def roles() -> Roles:
    """All ten, by nobody but this file; they need no weights and no network."""
    return Roles(
        tag=Role(MAKER, tag), prune=Role(MAKER, prune), find=Role(MAKER, find), segment=Role(MAKER, segment),
        describe=Role(MAKER, embedded_texts.describe), analyse=Role(MAKER, embedded_texts.analyse),
        long_caption=Role(MAKER, embedded_texts.long_caption),
        short_caption=Role(MAKER, embedded_texts.short_caption),
        judge_patch=Role(MAKER, judge), judge_instance=Role(MAKER, judge),
    )


def tag(rgb: np.ndarray) -> list[Tag]:
    """Kinds of things, surroundings, and colours; the score of a kind is its surest region's, of a colour its share."""
    surest = {}
    lab = segments.lab(segments.reduced(rgb))
    for region in segments.things(rgb):
        label = kind(region, lab)
        surest[label] = max(surest.get(label, 0.0), region.probability)
    found = surroundings(rgb) | surest
    if found:  # an empty picture has no colours worth a tag either
        found |= {name: share for name, share in colour_names.shares(lab).items() if share >= 0.05}
    return [Tag(name, round(score, 3)) for name, score in found.items()]


def prune(tags: list[Tag]) -> list[Tag]:
    """Without what nobody can touch: colours."""
    return [one for one in tags if one.name not in colour_names.NAMES]


def find(rgb: np.ndarray, tags: list[Tag]) -> list[Box]:
    """Where things stand out, at most segments.MOST, the surest first.

    A box is labelled with its kind if that is among the tags, else `thing`: tags of other taggers are not understood.
    """
    known, lab = {one.name for one in tags}, segments.lab(segments.reduced(rgb))
    boxes = []
    for region in segments.things(rgb):
        label = kind(region, lab)
        boxes.append(Box(label if label in known else THING, *region.edges, round(region.probability, 3)))
    return boxes


def segment(rgb: np.ndarray, boxes: list[Box]) -> list[np.ndarray]:
    """One mask a box, refined inside it.  # H W bool each"""
    return [segments.refined(rgb, box.pixels(*rgb.shape[:2])) for box in boxes]


def kind(region: segments.Region, lab: np.ndarray) -> str:
    """One of KINDS, from the outline and the surface.  lab: of the picture that the region's mask belongs to"""
    rows, columns = np.nonzero(region.mask)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    filled = len(rows) / (height * width)
    surface = lab[region.mask]
    roughness = float(np.median(grain(lab[..., 0])[region.mask]))
    if roughness > LEAFY_GRAIN and colour_names.dominant(surface) == "green":
        return "leafy thing"
    if height > SLENDER * width:
        return "tall thing"
    if width > SLENDER * height:
        return "wide thing"
    if filled >= BOXY:
        return "angular thing"
    if ROUND[0] <= filled and max(height, width) < 1.35 * min(height, width):
        return "round thing"
    return THING


def judge(rgb: np.ndarray) -> Judgement:
    """Whether a patch or a crop shows noticeable artefacts.  rgb: at 1:1; `bad` None: too small to say"""
    found = visible_artefacts.measure(rgb)
    if not found:
        return Judgement(None, (f"less than {visible_artefacts.SIDE} px a side: too small to judge",))
    reasons = tuple(f"{name}: {value:.2f}, more than {LIMITS[name]:g}"
                    for name, value in found.items() if value > LIMITS[name])
    return Judgement(bool(reasons), reasons)

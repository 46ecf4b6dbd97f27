"""How good the annotators of Sec. 3.1.4-3.1.5 are, on built-in scenes whose truth is known; meant for embedded roles.

The embedded ones were made on seeds 0 to 3: measure on others. What is drawn is simpler than what is photographed, so
that every number here is a bound from above, but for colours: scenes at sunset and at night are as hard as any.
"""
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from pixverve_lib.curation import instances
from pixverve_lib.imaging import visible_artefacts
from pixverve_lib.kit.progress import progress
from pixverve_lib.models import embedded_texts
from pixverve_lib.models.annotation import Box
from pixverve_lib.paper.constants import REGION_PATCH
from pixverve_lib.scenes import artefact_damage, camera, layouts, render, truth

SIZE = (512, 768)  # pixels; not in paper: choice, a scene as the roles see it
MATCH = 0.5  # IoU from which a box is the thing; not in paper: choice, that of PASCAL VOC
LEAST = 0.002  # share of the picture a thing shows that is asked for; not in paper: choice, smaller ones are a bonus
FULL_SIZE = (2560, 3840)  # pixels; the patches for the judge are cut from scenes drawn as large as this
KINDS = {  # what the embedded tagger can call a thing; it has no word for flowers and rocks
    **dict.fromkeys(("apple", "orange", "plum", "lemon", "berry", "sun", "moon"), "round thing"),
    **dict.fromkeys(("tree", "fir tree"), "leafy thing"), **dict.fromkeys(("building", "house"), "angular thing"),
    **dict.fromkeys(("vase", "bottle", "street lamp"), "tall thing"), **dict.fromkeys(("book", "car", "lake"),
                                                                                     "wide thing"),
}
AROUND = {"landscape": {"sky", "ground", "foliage"}, "street": {"sky", "ground"}, "night": {"sky", "ground"},
          "foliage": {"foliage"}, "still life": set()}
QUALITIES = {  # what is averaged -> the role that is responsible, what a sample is
    "box recall": ("find", f"things of {100 * LEAST:g} % of the picture or more"),
    "box precision": ("find", "boxes"),
    "mask IoU": ("segment", "matched things"),
    "tag F1": ("tag", "pictures"),
    "colour accuracy": ("describe", "matched things"),
    "relation precision": ("find", "told relations of matched things"),
    "relation recall": ("find", "true relations of matched things"),
    "importance rank correlation, area": ("describe", "pictures"),
    "importance rank correlation, depth": ("describe", "pictures"),
    "clean instances called bad": ("judge_instance", "matched things"),
}
VOCABULARY = {*KINDS.values(), "sky", "ground", "foliage"}


class Scene(NamedTuple):
    """A scene as a camera records it, and the truth."""

    layout: str
    rgb: np.ndarray  # H W 3 uint8
    owners: np.ndarray  # H W int16
    seen: list[truth.Seen]


def drawn(layout, seed, size=SIZE):
    """The scene of that layout and seed.  size: height, width in pixels"""
    scene = layouts.compose(layout, seed, size[1] / size[0])
    parts = list(render.bands(scene, *size))
    owners = np.concatenate([owner for _, _, owner in parts])
    rgb = camera.record(np.concatenate([rows for _, rows, _ in parts]), seed)
    return Scene(layout, np.concatenate(list(rgb)), owners, truth.visible(scene, owners))


def measure(roles, seeds, size=SIZE):
    """One row a quality: quality, value (a mean), n (samples), of (what they are), maker.

    Each seed gives a scene of every layout; 1 to 2 s a scene. Roles must not fail. NaN: no sample.
    """
    samples = {quality: [] for quality in QUALITIES}
    with progress(len(seeds) * len(layouts.LAYOUTS), "roles on scenes") as count:
        for layout, seed in ((layout, seed) for seed in seeds for layout in layouts.LAYOUTS):
            for quality, value in studied(roles, drawn(layout, seed, size)):
                samples[quality].append(value)
            count("measured")
    return pd.DataFrame(
        [(quality, float(np.mean(values)) if values else np.nan, len(values), QUALITIES[quality][1],
          getattr(roles, QUALITIES[quality][0]).maker) for quality, values in samples.items()],
        columns=["quality", "value", "n", "of", "maker"])


def studied(roles, scene):
    """Pairs (quality, value of one sample) that one scene gives."""
    tags = roles.prune(roles.tag(scene.rgb))
    boxes = roles.find(scene.rgb, tags)
    masks = roles.segment(scene.rgb, boxes)
    yield "tag F1", _f1({tag.name for tag in tags} & VOCABULARY, _true_tags(scene))
    overlaps = np.array([[iou(_edges(box), _edges(thing)) for thing in scene.seen] for box in boxes])
    overlaps = overlaps.reshape(len(boxes), len(scene.seen))
    for i, thing in enumerate(scene.seen):
        if thing.area >= LEAST:
            yield "box recall", bool((overlaps[:, i] >= MATCH).any())
    yield from (("box precision", bool(row.max(initial=0) >= MATCH)) for row in overlaps)
    matches = matched(overlaps)
    found = [(boxes[b], masks[b], scene.seen[t]) for b, t in matches]
    described = []
    for box, mask, thing in found:
        yield "mask IoU", instances.mask_iou(mask, truth.mask(scene.owners, thing.number))
        crop = _crop(scene.rgb, box)
        described.append(roles.describe(crop, instances.highlighted(scene.rgb, mask), box.label))
        yield "colour accuracy", described[-1].attributes.get("colour") == thing.colour
        if (bad := roles.judge_instance(crop).bad) is not None:
            yield "clean instances called bad", bad
    yield from _relations([box for box, _, _ in found], [thing for _, _, thing in found])
    yield from _ranks(described, [thing for _, _, thing in found])


def _true_tags(scene):
    kinds = {KINDS[thing.name] for thing in scene.seen if thing.area >= LEAST and thing.name in KINDS}
    return kinds | AROUND[scene.layout]


def _f1(told, true):
    return 2 * len(told & true) / (len(told) + len(true)) if told or true else 1.0


def _edges(one):
    if isinstance(one, Box):
        return one.top, one.left, one.bottom, one.right
    left, top, right, bottom = one.box
    return top, left, bottom, right


def iou(a, b):
    """Intersection over union of two boxes (top, left, bottom, right)."""
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, height) * max(0.0, width)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def matched(overlaps):
    """Pairs (box, thing) of MATCH or more, each used once, the best first.  overlaps: boxes x things"""
    pairs, left = [], np.where(overlaps >= MATCH, overlaps, 0.0)
    while left.size and left.max() > 0:
        box, thing = np.unravel_index(left.argmax(), left.shape)
        pairs.append((int(box), int(thing)))
        left[box], left[:, thing] = 0, 0
    return pairs


def _crop(rgb, box):
    top, left, bottom, right = box.pixels(*rgb.shape[:2])
    return rgb[top:bottom, left:right]


def _relations(boxes, things):
    numbers = [thing.number for thing in things]
    told = {(numbers[a], relation, numbers[b]) for a, relation, b in embedded_texts.relations(list(map(_edges, boxes)))
            if relation != "larger than"}  # which the truth does not tell
    true = set(truth.relations(things))
    yield from (("relation precision", one in true) for one in told)
    yield from (("relation recall", one in told) for one in true)


def _ranks(described, things):
    if len(things) < 3:  # two ranks agree or do not: that is no correlation
        return
    importance = [one.importance for one in described]
    yield "importance rank correlation, area", float(spearmanr(importance, [one.area for one in things]).statistic)
    yield "importance rank correlation, depth", float(spearmanr(importance, [one.depth for one in things]).statistic)


def judged(roles, patches):
    """The judge on clean patches and on spoilt ones: columns kind, severity, patch, score, bad.

    patches: {name: H W 3 uint8}. kind is "clean" with severity 0, a row for each kind's score, or one of
    artefact_damage.KINDS; score: that kind's measure (imaging/visible_artefacts.py), bad: what the judge says.
    About 4 s a patch.
    """
    rows = []
    with progress(len(patches), "judge on patches", unit="patches") as count:
        for i, (name, rgb) in enumerate(patches.items()):
            rows.append(("clean", 0, name, visible_artefacts.measure(rgb), roles.judge_patch(rgb).bad))
            for kind, severity in _damages():
                spoilt = artefact_damage.spoil(rgb, kind, severity, seed=i)
                rows.append((kind, severity, name, visible_artefacts.measure(spoilt), roles.judge_patch(spoilt).bad))
            count("judged")
    return pd.DataFrame(rows, columns=["kind", "severity", "patch", "scores", "bad"])


def _damages():
    return [(kind, severity) for kind, severities in artefact_damage.KINDS.items() for severity in severities]


def judge_rates(found):
    """For each damage: kind, severity, unit, auc, detected, false_alarms (shares called bad), n.  found: of `judged`

    auc: chance that a spoilt patch scores above a clean one in its kind's measure, equal ones counting half.
    """
    clean, rows = found[found.kind == "clean"], []
    for kind, severity in _damages():
        spoilt = found[(found.kind == kind) & (found.severity == severity)]
        rows.append((kind, severity, artefact_damage.UNITS[kind], auc(_scores(spoilt, kind), _scores(clean, kind)),
                     spoilt.bad.mean(), clean.bad.mean(), len(spoilt)))
    return pd.DataFrame(rows, columns=["kind", "severity", "unit", "auc", "detected", "false_alarms", "n"])


def judge_roc(found):
    """At every limit of a kind's measure: kind, severity, label, limit, false_positives, detected; strictest first."""
    clean, curves = found[found.kind == "clean"], []
    for kind, severity in _damages():
        good, bad = _scores(clean, kind), _scores(found[(found.kind == kind) & (found.severity == severity)], kind)
        limits = np.append(np.unique([*good, *bad])[::-1], -np.inf)
        curves.append(pd.DataFrame({
            "kind": kind, "severity": severity, "label": f"{kind} {severity} {artefact_damage.UNITS[kind]}",
            "limit": limits, "false_positives": (good[:, None] > limits).mean(axis=0),
            "detected": (bad[:, None] > limits).mean(axis=0)}))
    return pd.concat(curves, ignore_index=True)


def _scores(rows, kind):
    return np.array([scores[kind] for scores in rows.scores])


def auc(positives, negatives):
    """Area under the ROC: of two samples, the chance that one of the first exceeds one of the second."""
    ranks = rankdata([*positives, *negatives])[:len(positives)]
    return float((ranks.sum() - len(positives) * (len(positives) + 1) / 2) / (len(positives) * len(negatives)))


def clean_patches(seeds):
    """A patch of every layout's scene for each seed, cut at 1:1.  {name: REGION_PATCH REGION_PATCH 3 uint8}

    About 1 s a patch.
    """
    patches = {}
    for seed in seeds:
        for layout in layouts.LAYOUTS:
            rng = np.random.default_rng([seed, layouts.LAYOUTS.index(layout)])
            top, left = (int(rng.integers(0, n - REGION_PATCH + 1)) for n in FULL_SIZE)
            scene = layouts.compose(layout, seed, FULL_SIZE[1] / FULL_SIZE[0])
            rgb = render.window(scene, *FULL_SIZE, top, left, REGION_PATCH, REGION_PATCH)
            patches[f"{layout} {seed}"] = np.concatenate(list(camera.record(rgb, seed)))
    return patches

"""Stage-wise captioning (Sec. 3.1.5): tags, boxes, masks, instance texts, aesthetics, a long and a short caption.

Roles are those of models/annotation.py, whoever plays them. A role that fails leaves its part missing, with a reason in
`failed`; what needs that part is missing, too: nothing is written from less than it should be. A record with failures
is made again by the next run (an endpoint's cache makes what was answered free).
"""
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd

from pixverve_lib.curation import instances, records
from pixverve_lib.models.annotation import DIMENSIONS, Description, Failed

VERSION = "1"  # change it when the same answers give another record: all pictures are then annotated again
KEY_INSTANCES = 10  # Sec. 3.1.5 "key instances", by importance; how many is not in paper: choice
THREADS = 4  # questions about one picture at a time
STAGES = ("tag", "prune", "find", "segment", "describe", "analyse", "long_caption", "short_caption")
COLUMNS = (
    "id", "path", "height", "width", "tags", "pruned_tags", "instances", "boxes_found", "boxes_left_out", "trivial",
    "duplicates", "aesthetics", "long_caption", "short_caption", "makers", "failed",
)
NESTED = ("tags", "pruned_tags", "instances", "aesthetics", "makers", "failed")


class _Missing(Exception):
    """A part of the record that could not be made; carries who failed and why."""

    def __init__(self, role, reason):
        super().__init__(f"{role}: {reason}")
        self.role, self.reason = role, reason


def annotate(uhr, roles, folder, limits=None, threads=THREADS, at_once=records.AT_ONCE):
    """Annotate every picture, one JSON file each below `folder`.  Returns (frame of COLUMNS, failures).

    uhr: rows with id and path; failures: path, step, reason of pictures that have no record at all. Columns tags,
    pruned_tags, instances, aesthetics, makers and failed hold what `annotate_picture` says. Raises DiskFull.
    """
    limits, paths = limits or instances.Limits(), dict(zip(uhr.id, uhr.path, strict=True))
    common = {"version": VERSION, "makers": makers(roles), "limits": asdict(limits)}
    ways = {name: common | {"bytes": size(path)} for name, path in paths.items()}
    made, lost = records.each(Path(folder), ways, lambda name: annotate_picture(paths[name], roles, limits, threads),
                              "captioning", at_once)
    frame = pd.DataFrame([{"id": name, "path": paths[name], **record} for name, record in made.items()])
    failures = [(paths[name], "captioning", reason) for name, reason in lost.items()]
    return (frame.reindex(columns=list(COLUMNS)).astype(object).where(lambda f: f.notna(), None),
            pd.DataFrame(failures, columns=["path", "step", "reason"], dtype=str))


def annotate_picture(path, roles, limits, threads=THREADS):
    """The record of one picture, opened once: JSON values.  Raises UnreadableImage, and what a role raises.

    tags: [{name, score}], pruned_tags: [name]; instances: [{label, top, left, bottom, right, score, area, mask, text,
    importance, attributes, reason}], best score first, places as shares of the picture, area of the analysis picture,
    mask: instances.encode_mask, reason: why text and importance are None; None for all of these: unknown, [] for none.
    aesthetics: {dimension: text}; makers: {role: who}; failed: [{role, reason}]; boxes_found, boxes_left_out (beyond
    limits.most), trivial, duplicates: counts.
    """
    picture = instances.Opened(path)
    record = dict.fromkeys(COLUMNS[4:]) | {"height": picture.height, "width": picture.width, "makers": makers(roles)}
    failed = record["failed"] = []
    described = _part(failed, _describe_instances, record, picture, roles, limits, threads)
    aesthetics = _part(failed, _analyse, record, picture.shown, roles)
    if described is None or aesthetics is None:
        failed.append({"role": "long_caption", "reason": "needs the instances and the aesthetic analysis"})
    else:
        record["long_caption"] = _part(failed, _ask, "long_caption", roles, picture.shown, described, aesthetics)
    if record["long_caption"] is None:
        failed.append({"role": "short_caption", "reason": "needs the long caption"})
    else:
        long = record["long_caption"]
        record["short_caption"] = _part(failed, _ask, "short_caption", roles, picture.shown, long)
    return record | {"incomplete": bool(failed)}


def makers(roles):
    """Who plays each role of the pipeline: {role: name}."""
    played = {stage: getattr(roles, stage) for stage in STAGES}
    return {stage: role.maker if role else "nobody" for stage, role in played.items()}


def size(path):
    """Bytes of a file, None where there is none: another file under the same name is another picture."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return None


def key(found):
    """The instances that matter most, at most KEY_INSTANCES, of a record's list; unknown importance comes last."""
    return sorted(found, key=lambda instance: -(instance["importance"] or 0.0))[:KEY_INSTANCES]


def packed(annotations):
    """The frame with its nested columns as JSON text, as the artefact keeps it: a cell may be empty in every row."""
    return annotations.assign(**{name: [json.dumps(cell, ensure_ascii=False) for cell in annotations[name]]
                                 for name in NESTED})


def unpacked(table):
    """The frame that `packed` was given."""
    frame = table.assign(**{name: pd.Series([json.loads(cell) for cell in table[name]], table.index, dtype=object)
                            for name in NESTED})
    return frame.astype(object).where(frame.notna(), None)


def summary(annotations, failures):
    """How it went, role by role: role, maker, pictures (asked), failed (pictures in which it gave no full answer)."""
    bad = pd.Series([role for failed in annotations.failed for role in {f["role"] for f in failed}], dtype=str)
    names = {role: ", ".join(sorted({m[role] for m in annotations.makers})) for role in STAGES}
    frame = pd.DataFrame({"role": STAGES, "maker": list(names.values()), "pictures": len(annotations),
                          "failed": [int((bad == role).sum()) for role in STAGES]})
    unopened = pd.DataFrame({"role": "(could not be annotated)", "maker": "", "pictures": len(failures),
                             "failed": len(failures)}, index=[0])
    return pd.concat([frame, unopened], ignore_index=True)


def _part(failed, work, *arguments):
    """What `work` returns; None after noting that a role failed."""
    try:
        return work(*arguments)
    except _Missing as missing:
        failed.append({"role": missing.role, "reason": missing.reason})
        return None


def _ask(role_name, roles, *question):
    role = getattr(roles, role_name)
    if role is None:
        raise _Missing(role_name, "nobody plays this role")
    answer = role(*question)
    if isinstance(answer, Failed):
        raise _Missing(role_name, answer.reason)
    return answer


def _describe_instances(record, picture, roles, limits, threads):
    """Fills in tags to instances; returns the descriptions of the key instances, most important first."""
    tags = _ask("tag", roles, picture.shown)
    record["tags"] = [asdict(tag) for tag in tags]
    pruned = _ask("prune", roles, tags)
    record["pruned_tags"] = [tag.name for tag in pruned]
    boxes = _ask("find", roles, picture.shown, pruned)
    ranked, left_out = instances.best(boxes, limits)
    masks = _ask("segment", roles, picture.shown, ranked) if ranked else []
    chosen = instances.select(ranked, masks, limits)
    record |= {"boxes_found": len(boxes), "boxes_left_out": left_out, "trivial": chosen.trivial,
               "duplicates": chosen.duplicates}
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(partial(_describe, picture, roles), chosen.kept))
    record["instances"] = [_row(*both) for both in zip(chosen.kept, answers, strict=True)]
    lost = [answer.reason for answer in answers if isinstance(answer, Failed)]
    if lost:
        record["failed"].append({"role": "describe", "reason": f"{len(lost)} of {len(answers)}: {lost[0]}"})
    if lost and len(lost) == len(answers):
        return None
    return [_description(row) for row in key(record["instances"]) if row["reason"] is None]


def _describe(picture, roles, instance):
    return roles.describe(*instances.visual_pair(picture, instance), instance.label)


def _row(instance, answer):
    told = not isinstance(answer, Failed)
    place = {name: float(getattr(instance, name)) for name in ("top", "left", "bottom", "right", "score")}
    return {"label": instance.label, **place, "area": float(instance.mask.mean()),
            "mask": instances.encode_mask(instance.mask), "text": answer.text if told else None,
            "importance": float(answer.importance) if told else None,
            "attributes": dict(answer.attributes) if told else {}, "reason": None if told else answer.reason}


def _description(row):
    return Description(row["text"], row["importance"], row["attributes"])


def _analyse(record, rgb, roles):
    found = _ask("analyse", roles, rgb)
    record["aesthetics"] = {dimension: found[dimension] for dimension in DIMENSIONS}
    return record["aesthetics"]

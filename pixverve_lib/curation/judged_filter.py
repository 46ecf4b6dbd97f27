"""The two judged filters of Sec. 3.1.4: patches of a picture, then its instances, are shown to a judge.

Both look for what super-resolution may have done ("the quality of our synthetic 100MP data"), so that a native picture
is not judged: its verdicts read "native". An answer that is missing is neither good nor bad: where it could have
changed the verdict the picture is "undecided" and waits for another run.
"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from pixverve_lib.curation import captioning, instances, records, regions
from pixverve_lib.models.annotation import Box
from pixverve_lib.paper.constants import INSTANCE_MAX_BAD, REGION_MAX_BAD

VERSION = "1"  # change it when the same judge would be shown something else: all is then judged again
COLUMNS = ("id", "kind", "number", "label", "top", "left", "bottom", "right", "bad", "reasons", "maker")
UNKNOWN = "the instances are unknown: caption the picture first"


def judge_regions(uhr, patches, judge, folder, at_once=records.AT_ONCE):
    """Show the chosen patches of every synthetic picture to `judge`, at 1:1.  Returns a frame of COLUMNS.

    uhr: rows with id, path, scale, height, width; patches: the artefact region_patches; judge: Role (rgb) -> Judgement.
    Places are in px; bad: True, False or NA. One row a patch, also of a picture that cannot be read, whose answers are
    all missing. Finished pictures are kept below `folder`.
    """
    asked = {name: [(p.why, [int(edge) for edge in (p.top, p.left, p.top + p.side, p.left + p.side)])
                    for p in rows.itertuples()] for name, rows in patches.groupby("id")}
    return _judged("region", instances.Opened.crop, uhr, asked, judge, folder, at_once)


def judge_instances(uhr, annotations, judge, folder, at_once=records.AT_ONCE):
    """Show the crops of the key instances (Sec. 3.1.5) of every synthetic picture to `judge`, as `judge_regions`.

    annotations: from captioning.annotate. A picture without instances has no row; one whose instances are unknown has
    one row without an answer.
    """
    known = {row.id: row.instances for row in annotations.itertuples() if row.instances is not None}
    synthetic = uhr[uhr.scale > 1]
    asked = {row.id: [(found["label"], _pixels(found, row)) for found in captioning.key(known[row.id])]
             for row in synthetic.itertuples() if row.id in known}
    unknown = [(name, "instance", 0, "", *[np.nan] * 4, None, UNKNOWN, judge.maker)
               for name in synthetic.id if name not in known]
    found = _judged("instance", instances.cut_around, uhr, asked, judge, folder, at_once)
    return pd.concat([found, _typed(pd.DataFrame(unknown, columns=list(COLUMNS)))], ignore_index=True)


def _pixels(found, row):
    box = Box(found["label"], *(found[edge] for edge in ("top", "left", "bottom", "right")), found["score"])
    return list(box.pixels(int(row.height), int(row.width)))


def decide(uhr, region_judgements, instance_judgements, max_bad_patches=REGION_MAX_BAD,
           max_bad_instances=INSTANCE_MAX_BAD):
    """Adds region and instance ("kept" | "rejected" | "undecided" | "native") and the counts behind them.

    Counts: region_bad, region_missing, instance_bad, instance_missing. A picture of which no patch was ever judged is
    undecided; one without instances has nothing that could be defective.
    """
    parts = []
    for name, judgements, max_bad, never in (("region", region_judgements, max_bad_patches, "undecided"),
                                             ("instance", instance_judgements, max_bad_instances, "kept")):
        found = regions.decide(judgements, max_bad).reindex(uhr.id)
        verdict = found.verdict.fillna(never).mask((uhr.scale == 1).to_numpy(), "native")
        counts = found[["bad", "missing"]].fillna(0).astype(int).add_prefix(f"{name}_")
        parts.append(counts.assign(**{name: verdict.astype(str)}))
    return pd.concat([uhr, *(part.set_index(uhr.index) for part in parts)], axis=1)


def summary(decided):
    """How many pictures each filter kept, rejected, left undecided and did not judge: one row a filter."""
    kinds = ["kept", "rejected", "undecided", "native"]
    return pd.DataFrame({name: decided[name].value_counts().reindex(kinds, fill_value=0)
                         for name in ("region", "instance")}).T.rename_axis("filter").reset_index()


def _judged(kind, cut, uhr, asked, judge, folder, at_once):
    """asked: id -> list of (label, (top, left, bottom, right) in px); cut(picture, top, left, bottom, right) -> rgb"""
    paths = {row.id: row.path for row in uhr.itertuples() if row.scale > 1 and asked.get(row.id)}
    common = {"version": VERSION, "maker": judge.maker}
    ways = {name: common | {"asked": asked[name], "bytes": captioning.size(path)} for name, path in paths.items()}

    def answer(name):
        picture = instances.Opened(paths[name])
        with ThreadPoolExecutor(captioning.THREADS) as pool:
            answers = list(pool.map(lambda question: judge(cut(picture, *question[1])), asked[name]))
        return {"answers": [{"bad": a.bad, "reasons": list(a.reasons)} for a in answers],
                "incomplete": any(a.bad is None for a in answers)}

    found, lost = records.each(Path(folder), ways, answer, f"{kind}s, judged", at_once)
    rows = []
    for name in ways:
        silent = [{"bad": None, "reasons": [lost.get(name, "")]}] * len(asked[name])
        answers = found[name]["answers"] if name in found else silent
        both = zip(asked[name], answers, strict=True)
        rows += [_row(name, kind, i, question, given, judge.maker) for i, (question, given) in enumerate(both)]
    return _typed(pd.DataFrame(rows, columns=list(COLUMNS)))


def _row(name, kind, number, question, answer, maker):
    label, place = question
    return (name, kind, number, label, *place, answer["bad"], "; ".join(answer["reasons"]), maker)


def _typed(frame):
    places = dict.fromkeys(("top", "left", "bottom", "right"), float)
    return frame.astype({"bad": "boolean", "number": int, "id": str, "label": str, "reasons": str, **places})

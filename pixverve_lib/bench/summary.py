"""From rows of pictures to averages: each with its bootstrap interval, or with the reason why there is none."""
import hashlib
import os
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd

from pixverve_lib.bench import bootstrap, cards, distribution, scoring
from pixverve_lib.bench.metrics import METRICS
from pixverve_lib.bench.prompt_files import Note
from pixverve_lib.paper.constants import REGION_RANDOM_PATCHES, REGION_TEXTURED_PATCHES

FID = {"fid": "whole", "fid_patch": "patches"}  # metric -> what it compares


def of_rows(rows, names, column, backends, reference, seed, recall):
    """Averages of a scored folder: a frame (metric, value, low, high, pictures, missing), {metric: why it has no value}
    and {metric: warning}.

    rows: as in folder.Scored; names: {file: of the features that it has}, as in scoring.Measured; column(files, name):
    a sequence of these features, which need not be in memory; reference: None where there is none; recall(metric,
    files, make): gives make(), or what it gave before: the interval of FID_patch may take an hour.
    """
    table, absent, warnings = _distances(rows, names, column, backends, reference, seed, recall)
    for metric, columns in scoring.COLUMNS.items():
        table += [_average(rows, column, seed) for column in columns]
        if not rows[metric].notna().any():
            absent[metric] = _no_score(metric, rows, backends)
    frame = pd.DataFrame(table, columns=["metric", "value", "low", "high", "pictures", "missing"])
    return frame, {key: absent[key] for key in METRICS if key in absent}, warnings


def _distances(rows, names, column, backends, reference, seed, recall):
    """The same of FID and FID_patch, rows of the frame as lists."""
    table, absent, warnings = [], {}, {}
    for key, name in FID.items():
        sides = (name, f"reference_{name}")
        full = [file for file in rows["file"] if names[file].issuperset(sides)]
        if reason := _no_fid(key, backends, reference, full, rows):
            absent[key] = reason
            table.append([key, np.nan, np.nan, np.nan, 0, len(rows)])
        else:
            ask = partial(distribution.fid, *(column(full, side) for side in sides), cards.name(key, backends), seed)
            found = recall(key, full, ask)
            table.append([key, found["value"], found["low"], found["high"], len(full), len(rows) - len(full)])
            warnings[key] = found["warning"]
    return table, absent, warnings


def _average(rows, column, seed):
    values = rows[column].dropna().to_numpy(float)
    if not len(values):
        return [column, np.nan, np.nan, np.nan, 0, len(rows)]
    if len(values) < 2:  # one picture says nothing about others
        return [column, values[0], np.nan, np.nan, 1, len(rows) - 1]
    found = bootstrap.over_pictures(lambda drawn: {column: values[drawn].mean()}, len(values), seed).iloc[0]
    return [column, found["value"], found["low"], found["high"], len(values), len(rows) - len(values)]


def _no_fid(key, backends, reference, pairs, rows):
    """Why there is no FID or FID_patch, or ""."""
    if reason := scoring.missing_backend(backends, key):
        return reason
    if reference is None:
        return "no reference pictures: give their folder as REF=folder; names must be those of the generated ones"
    if len(pairs) > 1:
        return ""
    small = " and are large enough for a patch" if key == "fid_patch" else ""
    failed = "".join(f" ({reason})" for reason in list(reasons(rows).get("fid", {}).values())[:1])
    return f"pictures that have a reference of the same name{small}: {len(pairs)}; two are the least{failed}"


def _no_score(metric, rows, backends):
    if reason := scoring.missing_backend(backends, metric):
        return reason.removeprefix(f"{METRICS[metric].name}: ")
    told = Counter(reasons(rows).get(metric, {}).values())
    return "; ".join(f"{reason} ({count} of {len(rows)} pictures)" for reason, count in told.most_common(2)
                     ) or "no picture could be read"


def reasons(rows):
    """{metric: {file: why its score is missing or incomplete}}"""
    found = {}
    for row in rows[rows["status"] == "ok"].itertuples():
        for line in row.reasons.splitlines():
            metric, _, reason = line.partition(": ")
            found.setdefault(metric, {})[row.file] = reason
    return found


def about(rows, names, lengths):
    """Notes about pictures and references that count, but not as one might think."""
    sizes = rows.groupby(["height", "width"]).size()
    notes = [Note("mixed sizes", f"{len(sizes)} sizes", "fine: each picture is scored at its own, averages mix them")]
    notes = notes * (len(sizes) > 1) + _twins(rows[rows["status"] == "ok"])
    for row in rows[rows["status"] == "ok"].itertuples():
        side, size = lengths.local(row.height, row.width), f"{int(row.height)} x {int(row.width)} px"
        patches, wanted = int(row.height // side * (row.width // side)), REGION_TEXTURED_PATCHES + REGION_RANDOM_PATCHES
        if 0 < patches < wanted and not np.isnan(row.msfi):
            notes.append(Note("small for MSFI", row.file, f"{size} hold {patches} of {wanted} patches of {side} px"))
        if "whole" in names[row.file] and "reference_whole" not in names[row.file]:
            notes.append(Note("reference that cannot be read", row.file, "left out of FID and FID_patch"))
        elif "whole" in names[row.file] and "patches" not in names[row.file]:
            notes.append(Note("too small for FID_patch", row.file, f"{size} hold no patch of {lengths.fid} px"))
    return notes


def _twins(rows):
    """Notes about pictures that are byte for byte the same; only files alike in size and texture are read for it."""
    notes, first = [], {}
    looks = {row.Index: (os.stat(row.path).st_size, row.height, row.width, str(row.glcm_score))
             for row in rows.itertuples() if os.path.exists(row.path)}
    often = Counter(looks.values())
    for row in rows.loc[[index for index, look in looks.items() if often[look] > 1]].itertuples():
        with open(row.path, "rb") as opened:
            other = first.setdefault(hashlib.file_digest(opened, "sha256").digest(), row.file)
        notes += [Note("identical pictures", row.file, f"the same bytes as {other}; both count")] * (other != row.file)
    return notes


def missing(rows, absent):
    """A note for every score that is missing or rests on fewer answers, where the metric has others."""
    return [Note(f"{METRICS[metric].name} missing or incomplete", file, reason)
            for metric, files in reasons(rows).items() if metric not in absent for file, reason in files.items()]

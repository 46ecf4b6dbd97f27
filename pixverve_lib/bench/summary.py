"""From rows of pictures to averages: each with its bootstrap interval, or with the reason why there is none."""
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd

from pixverve_lib.bench import bootstrap, cards, distribution, scoring
from pixverve_lib.bench.metrics import METRICS
from pixverve_lib.bench.prompt_files import Note

FID = {"fid": "whole", "fid_patch": "patches"}  # metric -> what it compares


def of_rows(rows, features, backends, reference, seed, recall):
    """Averages of a scored folder: a frame (metric, value, low, high, pictures, missing), {metric: why it has no value}
    and {metric: warning}.

    rows: as in folder.Scored; features: {file: features of scoring.Measured}; reference: None where there is none;
    recall(metric, make): gives make(), or what it gave before: the interval of FID_patch may take an hour.
    """
    table, absent, warnings = _distances(rows, features, backends, reference, seed, recall)
    for metric, columns in scoring.COLUMNS.items():
        table += [_average(rows, column, seed) for column in columns]
        if not rows[metric].notna().any():
            absent[metric] = _no_score(metric, rows, backends)
    frame = pd.DataFrame(table, columns=["metric", "value", "low", "high", "pictures", "missing"])
    return frame, {key: absent[key] for key in METRICS if key in absent}, warnings


def _distances(rows, features, backends, reference, seed, recall):
    """The same of FID and FID_patch, rows of the frame as lists."""
    table, absent, warnings = [], {}, {}
    for key, name in FID.items():
        pairs = [(features[file].get(name), features[file].get(f"reference_{name}")) for file in rows["file"]]
        full = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
        if reason := _no_fid(key, backends, reference, full):
            absent[key] = reason
            table.append([key, np.nan, np.nan, np.nan, 0, len(rows)])
        else:
            ask = partial(distribution.fid, *zip(*full, strict=True), cards.name(key, backends), seed)
            found = recall(key, ask)
            table.append([key, found["value"], found["low"], found["high"], len(full), len(rows) - len(full)])
            warnings[key] = found["warning"]
    return table, absent, warnings


def _average(rows, column, seed):
    values = rows[column].dropna().to_numpy(float)
    if not len(values):
        return [column, np.nan, np.nan, np.nan, 0, len(rows)]
    found = bootstrap.over_pictures(lambda drawn: {column: values[drawn].mean()}, len(values), seed).iloc[0]
    return [column, found["value"], found["low"], found["high"], len(values), len(rows) - len(values)]


def _no_fid(key, backends, reference, pairs):
    """Why there is no FID or FID_patch, or ""."""
    if reason := scoring.missing_backend(backends, key):
        return reason
    if reference is None:
        return "no reference pictures: give their folder as REF=folder; names must be those of the generated ones"
    if len(pairs) > 1:
        return ""
    small = " and are large enough for a patch" if key == "fid_patch" else ""
    return f"pictures that have a reference of the same name{small}: {len(pairs)}; two are the least"


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


def missing(rows, absent):
    """A note for every score that is missing or rests on fewer answers, where the metric has others."""
    return [Note(f"{METRICS[metric].name} missing or incomplete", file, reason)
            for metric, files in reasons(rows).items() if metric not in absent for file, reason in files.items()]

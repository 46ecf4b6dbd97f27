"""The raw pool (Sec. 3.1.1): collect pictures from the sources, look at each once, screen by size, drop duplicates."""
import os
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pixverve_lib.curation import builtin_pool, deduplication, inspection
from pixverve_lib.curation.screening import wanted
from pixverve_lib.curation.sources import SOURCES, Picture, SourceError, open_source
from pixverve_lib.kit.artefacts import POOL
from pixverve_lib.kit.parallel import map_pictures
from pixverve_lib.models import aesthetics

LAION_HEAD = "sac+logos+ava1-l14-linearMSE.pth"
MEMORY_LIMIT = 8 * 2**30  # bytes a picture may need: 2^30 pixels, the most that are read, need 3 to 7.4 GiB by format
TIMEOUT = 300  # seconds a picture may take
SHARD = 64  # pictures


def collect(run):
    """All pictures of the run's sources.  Returns (pictures, missed): frames of Picture, and of path, step, reason."""
    missed = []

    def report(thing):
        missed.append((thing.name, f"source: {thing.kind}", thing.reason))

    if not run.images and run.budget == "paper":
        raise SourceError("budget paper needs real pictures: IMAGES=folder, or IMAGES='pexels:mountain lake,"
                          f"aesthetic-train-v2:/data/V2'; known: {', '.join(SOURCES)}")
    if run.images:
        found = list(open_source(run.images, run.cache, wanted, report))
    else:
        found = list(builtin_pool.open_builtin(run.budget, run.seed, run.cache))
    pictures = pd.DataFrame([asdict(p) for p in found], columns=list(Picture.__dataclass_fields__))
    again = pictures.duplicated("path")
    missed += [(path, "source: refused", "an earlier source has it already") for path in pictures.path[again]]
    missed = pd.DataFrame(missed, columns=["path", "step", "reason"], dtype=str)
    return pictures[~again].reset_index(drop=True), missed


def choose_predictors(run):
    """S_L and S_A, or the classical scores in their place.  Returns ((name, name), lines that say what was replaced).

    PIXVERVE_LAION_HEAD and PIXVERVE_ARTIMUSE name the weights; without them they are looked for in the cache.
    """
    head = os.environ.get("PIXVERVE_LAION_HEAD") or run.cache / "weights" / LAION_HEAD
    folder = os.environ.get("PIXVERVE_ARTIMUSE") or run.cache / "weights" / "ArtiMuse"
    score_l, why_l = aesthetics.available(f"laion:{head}", "classical-colour")
    score_a, why_a = aesthetics.available(f"artimuse:{folder}", "classical-composition")
    return (score_l, score_a), [line.replace(f"{run.cache.parent}/", "") for line in (why_l, why_a) if line]


def inspect(run, pictures, predictors):
    """One row a picture: inspection.COLUMNS.  Sharded, resumable, on all cores or on the cluster of RAY_ADDRESS."""
    options = {"predictor_l": predictors[0], "predictor_a": predictors[1]}
    learned = not all(name.startswith("classical") for name in predictors)  # then weights fill the process
    seen = map_pictures(inspection.inspect, pictures.path.tolist(), run.folder / "inspection", options=options,
                        version=inspection.VERSION, shard_size=SHARD, memory_limit=None if learned else MEMORY_LIMIT,
                        timeout=None if learned else TIMEOUT,
                        label="looking at pictures")
    return seen.reindex(columns=list(inspection.COLUMNS))


def assemble(pictures, inspected, predictors):
    """Screen and deduplicate.  Returns (raw pool, rejected, duplicates): the first has the columns of `raw_pool`.

    rejected: path, step ("unreadable" | "quarantined" | "resolution screen" | "duplicate"), reason, in the order of the
    pictures.
    """
    good = inspected[inspected.status == "ok"].astype({"bytes": "int64"})
    duplicates = deduplication.find_duplicates(good)
    bad = inspected[inspected.status != "ok"]
    steps = ["quarantined" if row.status == "quarantined" else "resolution screen" if row.reason.startswith("too small")
             else "unreadable" for row in bad.itertuples()]
    gone = duplicates[duplicates.kind != ""]
    licences = dict(zip(pictures.path, pictures.source + ", " + pictures.licence, strict=True))
    paths = good.loc[gone.index, "path"]
    reasons = [f"{row.kind} copy of {Path(row.duplicate_of).name} (this one: {licences[path]})"
               for row, path in zip(gone.itertuples(), paths, strict=True)]
    rejected = pd.concat([
        pd.DataFrame({"path": bad.path, "step": steps, "reason": bad.reason}),
        pd.DataFrame({"path": paths, "step": "duplicate", "reason": reasons}),
    ]).sort_index()
    pool = good[duplicates.kind == ""].merge(pictures, on="path")
    pool = pool.assign(id=pool.sha256.astype(str).str[:16], predictors=" + ".join(predictors))
    pool = pool.astype({"height": "int64", "width": "int64", "tier": "str"})
    return pool[list(POOL)], rejected.reset_index(drop=True), gone.assign(path=good.loc[gone.index, "path"])


def dropped_by_detectors(pool, kept):
    """The rows of `rejected` that the detectors add: which of them flagged each picture that is no candidate."""
    detectors = [column for column in kept if column != "candidate"]
    lost = kept[~kept.candidate]
    reasons = lost[detectors].apply(lambda row: ", ".join(d for d in detectors if not row[d]), axis=1)
    return pd.DataFrame({"path": pool.path[lost.index], "step": "detector", "reason": reasons.astype(str)})

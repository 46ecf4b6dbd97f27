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
MEMORY_LIMIT = 8 * 2**30  # bytes a picture may need; the largest that is read at all (2^30 pixels) needs 3 GiB
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
    return pictures.drop_duplicates("path", ignore_index=True), _rejections(missed)


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
    seen = map_pictures(inspection.inspect, pictures.path.tolist(), run.folder / "inspection", options=options,
                        version=inspection.VERSION, shard_size=SHARD, memory_limit=MEMORY_LIMIT, timeout=300,
                        label="looking at pictures")
    return seen.reindex(columns=list(inspection.COLUMNS))


def assemble(pictures, inspected, predictors):
    """Screen and deduplicate.  Returns (raw pool, rejected, duplicates): the first has the columns of `raw_pool`.

    rejected: path, step ("unreadable" | "resolution screen" | "duplicate"), reason, in the order of the pictures.
    """
    good = inspected[inspected.status == "ok"].astype({f"hash_{i}": "int64" for i in range(3)} | {"bytes": "int64"})
    duplicates = deduplication.find_duplicates(good)
    bad = inspected[inspected.status != "ok"]
    steps = ["resolution screen" if reason.startswith("too small") else "unreadable" for reason in bad.reason]
    gone = duplicates[duplicates.kind != ""]
    reasons = [f"{row.kind} copy of {Path(row.duplicate_of).name}" for row in gone.itertuples()]
    rejected = pd.concat([
        pd.DataFrame({"path": bad.path, "step": steps, "reason": bad.reason}),
        pd.DataFrame({"path": good.loc[gone.index, "path"], "step": "duplicate", "reason": reasons}),
    ]).sort_index()
    pool = good[duplicates.kind == ""].merge(pictures, on="path")
    pool = pool.assign(id=pool.sha256.astype(str).str[:16], predictors=" + ".join(predictors))
    pool = pool.astype({"height": "int64", "width": "int64"})
    return pool[list(POOL)], rejected.reset_index(drop=True), gone.assign(path=good.loc[gone.index, "path"])


def _rejections(rows):
    return pd.DataFrame(rows, columns=["path", "step", "reason"], dtype=str)


def dropped_by_detectors(pool, kept):
    """The rows of `rejected` that the detectors add: which of them flagged each picture that is no candidate."""
    detectors = [column for column in kept if column != "candidate"]
    lost = kept[~kept.candidate]
    reasons = lost[detectors].apply(lambda row: ", ".join(d for d in detectors if not row[d]), axis=1)
    return pd.DataFrame({"path": pool.path[lost.index], "step": "detector", "reason": reasons.astype(str)})

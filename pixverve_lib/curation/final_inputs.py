"""What notebook 03 begins with: the 100 MP pictures of notebook 02, or what may stand in for them."""
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pixverve_lib.curation import builtin_pool, candidates, final_filter
from pixverve_lib.curation.super_resolution import SCALES
from pixverve_lib.kit import artefacts

STAND_INS = {"smoke": 2, "laptop": 3}  # candidates that take the place of 100 MP pictures


class Inputs(NamedTuple):
    uhr: pd.DataFrame  # what the automatic filters have kept: columns of the artefact uhr_pool
    patches: pd.DataFrame  # region_patches
    pool: pd.DataFrame  # candidate_pool; `path` is a bare name in a shipped sample
    tried: float  # pictures that were to be brought to 100 MP; NaN for stand-ins
    origin: str


class OtherPool(ValueError):
    """Two artefacts that do not belong together; the line is the command that mends it."""


def load(run):
    """The pictures to caption and judge.  Returns Inputs.

    Without notebook 02: at smoke and laptop candidates at their own size, treated as if they were 100 MP. At gpu and
    paper raises MissingArtefact, whose line is the command that makes them. Raises OtherPool.
    """
    try:
        uhr, patches, lost = (artefacts.read(run, name) for name in ("uhr_pool", "region_patches", "uhr_rejected"))
    except artefacts.MissingArtefact as missing:
        if run.budget not in STAND_INS:
            raise
        return _stand_ins(run, missing)
    pool = candidate_rows(run)
    if strangers := set(uhr.id) - set(pool.id):
        raise OtherPool(f"{len(strangers)} of {len(uhr)} pictures of notebook 02 are no candidates of notebook 01 any "
                        f"more; make them again with: {artefacts.command(run, '02_super_resolution')}")
    kept = uhr[uhr.kept].reset_index(drop=True)
    return Inputs(kept, patches, pool, len(kept) + len(lost), f"{len(kept)} pictures of 100 MP, kept by notebook 02")


def candidate_rows(run):
    """The candidate pool, else the shipped sample or own pictures that pass the size screen. Raises MissingArtefact."""
    try:
        return artefacts.read_or_sample(run, "candidate_pool")[0]
    except artefacts.MissingArtefact:
        if run.budget not in STAND_INS:
            raise
        return candidates.screened(run)


def drawn(chosen, run):
    """Rows of the candidate pool with `path` leading to a file; those of a shipped sample are drawn."""
    if all(Path(path).is_absolute() for path in chosen.path):
        return chosen
    return chosen.assign(path=builtin_pool.draw_named(chosen.path, run.cache))


def final_rows(decided, pool):
    """Pictures of status "final" with the source, licence and scores of their candidates, as the artefact has them."""
    columns = ["id", *(name for name in artefacts.FINAL if name in pool and name not in decided)]
    return decided[decided.status == "final"].merge(pool[columns], on="id", how="left")


def rejected(decided, failures):
    """Pictures that are not final: columns path, step, reason.  failures: of captioning.annotate"""
    lost = decided[decided.status != "final"]
    steps = lost.status.map({"rejected": "judged filters", "undecided": "undecided"})
    frame = pd.DataFrame({"path": lost.path, "step": steps, "reason": lost.reason}, dtype=str)
    return pd.concat([failures, frame], ignore_index=True)


class Earlier(NamedTuple):
    """What notebooks 01 and 02 have counted; NaN and None for one that has not run."""

    raw: float
    candidate: float
    synthesized: float
    rejected: pd.DataFrame | None
    uhr: pd.DataFrame | None
    uhr_rejected: pd.DataFrame | None


def earlier(run):
    """The counts behind Tab. 1 and Fig. 3.  Returns Earlier."""
    frames = {name: _read(run, name) for name in ("raw_pool", "candidate_pool", "rejected", "uhr_pool", "uhr_rejected")}
    raw, candidate, lost, uhr, uhr_lost = frames.values()
    if raw is None or candidate is None:
        return Earlier(np.nan, np.nan, np.nan, lost, uhr, uhr_lost)
    synthesized = sum(source.startswith("synthesized") for source in raw.source)
    return Earlier(len(raw), len(candidate), synthesized, lost, uhr, uhr_lost)


def _read(run, name):
    try:
        return artefacts.read(run, name)
    except artefacts.MissingArtefact:
        return None


def _stand_ins(run, missing):
    pool = candidate_rows(run)
    small = pool[pool.tier == "4x"] if not run.images else pool
    chosen = drawn(small.head(STAND_INS[run.budget]), run)
    chosen = chosen.reset_index(drop=True)
    uhr = chosen.assign(source_path=chosen.path, scale=chosen.tier.map({"native": 1, **SCALES}), kept=True,
                        upscaler="none: stands in").reindex(columns=list(artefacts.UHR))
    return Inputs(uhr, final_filter.region_patches(uhr, run.seed), pool, np.nan,
                  f"{missing} Until then {len(uhr)} candidates at their own size stand in for pictures of 100 MP.")

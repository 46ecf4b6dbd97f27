"""What notebook 04 begins with: the final pool of notebook 03, or what may stand in for it."""
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pixverve_lib.curation import captioning, export, final_inputs, pool_statistics
from pixverve_lib.kit import artefacts
from pixverve_lib.models import embedded_roles

OTHERS = {"smoke": 3, "laptop": 24}  # candidates described beside a small final pool, for distributions


class Described(NamedTuple):
    """Frames of pool_statistics (columns of export.SCHEMA, or those of the released metadata) and a column path."""

    final: pd.DataFrame
    others: pd.DataFrame  # candidates at their own size, neither super-resolved nor judged; empty at gpu and paper
    lines: list  # what this is, and where it comes from


def load(run, released=""):
    """The pool that 04 describes.  Returns Described.

    released: folder with PixVerve-95K's own metadata, which is then read instead. At gpu and paper raises
    MissingArtefact without notebook 03, FileNotFoundError for a folder without metadata.
    """
    if released:
        return _released(released)
    rows, annotations, lines = _final(run)
    final = pd.DataFrame(export.annotation_records(rows, rows, annotations))
    others = _others(run, set(rows.id))
    if len(others):
        lines.append(f"For distributions {len(others)} candidates are described beside them by the embedded roles at "
                     "their own size; these were neither super-resolved nor judged.")
    columns = ["path", *export.SCHEMA.names]
    return Described(final.reindex(columns=columns), others.reindex(columns=columns), lines)


def _released(folder):
    pool, rejected = pool_statistics.released(folder)
    pool = pool.assign(path=[str(Path(folder) / name) for name in pool.file_name])
    lines = [f"{len(pool)} records of the released metadata, {len(rejected)} lines could not be read",
             *rejected.head(3).itertuples(index=False)]
    return Described(pool, pool[:0], [str(line) for line in lines])


def _final(run):
    """(rows of the final pool, their annotations, lines)"""
    try:
        rows = artefacts.read(run, "final_pool")
        annotations = captioning.unpacked(artefacts.read(run, "annotations"))
        return rows, annotations[annotations.id.isin(rows.id)], [f"the final pool of notebook 03: {len(rows)} pictures"]
    except artefacts.MissingArtefact as missing:
        if run.budget not in OTHERS:
            raise
        inputs = final_inputs.load(run)
        rows, annotations = _annotated(run, inputs.uhr, inputs.pool)
        return rows, annotations, [f"{missing} Until then:", inputs.origin, "Nobody has judged them."]


def _others(run, names):
    pool = final_inputs.candidate_rows(run) if run.budget in OTHERS else pd.DataFrame(columns=["id", "tier"])
    pool = pool[~pool.id.isin(names) & (pool.tier != "native")].head(OTHERS.get(run.budget, 0))
    if pool.empty:
        return pd.DataFrame()
    rows, annotations = _annotated(run, final_inputs.drawn(pool, run).assign(upscaler=""), pool)
    return pd.DataFrame(export.annotation_records(rows, rows, annotations))


def _annotated(run, pictures, pool):
    """Rows as of the final pool, for pictures that the embedded roles could describe whole."""
    found, _ = captioning.annotate(pictures, embedded_roles.roles(), run.folder / "annotations")
    found = found[found.short_caption.notna()]
    whole = pictures[pictures.id.isin(found.id)].assign(status="final", split="train")
    return final_inputs.final_rows(whole, pool), found

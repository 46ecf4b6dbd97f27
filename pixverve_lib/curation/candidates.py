"""What notebook 02 begins with: the candidate pool of notebook 01, or what may stand in for it."""
import pandas as pd

from pixverve_lib.curation import builtin_pool, inspection, raw_pool
from pixverve_lib.curation.screening import tier
from pixverve_lib.imaging import reading
from pixverve_lib.kit import artefacts

MOST = 8  # own pictures at laptop: each becomes a file of some 400 MB


def candidates(run):
    """The candidate pool of this run.  Returns (pool with the columns of `candidate_pool`, where it comes from).

    Without one: at smoke and laptop the shipped sample, or with own pictures all of them that pass the resolution
    screen, unpurified. At gpu and paper raises MissingArtefact, whose line is the command that makes it.
    """
    try:
        pool, sampled = artefacts.read_or_sample(run, "candidate_pool")
    except artefacts.MissingArtefact as missing:
        if run.budget not in ("smoke", "laptop"):
            raise
        return screened(run), f"{missing} Until then: every picture of the folder that passes the size screen."
    if not sampled:
        return pool, f"the candidate pool of notebook 01 ({len(pool)} pictures)"
    pool["path"] = builtin_pool.draw_named(pool.path, run.cache)
    return pool, f"a shipped sample of {len(pool)} candidates, for notebook 01 has not run at {run.name}"


def handful(pool, run):
    """The pictures that this budget brings to 100 MP: all of them at gpu and paper.

    At smoke the smallest of the 4x tier. At laptop the smallest of each tier, or of own pictures the first MOST.
    """
    if run.budget in ("gpu", "paper"):
        return pool
    if run.images and run.budget == "laptop":
        return pool.head(MOST)
    by_size = pool.assign(pixels=pool.height * pool.width).sort_values(["pixels", "path"], kind="stable")
    tiers = ("4x",) if run.budget == "smoke" else ("native", "2x", "4x")
    return pool.loc[[i for tier in tiers for i in by_size.index[by_size.tier == tier][:1]]]


def screened(run):
    """All pictures of the run's sources that can be read and pass the screen of Sec. 3.1.1; scores stay empty."""
    pictures, _ = raw_pool.collect(run)
    rows = []
    for picture in pictures.itertuples():
        try:
            header = reading.probe(picture.path)
        except reading.UnreadableImage:
            continue
        if tier(header.height, header.width):
            rows.append(picture._asdict() | {"height": header.height, "width": header.width})
    pool = pd.DataFrame(rows, columns=[*pictures.columns, "height", "width"])
    tiers = [tier(*size) for size in zip(pool.height, pool.width, strict=True)]
    pool = pool.assign(id=[inspection.size_and_digest(path)[1][:16] for path in pool.path], tier=tiers)
    return pool.reindex(columns=list(artefacts.POOL))

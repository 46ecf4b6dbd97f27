"""The final pool (Tab. 1): what all four filters of Sec. 3.1.4 leave, with complete captions, and its two parts.

"95,735+200": what models are trained on, and the held-out reference of the benchmark, never trained on. The paper picks
its 200 by hand "across diverse scenarios" (Sec. 3.3); here they are drawn evenly from kinds of source and aspect.
"""
import hashlib
import re

import numpy as np
import pandas as pd

from pixverve_lib.curation import builtin_pool
from pixverve_lib.paper.constants import SYNTHESIZED_PICTURES
from pixverve_lib.paper.published import numbers, table

BENCH_SHARE = 8  # one picture in so many below budget paper; not in paper: choice, for 200 of 95,935 are none of a few
SQUARE = 1.1  # aspect ratio up to which a picture counts as square; not in paper: choice


def decide(judged, annotations):
    """Adds status ("final" | "rejected" | "undecided") and reason to judged pictures of the UHR pool.

    judged: from judged_filter.decide, with columns kept (of the automatic filters), region, instance; annotations: from
    captioning.annotate. Undecided: a judgement or a caption is missing, so that the picture waits for another run.
    """
    captions = annotations.set_index("id")
    rows = []
    for row in judged.itertuples():
        wrong = [] if row.kept else ["seam continuity or consistency"]
        wrong += [f"{name}-level assessment" for name in ("region", "instance") if getattr(row, name) == "rejected"]
        open_ = [f"{name}-level judgements are missing" for name in ("region", "instance")
                 if getattr(row, name) == "undecided"]
        open_ += _missing_captions(captions.loc[row.id]) if row.id in captions.index else ["it has no annotations"]
        status = "rejected" if wrong else "undecided" if open_ else "final"
        rows.append((status, ", ".join(wrong or open_)))
    return judged.assign(status=[status for status, _ in rows], reason=[reason for _, reason in rows])


def bench_size(budget, pictures):
    """How many pictures are held out: at paper the printed number, below one in BENCH_SHARE, at least one.

    A single picture is no pool to divide and stays training data; at least one always does.
    """
    wanted = _printed()["bench"] if budget == "paper" else max(1, pictures // BENCH_SHARE)
    return min(wanted, max(0, pictures - 1))


def split(final, bench, seed=0):
    """Which part each picture of the final pool belongs to: a series "train" | "bench" with exactly `bench` of those.

    final: rows with id, height, width, source, source_path. Of the pictures sorted by `strata`, in an order within
    each that seed and id decide, every n-th is held out: each kind gives its share, and neither the order of the rows
    nor chance between runs matters. Raises ValueError when nothing would be left to train on.
    """
    if bench and bench >= len(final):
        raise ValueError(f"{bench} of {len(final)} pictures held out leave none to train on: hold out fewer")
    draw = [hashlib.sha256(f"{seed} {name}".encode()).hexdigest() for name in final.id]
    order = final.assign(stratum=strata(final), draw=draw).sort_values(["stratum", "draw"]).index
    start = np.random.default_rng(seed).random()
    chosen = order[((np.arange(bench) + start) * len(final) / max(bench, 1)).astype(int)]
    return pd.Series(np.where(final.index.isin(chosen), "bench", "train"), final.index, name="split", dtype=str)


def strata(final):
    """A name for each picture of what should be represented evenly: its source, its layout if known, and its aspect."""
    aspect = final.width / final.height
    shape = np.select([aspect > SQUARE, aspect < 1 / SQUARE], ["landscape", "portrait"], "square")
    recipes = [builtin_pool.parse(path) for path in final.source_path]
    layouts = [recipe.layout if recipe else "" for recipe in recipes]
    words = zip(final.source, layouts, shape, strict=True)
    return pd.Series([" ".join(filter(None, each)) for each in words], final.index, dtype=str)


def data_flow(raw, candidate, tried, final, *, synthesized, bench):
    """Tab. 1 complete: stage, subset, published, measured, and what percentage of the stage before survives.

    raw, candidate, final: pictures of each pool; synthesized: of the raw ones; tried: candidates that this run brought
    to 100 MP, of which `final` survive, for a small budget takes only a few; bench: of the final ones.
    """
    (collected, purified, filtered), parts = numbers("tab_1")["scale"].astype(int), _printed()
    stages, pools = table("tab_1").pipeline_stage, table("tab_1").resulting_subset
    rows = [
        (stages[0], pools[0], collected, raw, np.nan, np.nan),
        ("", "of which synthesized", SYNTHESIZED_PICTURES, synthesized, np.nan, np.nan),
        (stages[1], pools[1], purified, candidate, _percent(purified, collected), _percent(candidate, raw)),
        ("", "of which brought to 100 MP", np.nan, tried, np.nan, np.nan),
        (stages[2], pools[2], filtered, final, _percent(filtered, purified), _percent(final, tried)),
        ("", "of which training data", parts["train"], final - bench, np.nan, np.nan),
        ("", "of which held out for the bench", parts["bench"], bench, np.nan, np.nan),
    ]
    frame = pd.DataFrame(rows, columns=["stage", "subset", "published", "measured", "published survival (%)",
                                        "measured survival (%)"]).astype({"published": "Int64"})
    frame["difference (points)"] = frame["measured survival (%)"] - frame["published survival (%)"]
    return frame.round(2)


def _missing_captions(row):
    return [f"its {name.replace('_', ' ')} is missing" for name in ("long_caption", "short_caption")
            if not isinstance(getattr(row, name), str) or not getattr(row, name).strip()]


def _percent(part, whole):
    return 100 * part / whole if whole else np.nan


def _printed():
    """The two parts of the final data as Tab. 1 prints them: {"train": 95735, "bench": 200}."""
    train, bench = re.search(r"\(([\d,]+)\+([\d,]+)\)", table("tab_1").scale.iloc[2]).groups()
    return {"train": int(train.replace(",", "")), "bench": int(bench)}

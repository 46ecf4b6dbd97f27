"""The pipeline of Fig. 3 as a list: every step with the function that does it, and how many pictures it has seen."""
from typing import NamedTuple

import pandas as pd

from pixverve_lib.curation import (
    captioning,
    consistency,
    deduplication,
    final_pool,
    judged_filter,
    purification,
    raw_pool,
    screening,
    seam_filter,
    super_resolution,
)


class Stage(NamedTuple):
    title: str  # as Tab. 1 and the headings of Sec. 3.1 have it
    section: str
    notebook: str
    steps: dict  # name -> function that does it
    result: str  # what it leaves


STAGES = (
    Stage("Image Data Collection", "Sec. 3.1.1", "01", {
        "sources": raw_pool.collect, "unreadable": raw_pool.inspect, "resolution screen": screening.tier,
        "duplicate": deduplication.find_duplicates}, "Raw Data Pool"),
    Stage("Preliminary Data Purification", "Sec. 3.1.2", "01",
          dict.fromkeys(purification.DETECTORS, purification.decide), "Candidate Data Pool"),
    Stage("100MP Data Curation", "Sec. 3.1.3", "02",
          dict.fromkeys(("native", "2x", "4x"), super_resolution.produce), "100 MP pictures"),
    Stage("Final Data Filtering", "Sec. 3.1.4", "02, 03", {
        "seam continuity": seam_filter.decide, "consistency": consistency.decide,
        "region-level": judged_filter.judge_regions, "instance-level": judged_filter.judge_instances}, "Final Data"),
    Stage("Stage-wise Captioning", "Sec. 3.1.5", "03", {
        **dict.fromkeys(("tags", "boxes", "instances", "analyses", "long caption", "short caption"),
                        captioning.annotate), "split": final_pool.split}, "training data + bench"),
)
TURNS_AWAY = ("Sec. 3.1.1", "Sec. 3.1.2", "Sec. 3.1.4")  # there a step's count is what it loses, elsewhere what it has


def measured(flow, rejected, uhr, uhr_rejected, decided, annotations):
    """One row a step: title, section, notebook, step, function, count, lost, result, left, published.

    flow: from final_pool.data_flow; rejected, uhr, uhr_rejected: artefacts, None where a notebook has not run; decided:
    from final_pool.decide. count: NaN where it is unknown, lost: whether it counts pictures turned away. left,
    published: texts on what a stage leaves.
    """
    counts = _turned_away(rejected, uhr_rejected, decided) | _made(uhr, annotations)
    left = _left(flow, decided)
    rows = [(stage.title, stage.section, stage.notebook, step, f"{work.__module__.split('.')[-1]}.{work.__name__}",
             counts.get(step), stage.section in TURNS_AWAY and step != "sources", stage.result, *left[stage.result])
            for stage in STAGES for step, work in stage.steps.items()]
    return pd.DataFrame(rows, columns=["title", "section", "notebook", "step", "function", "count", "lost", "result",
                                       "left", "published"])


def _turned_away(rejected, uhr_rejected, decided):
    """A picture that several detectors flag counts with each of them."""
    steps = rejected.step.value_counts() if rejected is not None else None
    flags = rejected.reason[rejected.step == "detector"].str if rejected is not None else None
    later = uhr_rejected.step.value_counts() if uhr_rejected is not None else None
    found = {name: int(steps.get(name, 0)) for name in ("unreadable", "resolution screen", "duplicate")
             if steps is not None}
    found |= {name: int(flags.contains(name).sum()) for name in purification.DETECTORS if flags is not None}
    found |= {name: int(later.get(name, 0)) for name in ("seam continuity", "consistency") if later is not None}
    return found | {f"{name}-level": int((decided[name] == "rejected").sum()) for name in ("region", "instance")}


def _made(uhr, annotations):
    tiers = uhr.tier.value_counts() if uhr is not None else None
    found = {name: int(tiers.get(name, 0)) for name in super_resolution.SCALES | {"native": 1} if tiers is not None}
    found |= {name: sum(len(cell) for cell in annotations[column] if cell is not None)
              for name, column in (("tags", "pruned_tags"), ("instances", "instances"))}
    found["boxes"] = int(annotations.boxes_found.dropna().sum())
    whole = {"analyses": "aesthetics", "long caption": "long_caption", "short caption": "short_caption"}
    return found | {name: int(annotations[column].notna().sum()) for name, column in whole.items()}


def _left(flow, decided):
    """(measured, published) of each result, as texts."""
    by = flow.set_index("subset")
    found = {name: (_count(by.measured[name]), _count(by.published[name]))
             for name in ("Raw Data Pool", "Candidate Data Pool", "Final Data")}
    tried, parts = by.loc["of which brought to 100 MP"], ["of which training data", "of which held out for the bench"]
    grown = f"{len(decided)} stand-ins" if pd.isna(tried.measured) else f"{len(decided):,} of {int(tried.measured):,}"
    return found | {"100 MP pictures": (grown, "not printed"),
                    "training data + bench": tuple(" + ".join(_count(by[column][part]) for part in parts)
                                                   for column in ("measured", "published"))}


def _count(number):
    return "not known" if pd.isna(number) else f"{int(number):,}"

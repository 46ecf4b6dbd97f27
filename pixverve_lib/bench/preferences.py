"""The human study of Sec. F.4: who compares which pictures in which order, and the scores that follow from the votes.

A design is a table with a row a showing: two pictures of one prompt side by side, for one annotator. Names of models
stand in `left` and `right`; `left_file` and `right_file` are paths inside the folder of pictures. A showing asks every
question of QUESTIONS; a vote is one answer: "left", "right" or "indistinguishable".

The same code serves the human study of Diffusion-4K (Sec. 6.2: ten participants, one model against each of three).
"""
import hashlib
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

QUESTIONS = {  # Sec. F.4; the sentences are not in paper: choice, after what MSFI and ICS rate
    "fidelity": ("Image Fidelity", "Which picture is better as a picture: structure, light, texture, and detail that "
                                   "stays clean and believable when you zoom in?"),
    "alignment": ("Instance-centric Semantic Alignment", "Which picture shows better what the text asks for: the "
                                                         "things it names, their properties, and how they relate?"),
}
SCALES = ("4K", "8K")  # Sec. F.4
ANNOTATORS = tuple(f"annotator-{number}" for number in range(1, 9))  # Sec. F.4: 8 of them
VOTES = 2  # Sec. F.4: independent annotations a pair
POINTS = {"left": (1.0, 0.0), "indistinguishable": (0.5, 0.5), "right": (0.0, 1.0)}  # Sec. F.4: of left and of right
FILES = "{model}/{scale}/{prompt}.jpg"
COLUMNS = ("annotator", "order", "comparison", "scale", "prompt", "text", "left", "right", "left_file", "right_file")


class ImpossibleDesign(ValueError):
    """A study that cannot be carried out as described; one line that says what to change."""


def design(models, prompts, scales=SCALES, annotators=ANNOTATORS, votes=VOTES, seed=0, files=FILES, pairs=None):
    """A frame of COLUMNS, sorted by annotator and order; the same for the same seed.

    models: names; prompts: {id: text}; annotators: names; votes: different annotators who see the same pair;
    files: where a picture lies; pairs: (model, model) tuples, by default all of them. Nobody gets more than one showing
    more than anyone else, and a pair of models changes sides as often as it can. Raises ImpossibleDesign.
    """
    pairs = list(itertools.combinations(models, 2)) if pairs is None else list(pairs)
    _refuse_the_impossible(models, prompts, scales, annotators, votes, pairs)
    rng = np.random.default_rng(seed)
    strata = [[(scale, prompt, *pair) for prompt in prompts] for scale in scales for pair in pairs]
    comparisons = [stratum[place] for stratum in strata for place in rng.permutation(len(stratum))]
    rows = [
        (annotator, number, scale, prompt, prompts[prompt], *((a, b) if a_is_left else (b, a)))
        for number, ((scale, prompt, a, b), chosen)
        in enumerate(zip(comparisons, _share_out(comparisons, annotators, votes, rng), strict=True))
        for annotator, a_is_left in chosen
    ]
    frame = pd.DataFrame(rows, columns=["annotator", "comparison", "scale", "prompt", "text", "left", "right"])
    for side in ("left", "right"):
        frame[f"{side}_file"] = [files.format(model=model, scale=scale, prompt=prompt) for model, scale, prompt
                                 in zip(frame[side], frame.scale, frame.prompt, strict=True)]
    frame = frame.iloc[rng.permutation(len(frame))].sort_values("annotator", kind="stable", ignore_index=True)
    return frame.assign(order=frame.groupby("annotator").cumcount() + 1)[list(COLUMNS)]


def _refuse_the_impossible(models, prompts, scales, annotators, votes, pairs):
    lists = {"models": models, "prompts": prompts, "scales": scales, "annotators": annotators}
    for what, names in lists.items():
        if len(set(names)) != len(names) or not all(names):
            raise ImpossibleDesign(f"{what} need different names that are not empty")
    if len(models) < 2 or not pairs or not prompts or not scales:
        raise ImpossibleDesign("nothing to compare: name at least two models, one prompt and one scale")
    if odd := [pair for pair in pairs if len(set(pair)) != 2 or not set(pair) <= set(models)]:
        raise ImpossibleDesign(f"{odd[0]} is no pair of two of the models {', '.join(models)}")
    if len({frozenset(pair) for pair in pairs}) != len(pairs):
        raise ImpossibleDesign("a pair of models is named twice: name it once and ask for more votes")
    if not 1 <= votes <= len(annotators):
        raise ImpossibleDesign(f"{votes} different annotators a pair cannot be found among {len(annotators)}: "
                               f"ask for 1 to {len(annotators)} votes a pair, or name more annotators")
    if (showings := len(pairs) * len(prompts) * len(scales) * votes) < len(annotators):
        raise ImpossibleDesign(f"{showings} showings are not enough for {len(annotators)} annotators: name fewer")


def _share_out(comparisons, annotators, votes, rng):
    """(annotator, whether the first model stands left) of each vote of each comparison.

    Those who have least to do come first; among them, the model stands left for those who saw it right more often.
    """
    load, lean, sides, out = Counter(), Counter(), Counter(), []
    for _, _, a, b in comparisons:
        chosen = sorted(rng.permutation(annotators).tolist(), key=load.__getitem__)[:votes]
        chosen.sort(key=lambda name: lean[name, a, b])  # noqa: B023  sorted at once
        ahead = votes // 2 + (votes % 2 and sides[a, b] <= 0)
        sides[a, b] += 2 * ahead - votes
        out.append([(name, place < ahead) for place, name in enumerate(chosen)])
        for name, is_left in out[-1]:
            load[name] += 1
            lean[name, a, b] += 1 if is_left else -1
    return out


def read_design(path):
    """The design in a CSV file that `design(...).to_csv(path, index=False)` wrote.

    Raises ImpossibleDesign for a file that is none, in one line.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise ImpossibleDesign(f"no design at {path}: write one with preferences.design(...).to_csv(...)") from error
    except (OSError, ValueError) as error:
        raise ImpossibleDesign(f"{path} cannot be read as CSV: {' '.join(str(error).split())}") from error
    if missing := [name for name in COLUMNS if name not in frame]:
        raise ImpossibleDesign(f"{Path(path).name} is no design: it lacks the columns {', '.join(missing)}")
    try:
        frame = frame.astype({"order": int, "comparison": int})
    except ValueError as error:
        raise ImpossibleDesign(f"{Path(path).name}: order and comparison must be whole numbers") from error
    for column in ("order", "comparison"):
        if (again := frame[frame.duplicated(["annotator", column])]).size:
            first = again.iloc[0]
            raise ImpossibleDesign(f"{Path(path).name}: {first.annotator} has {column} {first[column]} twice")
    return frame[list(COLUMNS)].sort_values(["annotator", "order"], ignore_index=True)


def digest(frame):
    """A short name of a design, which every vote carries: votes of another one are not counted by mistake."""
    return hashlib.sha256(frame[list(COLUMNS)].to_csv(index=False).encode()).hexdigest()[:12]


def points(votes):
    """Two rows a vote, one for each model: s_ij of Sec. F.4.  Adds model, opponent, points in {0, 0.5, 1}.

    votes: frame with left, right and choice (NaN where a vote is missing: points are NaN). Raises ValueError.
    """
    if strange := sorted(set(votes.choice.dropna()) - set(POINTS)):
        raise ValueError(f"a vote is one of {', '.join(POINTS)}, not {strange[0]!r}")
    shared = votes.drop(columns=["left", "right"])
    sides = [
        shared.assign(model=votes[own], opponent=votes[other],
                      points=votes.choice.map({choice: pair[place] for choice, pair in POINTS.items()}).astype(float))
        for place, (own, other) in enumerate((("left", "right"), ("right", "left")))
    ]
    return pd.concat(sides, ignore_index=True)


def human_scores(votes, by=("question",)):
    """A row a model and `by`: score = total / comparisons in [0, 1] (Sec. F.4), total, comparisons, missing."""
    table = points(votes).groupby([*by, "model"], sort=False).points.agg(["sum", "count", "size"]).reset_index()
    table = table.assign(score=table["sum"] / table["count"].where(table["count"] > 0))
    table = table.assign(missing=table["size"] - table["count"]).drop(columns="size")
    return table.rename(columns={"sum": "total", "count": "comparisons"})

"""The same prompts with several rotary positions, above the sizes that a model was trained at (UltraFlux Supp. Fig. 4).

    found = compare(folder, pipeline, texts, {(256, 256): 6, (128, 256): 6}, score, trained=4)
"""
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pixverve_lib.models import proportional_attention, rotary
from pixverve_lib.schemes import sampling
from pixverve_lib.schemes.flow import F
from pixverve_lib.schemes.retrofits import retrofitted

THREE = ("stock", "yarn", "resonance+yarn")  # UltraFlux Supp. Fig. 4 a, b, c
STARRED = "interpolated + proportional attention"  # URAE Tab. 1, what its star stands for
BATCH_TOKENS = 600  # of the pictures that are drawn together; not in paper: choice


class Compared(NamedTuple):
    """What `compare` found."""

    scores: pd.DataFrame  # height width (pixels) kind pictures seconds (a picture) and those of `score`
    pictures: pd.DataFrame  # height width kind prompt path seconds


def choices(trained: int) -> dict[str, dict]:
    """Name -> retrofits, for `retrofitted`: rotary.KINDS and STARRED.  trained: side in tokens"""
    found = {kind: {rotary: {"kind": kind, "trained": trained}} for kind in rotary.KINDS}
    return found | {STARRED: found["interpolated"] | {proportional_attention: {"trained": trained}}}


def compare(folder, pipeline, texts: Sequence[str], sizes: Mapping[tuple[int, int], int], score: Callable, trained: int,
            kinds: Sequence[str] = THREE, **options) -> Compared:
    """Draw and score; pictures that are there are used.

    sizes: {(height, width) in pixels: how many of `texts`, from the first}; score: paths, in the order of texts ->
    {name: value}; kinds: of `choices`; options: of `sampling.generate`
    """
    scores, drawn, known = [], [], choices(trained)
    pipelines = {kind: retrofitted(pipeline, known[kind]) for kind in kinds}
    for (height, width), count in sizes.items():
        batch = max(1, BATCH_TOKENS * F**2 // (height * width))
        for kind, made in pipelines.items():
            where = {"height": height, "width": width, "kind": kind}
            found = sampling.generate(made, texts[:count], Path(folder), height, width, **{"batch": batch} | options)
            scores.append(where | {"pictures": count, "seconds": found.seconds.mean()} | score(found["path"]))
            drawn.append(found.assign(**where))
    pictures = pd.concat(drawn, ignore_index=True)
    return Compared(pd.DataFrame(scores), pictures[["height", "width", "kind", "prompt", "path", "seconds"]])

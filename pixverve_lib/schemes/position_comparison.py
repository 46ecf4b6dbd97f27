"""The same prompts with several rotary positions, above the sizes that a model was trained at (UltraFlux Supp. Fig. 4).

    found = compare(folder, pipeline, texts, {(256, 256): 6, (128, 256): 6}, score, trained=4)
"""
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from diffusers import Flux2KleinPipeline

from pixverve_lib.models import proportional_attention, rotary
from pixverve_lib.schemes import sampling
from pixverve_lib.schemes.flow import F
from pixverve_lib.schemes.retrofits import retrofitted

THREE = ("stock", "yarn", "resonance+yarn")  # UltraFlux Supp. Fig. 4 a, b, c
PROPORTIONAL = "+ proportional attention"  # of a kind's name: URAE Tab. 1, with "interpolated" its starred baseline
BATCH_TOKENS = 600  # of the pictures that are drawn together; not in paper: choice


class Compared(NamedTuple):
    """What `compare` found."""

    scores: pd.DataFrame  # height width (pixels) kind pictures seconds (a picture) and those of `score`
    pictures: pd.DataFrame  # height width kind prompt path seconds


def placed(pipeline, kind: str, trained: int) -> Flux2KleinPipeline:
    """A pipeline like this one, of the same weights in memory, with other positions; this one stays as it is.

    kind: of rotary.KINDS, with " + proportional attention" after it for both; trained: side in tokens
    """
    positions = {rotary: {"kind": kind.removesuffix(f" {PROPORTIONAL}"), "trained": trained}}
    proportions = {proportional_attention: {"trained": trained}} if kind.endswith(PROPORTIONAL) else {}
    return retrofitted(pipeline, positions | proportions)


def compare(folder, pipeline, texts: Sequence[str], sizes: Mapping[tuple[int, int], int], score: Callable, trained: int,
            kinds: Sequence[str] = THREE, **options) -> Compared:
    """Draw and score; pictures that are there are used.

    sizes: {(height, width) in pixels: how many of `texts`, from the first}; score: paths, in the order of texts ->
    {name: value}; options: of `sampling.generate`
    """
    scores, drawn = [], []
    pipelines = {kind: placed(pipeline, kind, trained) for kind in kinds}
    for (height, width), count in sizes.items():
        batch = max(1, BATCH_TOKENS * F**2 // (height * width))
        for kind, made in pipelines.items():
            where = {"height": height, "width": width, "kind": kind}
            found = sampling.generate(made, texts[:count], Path(folder), height, width, **{"batch": batch} | options)
            scores.append(where | {"pictures": count, "seconds": found.seconds.mean()} | score(found["path"]))
            drawn.append(found.assign(**where))
    pictures = pd.concat(drawn, ignore_index=True)
    return Compared(pd.DataFrame(scores), pictures[["height", "width", "kind", "prompt", "path", "seconds"]])

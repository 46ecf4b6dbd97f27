"""UltraFlux's stage-wise aesthetic curriculum (Supp. Sec. 2.2, Tab. 3): all data first, then the best and less of time.

    pictures, captions = pool(160, side, seed=0)
    best = chosen(pictures, captions, [score(rgb) for rgb in pictures], share=0.05)
    tuned = run(folder, pipeline, [everything, few], stages(60), criterion=HuberWavelet())

Which end of "timestep range 0-459" is noise is not in the supplement; READINGS has both. Trainers of diffusers draw an
index into the scheduler's 1000 steps, which go from noise to picture: 0-459 is then sigma 1 to 0.541, where layout and
tone are decided. As a time in flow matching, 0 is the picture: sigma 0 to 0.459. The default is the index (not in
paper: choice), because UltraFlux's abstract has the aesthetic supervision at high noise.
"""
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from diffusers import Flux2KleinPipeline

from pixverve_lib.paper import related
from pixverve_lib.scenes import damage, primer
from pixverve_lib.schemes import engine, full_attention
from pixverve_lib.schemes.cache import CachedSet

STEPS = 1000  # of the scheduler that the range counts; not in paper: choice, that of FLUX.1
READINGS = ("index", "time")
BLUR = 1 / 40  # radius of the built-in blur, share of the side; not in paper: choice
STOPS = 2.0  # of the built-in wrong exposure; not in paper: choice


class Stage(NamedTuple):
    """One stage of the curriculum."""

    steps: int
    times: tuple[float, float]  # lowest and highest sigma that is trained
    keep: float  # share of the pictures with the highest scores


def stages(steps: int, reading: str = READINGS[0]) -> tuple[Stage, Stage]:
    """Both stages in the proportion of the paper, for `steps` in the first; see READINGS. Raises ValueError."""
    second = max(1, round(steps * related.ULTRAFLUX_STAGE_2_STEPS / related.ULTRAFLUX_STAGE_1_STEPS))
    return (Stage(steps, (0.0, 1.0), 1.0),  # UltraFlux Supp. Tab. 3: all of 0-999
            Stage(second, noise_range(*related.ULTRAFLUX_STAGE_2_TIMES, reading),
                  related.ULTRAFLUX_STAGE_2_KEEP_FRACTION))


def noise_range(first: int, last: int, reading: str = READINGS[0]) -> tuple[float, float]:
    """(lowest, highest) sigma of a range of the scheduler's STEPS, as `index` or as `time`. Raises ValueError."""
    if reading not in READINGS:
        raise ValueError(f"reading {reading!r} is unknown; use one of: {', '.join(READINGS)}")
    if reading == "index":
        return 1 - last / STEPS, 1 - first / STEPS
    return first / STEPS, last / STEPS


def chosen(pictures: Sequence, captions: Sequence[str], scores: Sequence[float], share: float):
    """The pictures with the highest scores, and their captions, in the order given; at least two, to be a training set.

    share: of the pictures, in (0, 1]. Raises ValueError for scores that are missing or no numbers.
    """
    scores = np.asarray(scores, float)
    if len(scores) != len(pictures) or np.isnan(scores).any():
        raise ValueError(f"{len(pictures)} pictures need as many scores that are numbers: score them all, or leave out "
                         "those that cannot be scored")
    if not 0 < share <= 1:
        raise ValueError(f"share {share} is no share: give one above 0 and at most 1")
    best = np.sort(np.argsort(-scores, kind="stable")[:max(2, round(share * len(scores)))])
    return [pictures[i] for i in best], [captions[i] for i in best]


def run(folder, pipeline: Flux2KleinPipeline, sets: Sequence[CachedSet], plan: Sequence[Stage], variant: str = "full",
        **options) -> list[full_attention.Tuned]:
    """Train stage after stage, each from the weights of the one before, on its own set.

    sets: one of each stage of `plan`, e.g. of pictures that are `chosen`; options: of `full_attention.finetune`.
    """
    tuned, start = [], None
    for cached, stage in zip(sets, plan, strict=True):
        tuned.append(full_attention.finetune(Path(folder), pipeline, cached, variant, steps=stage.steps,
                                             times=stage.times, start=start, keep=(stage.steps,), **options))
        start = engine.kept(tuned[-1].run, stage.steps)
    return tuned


def pool(number: int, side: int, seed: int = 0, spoilt: float = 0.5) -> tuple[list, list[str]]:
    """A plain pool of built-in scenes, and their captions; a share of them blurred or wrongly exposed.

    It stands for pictures before curation (not in paper: choice). Pictures are side side 3 uint8.
    """
    rng = np.random.default_rng([seed, side])
    specs = [primer.sample(rng) for _ in range(number)]
    pictures = list(primer.draw_batch(specs, side, rng))
    for index in rng.permutation(number)[:round(spoilt * number)]:
        pictures[index] = _spoil(pictures[index], rng.integers(3))
    return pictures, [(primer.long_caption if i % 2 else primer.short_caption)(spec) for i, spec in enumerate(specs)]


def _spoil(rgb, kind):
    if kind == 0:
        return damage.defocused(rgb, max(1, round(BLUR * len(rgb))))
    return damage.exposed(rgb, STOPS if kind == 1 else -STOPS)

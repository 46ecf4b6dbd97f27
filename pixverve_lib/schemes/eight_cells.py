"""The ablation of URAE Tab. 2: source of the data x guidance told in training x components that are tuned.

    sets = {"Syn": synthetic(student, 30, 192, folder / "syn"), "Real": real(student, 30, 192, folder / "real")}
    tuned = train(folder, student, sets, steps=40)
    drawn = draw(folder, student, tuned, texts, 192, batch=12, **nano_klein.TEXT)
    measured = scored(drawn, score)

All eight see as many pictures as often; then all are told the same guidance and draw the same prompts (URAE Sec. 3.4).
"""
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch

from pixverve_lib.models import nano_student
from pixverve_lib.paper import related
from pixverve_lib.scenes import damage, primer
from pixverve_lib.schemes import dataset, flow, full_attention, sampling
from pixverve_lib.schemes.cache import CachedSet
from pixverve_lib.schemes.retrofits import retrofitted

COMPONENTS = {"Major": related.URAE_VARIANT_2K, "Minor": related.URAE_VARIANT_4K}  # of Tab. 2 -> variant of Scheme I
SOURCES = ("Syn", "Real")
GUIDANCE = 3.0  # told in inference, and in training w/ CFG; not in paper: choice, its g > 1 is not printed
PICTURES, STEPS, BATCH = 24, 32, 4  # URAE Sec. 3.1: 3K, 2K, 8: there as here every picture is seen 5.3 times
SWAPPED = 0.3  # share of real pictures that have the caption of another one; not in paper: choice
DAMAGED = 0.5  # share of them that are soft and compressed; not in paper: choice
RADIUS, QUALITY = 2, 30  # how soft (pixels) and how compressed (JPEG); not in paper: choice
LEVELS = (0.2, 0.4, 0.6, 0.8)  # noise levels at which velocities are compared; not in paper: choice
BRIEF = {"warmup": 5, "average": 0.0}  # for runs of tens of steps; not in paper: choice


class Cell(NamedTuple):
    """A row of Tab. 2."""

    components: str  # of COMPONENTS
    source: str  # of SOURCES
    guided: bool  # whether training tells the guidance of inference, "w/ CFG"

    @property
    def setting(self) -> str:
        return f"{self.source} w/{'' if self.guided else 'o'} CFG"

    @property
    def told(self) -> float:
        """Guidance in training."""
        return GUIDANCE if self.guided else related.URAE_TRAINING_GUIDANCE


CELLS = tuple(Cell(components, source, guided)  # in the order of Tab. 2
              for components in COMPONENTS for source in SOURCES for guided in (False, True))


def synthetic(pipeline, count: int, side: int, folder, seed: int = 0, **text) -> CachedSet:
    """Pictures by a teacher that is better than the student at this side, each as its caption says.

    The paper's teacher is closed and gives nothing but pictures: here it is the renderer of the built-in scenes.
    side: pixels; text: options of the pipeline for prompts.
    """
    pictures, captions = _scenes(count, side, seed)
    return dataset.prepare(pictures, captions, pipeline, Path(folder), **text)


def real(pipeline, count: int, side: int, folder, seed: int = 0, **text) -> CachedSet:
    """The same scenes as a crawl would have them, with label noise: some captions are of other pictures, some pictures
    are damaged. Arguments as those of `synthetic`.
    """
    pictures, captions = _scenes(count, side, seed)
    rng = np.random.default_rng([seed, side, 1])
    return dataset.prepare([_damaged(rgb) if rng.random() < DAMAGED else rgb for rgb in pictures],
                           _swapped(captions, rng), pipeline, Path(folder), **text)


def train(folder, student, sets: Mapping[str, CachedSet], *, steps: int = STEPS, batch: int = BATCH,
          cells: Iterable[Cell] = CELLS, **options) -> dict[Cell, full_attention.Tuned]:
    """Adapters of a guidance-distilled student, one a cell; finished ones are found again.

    sets: of SOURCES; options: of `full_attention.finetune`, e.g. budget, seed.
    """
    return {cell: full_attention.finetune(folder, student, sets[cell.source], COMPONENTS[cell.components], steps=steps,
                                          batch=batch, guidance=cell.told, **BRIEF | options) for cell in cells}


def draw(folder, student, tuned: Mapping[Cell, full_attention.Tuned], texts: Sequence[str], side: int,
         guidance: float = GUIDANCE, **options) -> pd.DataFrame:
    """Pictures of all cells, and before them of the student as it is, all told `guidance` in one call a step.

    Columns components, method_setting, prompt, path; the student's own rows are "–" and "student". side: pixels;
    options: of `sampling.generate`.
    """
    made = {("–", "student"): student}
    made |= {(cell.components, cell.setting): full_attention.apply(student, each.weights)
             for cell, each in tuned.items()}
    return pd.concat([_drawn(folder, each, texts, side, guidance, **options)
                      .assign(components=components, method_setting=setting)
                      for (components, setting), each in made.items()], ignore_index=True)[
        ["components", "method_setting", "prompt", "path"]]


def scored(drawn: pd.DataFrame, score: Callable) -> pd.DataFrame:
    """Scores of what `draw` gave: columns components, method_setting and those of `score`, in its order.

    score: paths of the pictures of all prompts, in their order -> {name: value}
    """
    groups = drawn.groupby(["components", "method_setting"], sort=False)
    return pd.DataFrame([{"components": components, "method_setting": setting} | score(list(rows.path))
                         for (components, setting), rows in groups])


@torch.no_grad()
def mismatch(student, teacher, cached: CachedSet, scales: Sequence[float] = (1, 2, 3, 5),
             pictures: int = 32) -> pd.DataFrame:
    """URAE Fig. 3 measured: how far the student told g is from either stage's target; columns guidance, level, target,
    error.

    target: "noise - latents", that of adaptation (Eq. 1), or "guided teacher", that of its distillation (Eq. 7).
    error: mean squared, over the first `pictures` of the set, at each noise level. Adaptation changes what its target
    contradicts: where both targets agree the student has nothing to unlearn.
    """
    batch, rows = next(cached.all_batches(pictures)), []
    noise = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(0))
    for level in LEVELS:
        x, sigma = torch.lerp(batch.latents, noise, level), torch.full((len(noise),), level)
        aware, empty = (flow.predict(teacher.transformer, x, sigma, text)
                        for text in (batch.text, batch.empty.expand_as(batch.text)))
        for scale in scales:
            found = flow.predict(student.transformer, x, sigma, batch.text, guidance=float(scale))
            targets = {"noise - latents": noise - batch.latents,
                       "guided teacher": nano_student.guided(aware, empty, scale)}
            rows += [(scale, level, name, (found - target).square().mean().item()) for name, target in targets.items()]
    return pd.DataFrame(rows, columns=["guidance", "level", "target", "error"])


def objectives(folder, student, teacher: flow.Teacher, cached: CachedSet, texts: Sequence[str], side: int,
               score: Callable, training: Mapping | None = None, **options) -> pd.DataFrame:
    """URAE Eq. 1 beside Eq. 2 on the same pictures: columns objective, loss (mean of the last fifth of the steps) and
    those of `score`. The losses have different targets and are not comparable.

    training: options of `full_attention.finetune`, over STEPS and BATCH; the others as in `draw`.
    """
    told = {"steps": STEPS, "batch": BATCH, "guidance": related.URAE_TRAINING_GUIDANCE} | BRIEF | dict(training or {})
    rows = []
    for objective, followed in (("Eq. 1: noise - latents", None), ("Eq. 2: the teacher's velocity", teacher)):
        tuned = full_attention.finetune(folder, student, cached, COMPONENTS["Major"], teacher=followed, **told)
        drawn = _drawn(folder, full_attention.apply(student, tuned.weights), texts, side, **options)
        loss = tuned.metrics.loss.tail(max(1, told["steps"] // 5)).mean()
        rows.append({"objective": objective, "loss": loss} | score(list(drawn.path)))
    return pd.DataFrame(rows)


def _drawn(folder, pipeline, texts, side, guidance=GUIDANCE, **options):
    """Pictures of a pipeline whose network is told `guidance`; the pipeline itself stays as it is."""
    made = retrofitted(pipeline, {})
    nano_student.tell(made.transformer, guidance)
    return sampling.generate(made, texts, folder, side, side, guidance=1.0, **options)


def _scenes(count, side, seed):
    rng = np.random.default_rng([seed, side])
    specs = [primer.sample(rng) for _ in range(count)]
    captions = [(primer.long_caption if n % 2 else primer.short_caption)(spec) for n, spec in enumerate(specs)]
    return list(primer.draw_batch(specs, side, rng)), captions


def _swapped(captions, rng):
    """Captions of which a share went on to the next of that share."""
    chosen = np.flatnonzero(rng.random(len(captions)) < SWAPPED)
    given = dict(zip(chosen, np.roll(chosen, 1), strict=True))
    return [captions[given.get(number, number)] for number in range(len(captions))]


def _damaged(rgb):
    soft = cv2.cvtColor(damage.defocused(rgb, RADIUS), cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

"""Enlarging a drawn picture without training: SDEdit and I-Max, which URAE combines with its adapters (Tab. 1, Fig. 5).

A picture of the model's own side is enlarged by cubic interpolation and encoded: latents g, the reference. Then, on all
tokens of the large picture at once, from noise level s down to 0, with L the low frequencies that g has:

    x   = (1 - s) g + s noise
    x0  = x - t v(x, t)                      the clean latents that the network expects at noise level t
    x0' = x0 + c_i L(g - x0)                 c_i = pull (1 + cos(pi i / n)) / 2 in step i of n, from `pull` down to 0
    x  <- x + (t' - t) (x - x0') / t         Euler, as in noise_levels.visited

    SDEdit (Meng et al., ICLR 2022)          s < 1, pull 0: what is left of g under the noise guides
    I-Max (Du et al., 2024), projected flow  s = 1, pull 1: g guides, less and less

URAE prints no formula for either: not in paper, I-Max as in the authors' release, our reading. Ours are L, a projection
onto the cosines that fit the small picture (theirs is a wavelet's low band, powers of 2 only), and that pictures are
enlarged, not latents, for the reason told in schemes/demofusion.py. Scaled RoPE and proportional attention, which I-Max
has too, are `starred`.
"""
import copy
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import pandas as pd
import torch
from diffusers import Flux2KleinPipeline

from pixverve_lib.imaging import reading
from pixverve_lib.kit.progress import progress
from pixverve_lib.models import nano_klein, noise_levels
from pixverve_lib.schemes import checkpoints, enlarging, flow, planner, sampling
from pixverve_lib.schemes.position_comparison import STARRED, choices
from pixverve_lib.schemes.retrofits import retrofitted


@dataclass(frozen=True)
class Recipe:
    """How much the reference decides."""

    start: float  # noise level s in (0, 1]: the lower, the more is kept, details too
    pull: float  # in [0, 1], on the low frequencies in the first step


SDEDIT = Recipe(start=0.7, pull=0.0)  # not in paper: choice, seen on built-in prompts at 256 px
IMAX = Recipe(start=1.0, pull=1.0)  # not in paper: the authors' release


class Compared(NamedTuple):
    """Pictures of several rows and what they score."""

    scores: pd.DataFrame  # method side seconds (a picture, with that of its reference), and the scores
    pictures: dict[str, list[Path]]  # by method, in the order of the prompts


def starred(pipeline, trained: int) -> Flux2KleinPipeline:
    """FLUX.1-dev* of URAE Tab. 1: scaled RoPE and proportional attention on the same weights in memory.

    trained: side in tokens of the pictures that the model knows. The third part, no dynamic shift, is what
    sampling.generate does anyway. The pipeline itself stays as it is.
    """
    return retrofitted(pipeline, choices(trained)[STARRED])


def enlarge(pipeline, drawn: pd.DataFrame, folder, height: int, width: int, recipe: Recipe, seed: int = 0,
            steps: int = 50, guidance: float = 4.0, shift: float | Callable = nano_klein.shift, *, batch: int = 1,
            suffix: str = ".png", tile: int = sampling.TILE, **text) -> pd.DataFrame:
    """One picture of height x width for each of `drawn`: a frame with prompt, path and seconds (kept with the picture).

    drawn: columns prompt and path, as sampling.generate gives them, pictures of one size and of the same shape as
    height x width; seed: picture i depends on (seed, i), its reference and its prompt; shift: static, a number or a
    function of height and width; the others as in sampling.generate. A picture that is there is not made again.
    One process. Raises ValueError for sizes or a recipe that do not fit, planner.DoesNotFit, before the first picture.
    """
    own = _own(drawn["path"], height, width, recipe)
    shift = shift(height, width) if callable(shift) else shift
    worker = copy.copy(pipeline)
    worker.set_progress_bar_config(disable=True)
    planner.check(worker.transformer, planner.Load(
        height, width, text.get("max_sequence_length", worker.tokenizer_max_length), batch * (1 + (guidance > 1)),
        str(worker.transformer.dtype).removeprefix("torch."), training=False))
    weights = [checkpoints.fingerprint(part) for part in (worker.transformer, worker.vae, worker.text_encoder)]
    common = {"method": "guided enlarging", "height": height, "width": width, "own": own, "seed": seed, "steps": steps,
              "guidance": guidance, "shift": shift, **asdict(recipe), "tile": tile, "weights": weights, **text}
    jobs = [{"prompt": row.prompt, "index": index, "reference": _digest(row.path), **common}
            for index, row in enumerate(drawn.itertuples())]
    paths = [sampling.path_of(folder, job, suffix) for job in jobs]
    todo = [index for index, path in enumerate(paths) if not path.exists()]
    with progress(len(jobs), Path(folder).name, ["kept"] * (len(jobs) - len(todo))) as count:
        for part in (todo[first:first + batch] for first in range(0, len(todo), batch)):
            clock = time.perf_counter()
            pictures = _enlarged(worker, [jobs[i] for i in part], [drawn["path"].iloc[i] for i in part], recipe, text)
            seconds = (time.perf_counter() - clock) / len(part)
            for index, rgb in zip(part, pictures, strict=True):
                sampling.save(paths[index], rgb, jobs[index] | {"seconds": seconds})
                count("ok")
    seconds = [sampling.parameters(path)["seconds"] for path in paths]
    return pd.DataFrame({"prompt": list(drawn["prompt"]), "path": paths, "seconds": seconds})


def denoise(velocity: Callable, reference: torch.Tensor, noise: torch.Tensor, levels: Sequence[float], pull: float,
            own: Sequence[int]) -> torch.Tensor:
    """Latents like the enlarged `reference`, with more detail  # N C H W each, as the network sees them, unpatchified

    velocity(x, t) -> alike; levels: from the first noise level down to 0; own: rows and columns of frequencies that
    are pulled, those of the small picture's latents
    """
    x, count = (1 - levels[0]) * reference + levels[0] * noise, len(levels) - 1
    for step, (now, after) in enumerate(pairwise(levels)):
        found = velocity(x, t=now)
        if pull:
            share = pull * (1 + math.cos(math.pi * step / count)) / 2
            found = found + share / now * low(x - now * found - reference, own)
        x = x + (after - now) * found
    return x


def low(x: torch.Tensor, own: Sequence[int]) -> torch.Tensor:
    """The part of x  # ... H W, that its first rows x columns cosines make: an orthogonal projection"""
    rows, columns = (_projection(length, kept).to(x) for length, kept in zip(x.shape[-2:], own, strict=True))
    return rows @ x @ columns


def tab_1(base, tuned, trained: int) -> dict[str, tuple[Flux2KleinPipeline, Recipe | None]]:
    """Rows of URAE Tab. 1 that one base and one adapter make, by their printed names, for `comparison`.

    tuned: the starred base with its adapter; both enlarge what the base has drawn.
    """
    star = starred(base, trained)
    return {"FLUX-1.dev": (base, None), "FLUX-1.dev*": (star, None), "FLUX-1.dev* w/ URAE": (tuned, None),
            "SDEdit": (star, SDEDIT), "SDEdit w/ URAE": (tuned, SDEDIT),
            "I-Max": (star, IMAX), "I-Max w/ URAE": (tuned, IMAX)}


def tab_3(base, minor, major, trained: int) -> dict[str, tuple[Flux2KleinPipeline, Recipe | None]]:
    """Rows of URAE Tab. 3 by their printed names, for `comparison`: the starred base without and with two adapters.

    minor, major: the starred base with either, trained at 4K on real pictures; major is a LoRA in URAE Sec. 3.3
    """
    return {"FLUX-1.dev*": (starred(base, trained), None), "FLUX-1.dev* w/ URAE (Major-4K)": (major, None),
            "FLUX-1.dev* w/ URAE (Minor-4K)": (minor, None)}


def comparison(folder, base, rows: Mapping[str, tuple[Flux2KleinPipeline, Recipe | None]], texts: Sequence[str],
               own_side: int, side: int, score: Callable, seed: int = 0, **options) -> Compared:
    """Draw `texts` by each row at `side` x `side` pixels: directly, or by enlarging what `base` draws at `own_side`.

    score: paths of the pictures, in the order of texts -> {name: value}; options: those of sampling.generate and
    `enlarge` alike. The same seed everywhere; pictures that are there are used.
    """
    folder, scores, pictures = Path(folder), [], {}
    drawn = sampling.generate(base, texts, folder / "reference", own_side, own_side, seed, **options)
    for name, (pipeline, recipe) in rows.items():
        if recipe is None:
            made = sampling.generate(pipeline, texts, folder / "direct", side, side, seed, **options)
        else:
            made = enlarge(pipeline, drawn, folder / "enlarged", side, side, recipe, seed, **options)
            made["seconds"] += drawn["seconds"]
        scores.append({"method": name, "side": side, "seconds": made["seconds"].mean()} | score(made["path"]))
        pictures[name] = list(made["path"])
    return Compared(pd.DataFrame(scores), pictures)


@torch.no_grad()
def _enlarged(worker, jobs, references, recipe, text):
    """Pictures of a batch  # H W 3 uint8 each"""
    first = jobs[0]
    size, tile = (first["height"], first["width"]), first["tile"]
    known = enlarging.features(worker, [job["prompt"] for job in jobs], text)
    latents = [enlarging.encoded(worker, cv2.resize(reading.read_rgb(path), size[::-1], interpolation=cv2.INTER_CUBIC),
                                 tile).float() for path in references]
    reference = worker._unpatchify_latents(torch.cat(latents))
    noise = torch.cat([torch.randn(reference[:1].shape, generator=enlarging.generator(job["seed"], job["index"], *size))
                       for job in jobs]).to(reference)
    levels = noise_levels.visited(first["steps"], first["shift"]).tolist()
    levels = [recipe.start, *(level for level in levels if level < recipe.start)]
    velocity = partial(enlarging.velocity, worker, known, first["guidance"])
    own = [length // sampling.LATENT for length in first["own"]]
    found = denoise(velocity, reference, noise, levels, recipe.pull, own)
    return [enlarging.decoded(worker, x, tile) for x in found.split(1)]


def _own(paths, height, width, recipe):
    """Height and width of the references."""
    sizes = {reading.read_rgb(path).shape[:2] for path in paths}
    if len(sizes) != 1:
        raise ValueError(f"references have {len(sizes)} sizes: give pictures of one size at a time")
    own = sizes.pop()
    if height % flow.F or width % flow.F or own[0] > height or own[0] * width != own[1] * height:
        raise ValueError(f"references of {own[0]} x {own[1]} pixels cannot become {height} x {width}: take multiples "
                         f"of {flow.F} that are larger and of the same shape")
    if not (0 < recipe.start <= 1 and 0 <= recipe.pull <= 1):
        raise ValueError(f"{recipe} does not work: start must lie in (0, 1], pull in [0, 1]")
    return own


def _digest(path):
    return hashlib.sha256(reading.read_rgb(path).tobytes()).hexdigest()[:10]


def _projection(length, kept):
    """Onto the first `kept` of the orthonormal cosines (DCT-II) of an axis  # length length, float64"""
    places = torch.arange(length, dtype=torch.float64) + 0.5
    waves = torch.cos(math.pi / length * torch.outer(torch.arange(kept, dtype=torch.float64), places))
    waves = waves / waves.norm(dim=1, keepdim=True)
    return waves.T @ waves

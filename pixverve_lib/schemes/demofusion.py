"""A baseline without training, after DemoFusion (Du et al., CVPR 2024), carried over to flow matching.

A picture is sampled at the model's own side. Then, scale after scale, it is enlarged, noised, and denoised again by the
same network, which never sees anything larger than its own side:

    y_t = (1 - t) enlarged + t noise                                         one noise for all levels t of a scale
    x  <- c1 y_t + (1 - c1) x                                                skip residual
    v   = (1 - c2) mean of v(crops of x) + c2 v(every scale-th latent of x)  crops overlap, grids are blurred by c3
    x  <- x + (t' - t) v                                                     Euler, as in noise_levels.visited
    c_i = ((1 + cos(pi (1 - t))) / 2)^alpha_i                                1 at pure noise, 0 at none

Crops and grids are of the VAE's latents (8 pixels), not of tokens: a grid of tokens would put 16-pixel pieces from far
apart side by side. What differs from the authors' release, which is for Stable Diffusion XL: pictures are enlarged
instead of latents, because nano-klein's VAE makes a lattice of enlarged latents, and so nothing corrects their spread
after a scale; t is the noise level of flow matching, not the number of a step; rows and columns of crops move together,
and the crops at the edges stay there.
"""
import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import pandas as pd
import torch
from torch.nn.functional import pixel_shuffle, pixel_unshuffle
from torchvision.transforms.functional import gaussian_blur

from pixverve_lib.imaging import reading
from pixverve_lib.kit.progress import progress
from pixverve_lib.models import nano_klein, noise_levels
from pixverve_lib.schemes import checkpoints, engine, enlarging, flow, planner, sampling

LEAST_BLUR = 0.01  # share of `Recipe.blur` that is left without noise; not in paper: the authors' release


@dataclass(frozen=True)
class Recipe:
    """How much of each part; the defaults are those of the authors' release (not in paper)."""

    skip: float = 3.0  # alpha1: the larger, the sooner a picture leaves the smaller one
    dilated: float = 1.0  # alpha2: the larger, the sooner crops decide alone
    blurred: float = 1.0  # alpha3: the larger, the sooner grids are as sharp as the picture
    blur: float = 1.0  # latents: standard deviation of the blur at pure noise
    overlap: float = 0.5  # of neighbouring crops, share of their side, in [0, 1)


# nano-klein takes the places in a prompt at their word, in every crop: with alpha1 = 3 or 1 each crop draws all things
# anew, with 0.5 some; with 0.2, 0.1 and 0.05 one layout stays. Seen on built-in prompts 100 to 103 at 256 px; not in
# paper: choice
NANO = Recipe(skip=0.1)


def generate(pipeline, prompts: Sequence[str], folder, height: int, width: int, seed: int = 0, steps: int = 50,
             guidance: float = 4.0, *, own_side: int, scales: Sequence[int] | None = None, recipe: Recipe = Recipe(),
             views: int = 16, suffix: str = ".png", tile: int = sampling.TILE, **text) -> pd.DataFrame:
    """One picture a prompt: a frame with prompt, path and seconds (kept with the picture, all scales and decoding).

    own_side: pixels that the model was trained at; scales: multiples of it to pass through, by default every one from 2
    to that of height x width; seed: picture i depends on (seed, i) alone; views: crops or grids that the network sees
    at a time; suffix, tile, text: as in sampling.generate. A picture that is there is not made again, and one that was
    interrupted goes on after its last finished scale. One process; memory: the network on `views` pictures of its own
    side, twice for guidance, some ten times the latents (0.2 GB at 10240 px), and the picture in the VAE's dtype.
    Raises ValueError for a size or scales that do not fit, planner.DoesNotFit, both before the first picture.
    """
    own, scales = _plan(height, width, own_side, scales)
    worker = copy.copy(pipeline)
    shift = nano_klein.shift(*own, own_side)
    worker.register_modules(scheduler=sampling.scheduler(shift))
    worker.set_progress_bar_config(disable=True)
    planner.check(worker.transformer, planner.Load(
        *own, text.get("max_sequence_length", worker.tokenizer_max_length), 2 * views,
        str(worker.transformer.dtype).removeprefix("torch."), training=False))
    weights = [checkpoints.fingerprint(part) for part in (worker.transformer, worker.vae, worker.text_encoder)]
    common = {"method": "DemoFusion", "height": height, "width": width, "seed": seed, "steps": steps, "shift": shift,
              "guidance": guidance, "own": own, "scales": scales, **asdict(recipe), "tile": tile, "weights": weights,
              **text}
    jobs = [{"prompt": prompt, "index": index, **common} for index, prompt in enumerate(prompts)]
    paths = [sampling.path_of(folder, job, suffix) for job in jobs]
    todo = [index for index, path in enumerate(paths) if not path.exists()]
    with progress(len(jobs), Path(folder).name, ["kept"] * (len(jobs) - len(todo))) as count:
        for index in todo:
            _draw(worker, jobs[index], paths[index], recipe, views, text)
            count("ok")
    seconds = [sampling.parameters(path)["seconds"] for path in paths]
    return pd.DataFrame({"prompt": list(prompts), "path": paths, "seconds": seconds})


def denoise(velocity: Callable, reference: torch.Tensor, noise: torch.Tensor, scale: int, levels: Sequence[float],
            recipe: Recipe, views: int, random: torch.Generator) -> torch.Tensor:
    """One scale: latents like the enlarged `reference`, with more detail  # 1 C H W each, as the network sees them

    velocity(views of the model's own size  # N C H/scale W/scale, t) -> alike; levels: from 1 down to 0; random: where
    the crops lie
    """
    x, own = noise, [length // scale for length in reference.shape[2:]]
    for now, after in pairwise(levels):
        ask, near = partial(velocity, t=now), (1 + math.cos(math.pi * (1 - now))) / 2
        c1, c2, c3 = near**recipe.skip, near**recipe.dilated, near**recipe.blurred
        x = c1 * ((1 - now) * reference + now * noise) + (1 - c1) * x
        step = torch.zeros_like(x)
        if c2 < 1:
            step += (1 - c2) * by_crops(ask, x, own, recipe.overlap, views, random)
        if c2 > 0:
            step += c2 * by_grids(ask, _blurred(x, scale, recipe.blur * (LEAST_BLUR + (1 - LEAST_BLUR) * c3)), scale,
                                  views)
        x = x + (after - now) * step
    return x


def by_crops(ask: Callable, x: torch.Tensor, own: Sequence[int], overlap: float, views: int,
             random: torch.Generator) -> torch.Tensor:
    """What `ask` answers to overlapping crops of x  # 1 C H W, averaged where they overlap; at most `views` at a time

    own: height and width of a crop, in latents
    """
    rows, columns = (starts(length, window, overlap, random) for length, window in zip(x.shape[2:], own, strict=True))
    places = [(slice(top, top + own[0]), slice(left, left + own[1])) for top in rows for left in columns]
    total, count = torch.zeros_like(x), torch.zeros_like(x[:, :1])
    for part in (places[first:first + views] for first in range(0, len(places), views)):
        answers = ask(torch.cat([x[:, :, row, column] for row, column in part]))
        for answer, (row, column) in zip(answers, part, strict=True):
            total[:, :, row, column] += answer
            count[:, :, row, column] += 1
    return total / count


def by_grids(ask: Callable, x: torch.Tensor, scale: int, views: int) -> torch.Tensor:
    """What `ask` answers to the scale x scale grids of every scale-th latent of x  # 1 C H W, put together again"""
    return merged(torch.cat([ask(part) for part in split(x, scale).split(views)]), scale)


def starts(length: int, window: int, overlap: float, random: torch.Generator) -> list[int]:
    """Where crops begin along an axis so that they cover it; those inside move at random, a quarter of the overlap."""
    stride = max(1, round(window * (1 - overlap)))
    reach, last = (window - stride) // 4, length - window
    inside = range(stride, last, stride)
    moves = torch.randint(-reach, reach + 1, (len(inside),), generator=random).tolist()
    moved = [min(start + move, last) for start, move in zip(inside, moves, strict=True)]
    return sorted({0, *moved, last})


def split(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Every scale-th latent, from each of the scale x scale first ones  # 1 C H W -> scale^2 C H/scale W/scale"""
    return pixel_unshuffle(x, scale).unflatten(1, (x.shape[1], -1))[0].transpose(0, 1)


def merged(grids: torch.Tensor, scale: int) -> torch.Tensor:
    """The inverse of `split`."""
    return pixel_shuffle(grids.transpose(0, 1).flatten(0, 1)[None], scale)


def _plan(height, width, own_side, scales):
    """The picture's own size, and the scales to pass through."""
    scale = math.ceil(max(height, width) / own_side)
    if height % (scale * flow.F) or width % (scale * flow.F):
        raise ValueError(f"{height} x {width} pixels are {scale} times the model's own side of {own_side}: "
                         f"both must be multiples of {scale * flow.F}")
    scales = tuple(range(2, scale + 1) if scales is None else scales)
    if [1, *scales] != sorted({1, *scales}) or (1, *scales)[-1] != scale:
        raise ValueError(f"scales {scales} do not rise from 2 or more to {scale}, that of {height} x {width} pixels")
    return (height // scale, width // scale), scales


@torch.no_grad()
def _draw(worker, job, path, recipe, views, text):
    """Make a picture; the last finished scale of it lies beside it until it is whole."""
    partly, rgb, clock = path.with_suffix(".partly.png"), None, time.perf_counter()
    if partly.exists():
        rgb = reading.read_rgb(partly)
        clock -= sampling.parameters(partly)["seconds"]
    known = enlarging.features(worker, [job["prompt"]], text)
    velocity = partial(enlarging.velocity, worker, known, job["guidance"])
    for scale in (1, *job["scales"]):
        if rgb is not None and len(rgb) >= scale * job["own"][0]:
            continue
        rgb = _own(worker, job, text) if rgb is None else _enlarged(worker, job, rgb, scale, velocity, recipe, views)
        last = len(rgb) == job["height"]
        sampling.save(path if last else partly, rgb, job | {"seconds": time.perf_counter() - clock})
    partly.unlink(missing_ok=True)


def _enlarged(worker, job, rgb, scale, velocity, recipe, views):
    """The picture of the next scale  # H W 3 uint8"""
    height, width = (scale * length for length in job["own"])
    reference = worker._unpatchify_latents(enlarging.encoded(
        worker, cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC), job["tile"]).float())
    random = enlarging.generator(job["seed"], job["index"], scale)
    noise = torch.randn(reference.shape, generator=random).to(reference.device)
    levels = noise_levels.visited(job["steps"], job["shift"]).tolist()
    found = denoise(velocity, reference, noise, scale, levels, recipe, views, random)
    return enlarging.decoded(worker, found, job["tile"])


def _own(worker, job, text):
    """The picture at the model's own size, as the stock pipeline samples it  # H W 3 uint8"""
    height, width = job["own"]
    latents = worker(
        prompt=[job["prompt"]], height=height, width=width, num_inference_steps=job["steps"],
        guidance_scale=job["guidance"], generator=[engine.generator(job["seed"], job["index"])], output_type="latent",
        **text,
    ).images
    return sampling.decode(worker.vae, latents.to(worker.vae.dtype), job["tile"])


def _blurred(x, scale, deviation):
    """What a coarse grid is taken from, so that it does not alias; as bright and varied as x."""
    return _like(gaussian_blur(x, 2 * scale - 1, deviation), x)


def _like(x, model):
    """x with the mean and the standard deviation of `model`: averages lose some of it."""
    return (x - x.mean()) / x.std() * model.std() + model.mean()

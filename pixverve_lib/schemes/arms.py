"""Ablations: the same base trained in several ways, and its pictures scored (Diffusion-4K Tab. 9, UltraFlux Tab. 1).

    resonant = {rotary: {"kind": "resonance+yarn", "trained": 4}}
    arms = {"base": None, "FT": {"cached": cached}, "WLF": {"cached": cached, "criterion": Wavelet()},
            "UltraFlux": {"cached": cached, "criterion": HuberWavelet(), "retrofits": resonant}}
    found = train_arms(folder, pipeline, arms, held_out, texts, side, score, steps=60, sampling={"guidance": 3.0})
"""
import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from diffusers import Flux2KleinPipeline

from pixverve_lib.models import nano_klein
from pixverve_lib.models.criteria import HuberWavelet, Wavelet
from pixverve_lib.paper import related
from pixverve_lib.scenes import primer
from pixverve_lib.schemes import bases, engine, flow, full_attention, sampling, training_sets
from pixverve_lib.schemes.cache import CachedSet
from pixverve_lib.schemes.retrofits import retrofitted

DRAWING = {"steps": 12, "guidance": 3.0, "batch": 12}  # of pictures at 1:16, as in notebook 05; not in paper: choice
PICTURES = 8  # at a time, in validation; not in paper: choice
GPUS = 8  # Diffusion-4K Sec. 6.1, UltraFlux Supp. Sec. 2.2: for a 12 B model
PRINTED = {  # system -> keywords of `full_attention.finetune` at budget `paper`, as printed
    "Diffusion-4K": {  # a network with a guidance embedding, which klein lacks, is told D4K_WLF_GUIDANCE, too
        "criterion": Wavelet(), "rate": related.D4K_WLF_RATE, "weight_decay": related.D4K_WLF_WEIGHT_DECAY,
        "batch": related.D4K_WLF_BATCH // GPUS, "steps": related.D4K_WLF_STEPS},
    "UltraFlux": {  # and its positions, rotary.install(transformer, "resonance+yarn", trained=64)
        "criterion": HuberWavelet(related.ULTRAFLUX_HUBER_MIN, related.ULTRAFLUX_HUBER_MAX),
        "rate": related.ULTRAFLUX_RATE, "batch": related.ULTRAFLUX_BATCH // GPUS, "shard": "zero2",
        "steps": related.ULTRAFLUX_STAGE_1_STEPS},
}


class Arms(NamedTuple):
    """What an ablation found."""

    scores: pd.DataFrame  # arm seed loss seconds (of training), and the columns of `score`
    curves: pd.DataFrame  # arm seed step loss: squared error on held-out pictures, mean over noise levels
    pictures: dict[str, list[Path]]  # of each arm, with the first seed


def train_arms(folder, pipeline, arms: Mapping[str, Mapping | None], held_out: CachedSet, texts: Sequence[str],
               side: int, score: Callable, *, steps: int, seeds: Sequence[int] = (0,), sampling: Mapping | None = None,
               **common) -> Arms:
    """Train every arm with every seed, draw `texts` at side x side pixels with each, and score the pictures.

    arms: name -> keywords of `full_attention.finetune`, of which `cached` is needed, and `retrofits`, {module:
    keywords of its install}; without `cached` it is not trained. score: paths of pictures of `texts`, in their order ->
    {name: value}; sampling: options of `sampling.generate`; common: keywords of all arms. What is finished is found.
    """
    rows, curves, pictures = [], [], {}
    for name, arm in arms.items():
        arm = dict(arm or {})
        made = retrofitted(pipeline, arm.pop("retrofits", {}))
        for seed in seeds if "cached" in arm else seeds[:1]:
            tuned, curve = _trained(folder, made, held_out, common | arm | {"steps": steps, "seed": seed})
            paths = _drawn(folder, tuned, texts, side, sampling)
            pictures.setdefault(name, paths)
            curves.append(curve[["step", "loss"]].assign(arm=name, seed=seed))
            rows.append({"arm": name, "seed": seed, "loss": curve.loss.iloc[-1], "seconds": curve.seconds.iloc[-1]}
                        | score(paths))
    return Arms(pd.DataFrame(rows), pd.concat(curves, ignore_index=True)[["arm", "seed", "step", "loss"]], pictures)


def beside_full(folder, own: Mapping[str, Mapping], score: Callable, *, steps: int, scale: str = "4K",
                pictures: int = 400, prompts: int = 12, seed: int = 0) -> Arms:
    """Schemes of your own beside `base`, untrained, and `full`: all with nano-klein, built-in scenes and equal steps.

    own: name -> keywords as in `train_arms`, without `cached`; score: (paths, primer.BenchPrompts) -> {name: value};
    pictures: to train on; prompts: how many held-out ones are drawn.
    """
    base, asked = bases.load("laptop"), list(primer.bench_prompts()[:prompts])
    train, test = (training_sets.scenes(base, scale, count, Path(folder) / f"cache-{scale}-{kind}", seed, bool(kind))
                   for kind, count in enumerate((pictures, max(4, pictures // 50))))
    arms = {"base": None} | {name: {"cached": train} | arm for name, arm in ({"full": {}} | own).items()}
    return train_arms(folder, base.pipeline, arms, test, [prompt.long for prompt in asked], base.sides[scale],
                      lambda paths: score(paths, asked), steps=steps, seeds=(seed,), shift=base.shift,
                      sampling=DRAWING | {"shift": base.shift, "seed": seed} | base.text)


def decoding_with(pipeline, vae) -> Flux2KleinPipeline:
    """A pipeline like this one with another autoencoder of the same latents; this one stays as it is."""
    made = copy.copy(pipeline)
    made.register_modules(vae=vae)
    return made


def compare(network, cached: CachedSet, criteria: Mapping[str, Callable], pictures: int = 4, seed: int = 0,
            shift: Callable = nano_klein.shift) -> pd.DataFrame:
    """Several criteria on the same pictures and noise: criterion loss ratio cosine gradient.

    ratio: loss by that of the first criterion; gradient: distance of the gradients of all weights, each of unit
    length, from the first's, 0 where both train alike but for the rate; cosine: of the same two. The network works in
    float32, the criteria in float64.
    """
    network = copy.deepcopy(network).float().requires_grad_(True)
    batch, rows, first = next(cached.all_batches(pictures)), [], None
    for name, criterion in criteria.items():
        loss = flow.loss(network, batch, engine.generator(seed, 0), shift, criterion=partial(_in_float64, criterion))
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        found = torch.cat([each.flatten().double() for each in gradients])
        found /= found.norm()
        first = (loss.item(), found) if first is None else first
        rows.append((name, loss.item(), loss.item() / first[0], (found @ first[1]).item(),
                     (found - first[1]).norm().item()))
    return pd.DataFrame(rows, columns=["criterion", "loss", "ratio", "cosine", "gradient"])


def _in_float64(criterion, *given):
    return criterion(*(each.double() for each in given))


def _trained(folder, made, held_out, keywords):
    """A pipeline, and its validation: step loss seconds."""
    if "cached" not in keywords:
        levels = flow.losses_by_level(made.transformer, held_out.all_batches(PICTURES))
        return made, pd.DataFrame({"step": [0], "loss": [sum(levels.values()) / len(levels)], "seconds": [0.0]})
    every = {"every": max(1, keywords["steps"] // 4)}
    tuned = full_attention.finetune(folder, made, held_out=held_out, **(every | keywords))
    curve = tuned.validation.groupby("step", as_index=False)["loss"].mean()
    return full_attention.apply(made, tuned.weights), curve.assign(seconds=tuned.metrics["seconds"].sum())


def _drawn(folder, made, texts, side, options):
    return list(sampling.generate(made, texts, Path(folder) / "pictures", side, side, **(options or {}))["path"])

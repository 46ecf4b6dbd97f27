"""Pictures of any size from the stock pipeline: saved one by one with what made them, and never made twice."""
import copy
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import ContextParallelConfig, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pixverve_lib.imaging import tiling
from pixverve_lib.kit.artefacts import atomic
from pixverve_lib.kit.progress import progress
from pixverve_lib.models import nano_klein
from pixverve_lib.schemes import checkpoints, engine, planner
from pixverve_lib.schemes.flow import F

TILE, STRIDE = 1024, 768  # pixels, of the tiles that the VAE decodes; not in paper: choice
JPEG = {"quality": 95, "subsampling": 0}  # not in paper: choice
LATENT = 8  # pixels of a latent of the VAE, each way
DYNAMIC = "dynamic"


def generate(pipeline, prompts: Sequence[str], folder, height: int, width: int, seed: int = 0, steps: int = 50,
             guidance: float = 4.0, shift: float | str | Callable = nano_klein.shift, *, batch: int = 1,
             suffix: str = ".png", tile: int = TILE, **text) -> pd.DataFrame:
    """One picture a prompt: a frame with prompt, path and seconds (of its batch, shared evenly; kept with the picture).

    seed: picture i starts from noise that depends on (seed, i) alone, whatever `batch`; shift: static, a number or a
    function of height and width (training's own by default), or "dynamic", as FLUX.2's own. tile: largest side that is
    decoded at once. text: options of the pipeline for prompts (nano_klein.TEXT). suffix: .png or .jpg; both carry all
    this along, see `parameters`. Started by torchrun, all GPUs work on each picture (context parallelism; App. E.2: 8).
    Raises planner.DoesNotFit before the first picture.
    """
    shift = shift(height, width) if callable(shift) else shift
    worker = _worker(pipeline, shift)
    load = planner.Load(height, width, text.get("max_sequence_length", worker.tokenizer_max_length), batch,
                        str(worker.transformer.dtype).removeprefix("torch."), shards=1, training=False)
    planner.check(worker.transformer, load)
    weights = [checkpoints.fingerprint(part) for part in (worker.transformer, worker.vae, worker.text_encoder)]
    common = {"height": height, "width": width, "seed": seed, "steps": steps, "guidance": guidance, "shift": shift,
              "tile": tile, "weights": weights, **text}
    jobs = [{"prompt": prompt, "index": index, **common} for index, prompt in enumerate(prompts)]
    paths = [path_of(folder, job, suffix) for job in jobs]
    todo = [index for index, path in enumerate(paths) if not path.exists()]
    processes = engine.processes()
    processes.wait_for_everyone()  # or one would find what another has just made
    shown = progress(len(jobs), Path(folder).name, ["kept"] * (len(jobs) - len(todo)))
    with shown if processes.is_main_process else nullcontext(lambda status: None) as count:
        for start in range(0, len(todo), batch):
            part, clock = todo[start : start + batch], time.perf_counter()
            pictures = list(_sampled(worker, [jobs[index] for index in part], text))
            seconds = (time.perf_counter() - clock) / len(part)
            for index, rgb in zip(part, pictures, strict=True):
                if processes.is_main_process:
                    save(paths[index], rgb, jobs[index] | {"seconds": seconds})
                count("ok")
    processes.wait_for_everyone()
    return pd.DataFrame({"prompt": list(prompts), "path": paths, "seconds": [parameters(p)["seconds"] for p in paths]})


def sigma_table(sides: Sequence[int], steps: int, static: Callable = nano_klein.shift) -> pd.DataFrame:
    """Noise levels that sampling visits at square sizes, static beside dynamic: side tokens shift step sigma.

    FLUX.2's dynamic shift is exp(mu), mu linear in the number of tokens: from 4096 px on nearly all steps are spent at
    pure noise.
    """
    rows = []
    for side in sides:
        for shift in ("static", DYNAMIC):
            schedule = scheduler(static(side, side) if shift == "static" else DYNAMIC)
            tokens = side * side // F**2
            schedule.set_timesteps(sigmas=_even(steps), mu=compute_empirical_mu(tokens, steps))
            rows += [(side, tokens, shift, step, float(sigma)) for step, sigma in enumerate(schedule.sigmas[:-1])]
    return pd.DataFrame(rows, columns=["side", "tokens", "shift", "step", "sigma"])


def scheduler(shift: float | str) -> FlowMatchEulerDiscreteScheduler:
    """The stock scheduler with a static shift, or with FLUX.2's "dynamic" one."""
    if shift == DYNAMIC:
        return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    return FlowMatchEulerDiscreteScheduler(shift=shift)


def decode(vae, latents, tile: int = TILE):
    """The picture of one latent  # 1 C h w, as the VAE takes it -> H W 3 uint8

    Larger sides than `tile` are decoded in tiles that overlap by a quarter and fade into each other: memory for one row
    of them, and a picture that is not exactly the untiled one, because the VAE normalises over what it sees.
    """
    height, width = (LATENT * length for length in latents.shape[2:])
    if max(height, width) <= tile:
        return (_unit(vae, latents) * 255).round().astype(np.uint8)
    stride = tile * STRIDE // TILE // F * F
    tiles = (
        255 * _unit(vae, latents[:, :, _latents(row), _latents(column)])
        for row in tiling.plan(height, tile, stride)
        for column in tiling.plan(width, tile, stride)
    )
    return np.concatenate(list(tiling.blend(tiles, height, width, tile, stride)))


def save(path: Path, rgb, about: dict) -> None:
    """Write a picture  # H W 3 uint8, with what JSON can hold about it, whole or not at all."""
    text = json.dumps(about)
    with atomic(path) as temporary:
        if Path(path).suffix == ".png":
            information = PngInfo()
            information.add_text("pixverve", text)
            Image.fromarray(rgb).save(temporary, pnginfo=information)
        else:
            Image.fromarray(rgb).save(temporary, comment=text.encode(), **JPEG)


def parameters(path) -> dict:
    """What `save` wrote about a picture. Raises ValueError when it is not one of ours."""
    with Image.open(path) as image:
        text = image.info.get("pixverve") or image.info.get("comment")
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} says nothing about how it was made") from error


def _worker(pipeline, shift):
    """The pipeline with this shift and no progress bar of its own; on several GPUs its transformer is split."""
    worker = copy.copy(pipeline)
    worker.register_modules(scheduler=scheduler(shift))
    worker.set_progress_bar_config(disable=True)
    number = engine.processes().num_processes
    if number > 1 and worker.transformer._parallel_config is None:
        worker.transformer.enable_parallelism(config=ContextParallelConfig(ulysses_degree=number))
    return worker


def _sampled(worker, jobs, text):
    """Pictures of a batch, decoded one by one."""
    first = jobs[0]
    latents = worker(
        prompt=[job["prompt"] for job in jobs], height=first["height"], width=first["width"],
        num_inference_steps=first["steps"], guidance_scale=first["guidance"], output_type="latent",
        generator=[engine.generator(job["seed"], job["index"]) for job in jobs], **text,
    ).images
    for latent in latents:
        yield decode(worker.vae, latent[None].to(worker.vae.dtype), first["tile"])


def path_of(folder, job, suffix) -> Path:
    """Where the picture of a job is: another job has another name."""
    digest = hashlib.sha256(json.dumps(job).encode()).hexdigest()[:10]
    return Path(folder) / f"{job['index']:04d}-{digest}{suffix}"


def _even(steps):
    """The pipeline's sigmas before they are shifted."""
    return np.linspace(1.0, 1 / steps, steps)


def _latents(span):
    return slice(span.start // LATENT, span.stop // LATENT)


def _unit(vae, latents):
    """H W 3 float32 in [0, 1]"""
    with torch.inference_mode():
        picture = vae.decode(latents, return_dict=False)[0][0]
    return (picture / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()

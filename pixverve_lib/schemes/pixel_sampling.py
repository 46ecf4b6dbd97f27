"""Pictures from nano-pixel: saved one by one with what made them and how long trunk and head took, never made twice."""
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch

from pixverve_lib.kit.progress import progress
from pixverve_lib.models import nano_pixel, noise_levels
from pixverve_lib.models.nano_pixel import PixelTransformer
from pixverve_lib.schemes import checkpoints, engine, sampling

SECONDS = ("seconds", "seconds_trunk", "seconds_head")


def generate(network: PixelTransformer, pipeline, prompts: Sequence[str], folder, side: int, seed: int = 0,
             steps: int = nano_pixel.STEPS, guidance: float = nano_pixel.GUIDANCE, batch: int = 1) -> pd.DataFrame:
    """One picture of side x side pixels a prompt: a frame with prompt, path, seconds, seconds_trunk, seconds_head.

    Seconds are of its batch, shared evenly, and kept with the picture. pipeline: whose text encoder reads the prompts;
    seed: picture i starts from noise that depends on (seed, i) alone. Raises ValueError for a side that the token patch
    does not divide, before the first picture.
    """
    nano_pixel.refuse_size(network, side, side)
    common = {"side": side, "seed": seed, "steps": steps, "guidance": guidance, "shift": nano_pixel.shift(side, side),
              "patch": network.config.patch,
              "weights": [checkpoints.fingerprint(part) for part in (network, pipeline.text_encoder)]}
    jobs = [{"prompt": prompt, "index": index, **common} for index, prompt in enumerate(prompts)]
    paths = [sampling.path_of(folder, job, ".png") for job in jobs]
    todo = [index for index, path in enumerate(paths) if not path.exists()]
    with progress(len(jobs), Path(folder).name, ["kept"] * (len(jobs) - len(todo))) as count:
        for start in range(0, len(todo), batch):
            part = todo[start:start + batch]
            pictures, seconds = _sampled(network, pipeline, [jobs[index] for index in part])
            for index, rgb in zip(part, pictures, strict=True):
                sampling.save(paths[index], rgb, jobs[index] | seconds)
                count("ok")
    kept = [sampling.parameters(path) for path in paths]
    return pd.DataFrame({"prompt": list(prompts), "path": paths} | {name: [k[name] for k in kept] for name in SECONDS})


def _sampled(network, pipeline, jobs):
    """Pictures of a batch  # N side side 3 uint8, and seconds of each"""
    first, device = jobs[0], network.device
    shape = (3, first["side"], first["side"])
    noise = torch.stack([torch.randn(shape, generator=engine.generator(job["seed"], job["index"])) for job in jobs])
    text = (each.to(device) for each in nano_pixel.encode(pipeline, [job["prompt"] for job in jobs]))
    levels = noise_levels.visited(first["steps"], first["shift"])
    with _clocks(network) as spent:
        found = nano_pixel.sample(network, noise.to(device), *text, levels, first["guidance"])
        rgb = nano_pixel.to_rgb(found)
    return rgb, {name: seconds / len(jobs) for name, seconds in spent.items()}


@contextmanager
def _clocks(network) -> Iterator[dict[str, float]]:
    """Seconds that the block takes, and how many of them trunk and head work; filled when it ends."""
    spent = dict.fromkeys(SECONDS, 0.0)

    def add(name, sign):
        if network.device.type == "cuda":
            torch.cuda.synchronize()
        spent[name] += sign * time.perf_counter()

    hooks = []
    for name, part in zip(SECONDS[1:], (network.trunk, network.head), strict=True):
        hooks.append(part.register_forward_pre_hook(lambda *_, name=name: add(name, -1)))
        hooks.append(part.register_forward_hook(lambda *_, name=name: add(name, 1)))
    add("seconds", -1)
    try:
        yield spent
    finally:
        add("seconds", 1)
        for hook in hooks:
            hook.remove()

"""nano-klein with random weights, and a few primer scenes with captions, for tests of what is done with a pipeline."""
from functools import cache

import numpy as np
import torch

from pixverve_lib.models import nano_klein
from pixverve_lib.scenes import primer

TEXT = nano_klein.TEXT


@cache
def pipeline():
    built = nano_klein.build(primer.VOCABULARY, 0)
    built.vae.bn.running_mean.uniform_(-1, 1)  # as if fitted: with 0 and 1 nobody would notice that it is missing
    built.vae.bn.running_var.uniform_(0.5, 2)
    built.set_progress_bar_config(disable=True)
    return built


def scenes(number, side, seed=0):
    """Pictures  # N side side 3 uint8, and their captions"""
    rng = np.random.default_rng(seed)
    specs = [primer.sample(rng) for _ in range(number)]
    return primer.draw_batch(specs, side, rng), [primer.long_caption(spec) for spec in specs]


def sampled(made, side=64, **options):
    """One picture of a pipeline, called as anybody would  # H W 3 float32"""
    return made(prompt=["red circle centre, dark tiles"], height=side, width=side, num_inference_steps=2,
                guidance_scale=3.0, generator=torch.Generator().manual_seed(0), output_type="np",
                **(TEXT | options)).images[0]

"""What ways to enlarge a drawn picture with the network that drew it share: its latents, velocities, and noise."""
import numpy as np
import torch

from pixverve_lib.models import nano_student
from pixverve_lib.schemes import flow, sampling


def encoded(worker, rgb, tile):
    """Latents of a picture  # H W 3 uint8 -> 1 C H/16 W/16; the VAE's own tiles where it is larger than `tile`."""
    vae, before = worker.vae, worker.vae.use_tiling
    vae.use_tiling = before or max(rgb.shape) > tile
    try:
        return flow.encode(worker, rgb[None])
    finally:
        vae.use_tiling = before


def decoded(worker, x, tile):
    """The picture of latents as the network sees them  # 1 C h w, unpatchified -> H W 3 uint8"""
    vae = worker.vae
    mean, variance = (each.view(1, -1, 1, 1) for each in (vae.bn.running_mean, vae.bn.running_var))
    latents = worker._patchify_latents(x) * (variance + vae.config.batch_norm_eps).sqrt() + mean
    return sampling.decode(vae, worker._unpatchify_latents(latents).to(vae.dtype), tile)


def features(worker, prompts, text):
    """What the network reads: of the prompts, then as often of the empty one  # 2 N L D; text: of the pipeline"""
    return worker.encode_prompt([*prompts, *[""] * len(prompts)], **text)[0]


def velocity(worker, known, guidance, x, t):
    """Guided velocity of latents x  # N C H W, unpatchified, at noise level t; alike

    known: `features` of one prompt for all of x, or of one for each; guidance: 1 or less asks without the empty prompt,
    once, as the pipeline does
    """
    tokens, network = worker._patchify_latents(x).to(worker.transformer.dtype), worker.transformer
    known = known.repeat_interleave(2 * len(x) // len(known), 0)
    if guidance <= 1:
        known = known[:len(x)]
    sigma = torch.full((len(known),), t, device=x.device, dtype=tokens.dtype)
    asked, *free = flow.predict(network, tokens.repeat(len(known) // len(x), 1, 1, 1), sigma, known).split(len(x))
    found = nano_student.guided(asked, *free, guidance) if free else asked
    return worker._unpatchify_latents(found)


def generator(*numbers):
    """The source of what is random, on the CPU, from these numbers alone."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))

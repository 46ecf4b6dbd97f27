"""Flow matching exactly as FLUX.2's pipeline samples: what it follows step by step is what is learned here.

    x = (1 - sigma) latents + sigma noise        velocity = noise - latents        loss = mean (predicted - velocity)^2

Latents are those the network sees: the mode of the VAE, 2 x 2 patchified, normalised by the VAE's `bn`, which only the
pipeline applies. sigma = shift(sigmoid(n), s), n normal, where larger pictures get a larger s: at equal sigma they keep
more of their content (not in paper).
"""
from typing import NamedTuple

import torch

from pixverve_lib.models import criteria, nano_klein, nano_student
from pixverve_lib.models.noise_levels import shifted

F = 16  # pixels a token, each way: 8 of FLUX.2's VAE, 2 of its patches; not in paper
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # not in paper: choice, sigmas at which validation is reported


def encode(pipeline, rgb):
    """Latents of pictures: rgb  # N H W 3 uint8, sides that 16 divides -> N C H/16 W/16 in the VAE's dtype

    A VAE that should work in tiles is told so by its owner (`pipeline.vae.enable_tiling()`).
    """
    vae = pipeline.vae
    pixels = torch.from_numpy(rgb).permute(0, 3, 1, 2).to(vae.device, vae.dtype) / 127.5 - 1
    with torch.inference_mode():
        return pipeline._encode_vae_image(pixels, generator=None)


class Teacher(NamedTuple):
    """A network on the device of the training whose velocity another one learns (URAE Eq. 2), and how it is guided."""

    network: torch.nn.Module
    guidance: float  # told to a network with a guidance embedding; else as URAE Eq. 7, 1 for none

    @torch.no_grad()
    def velocity(self, x, sigma, text, empty):
        """What the student is to predict  # x: N C h w, sigma: N, text: N L D, empty: L D -> N C h w float32"""
        if self.network.config.guidance_embeds:
            return predict(self.network, x, sigma, text, self.guidance)
        aware = predict(self.network, x, sigma, text)
        if self.guidance == 1:
            return aware
        free = predict(self.network, x, sigma, empty.expand_as(text))
        return nano_student.guided(aware, free, self.guidance)


def predict(network, x, sigma, text, guidance: float | None = None, **options):
    """Velocity of noisy latents x  # N C h w, at sigma  # N, for text features  # N L D -> N C h w float32

    guidance: the scale that a network with a guidance embedding is told. options go to the network, e.g.
    `joint_attention_kwargs`.
    """
    number, _, height, width = x.shape
    if guidance is not None:
        options |= {"guidance": x.new_full((number,), guidance)}
    tokens = network(
        hidden_states=x.flatten(2).mT,
        timestep=sigma,
        encoder_hidden_states=text,
        img_ids=nano_klein.positions(height, width, x.device),
        txt_ids=nano_klein.positions(1, 1, x.device, text.shape[1]),
        return_dict=False,
        **options,
    )[0]
    return tokens.mT.unflatten(2, (height, width)).float()


def loss(network, batch, generator, shift, drop=0.0, *, criterion=criteria.squared, times=(0.0, 1.0), teacher=None,
         **options):
    """Error of the velocity as `criterion` measures it, mean over the batch; by default squared, every pixel alike.

    batch: latents  # N C h w, text  # N L D, empty  # L D; shift: s as a function of height and width in pixels; drop:
    share of prompts that the empty one replaces, for guidance. generator: on the CPU, so that every device draws alike.
    criterion: of models/criteria.py; times: lowest and highest sigma; teacher: a Teacher, whose velocity takes the
    place of noise - latents; options: of `predict`.
    """
    latents, device = batch.latents.float(), batch.latents.device
    number, _, height, width = latents.shape
    noise = torch.randn(latents.shape, generator=generator).to(device)
    sigma = noise_levels(number, generator, shift(height * F, width * F), times).to(device)
    dropped = (torch.rand(number, generator=generator) < drop).to(device)
    text = torch.where(dropped[:, None, None], batch.empty, batch.text)
    x = _noisy(latents, noise, sigma)
    target = noise - latents if teacher is None else teacher.velocity(x, sigma, text, batch.empty)
    return criterion(predict(network, x, sigma, text, **options), target, sigma).mean()


def noise_levels(number, generator, shift: float, times=(0.0, 1.0)):
    """sigma = shift(sigmoid(n), shift), n normal, given that it lies within `times`  # number

    Raises ValueError for no range within [0, 1].
    """
    low, high = times
    if not 0 <= low < high <= 1:
        raise ValueError(f"times {times} are no noise levels: give 0 <= lowest < highest <= 1")
    normal = torch.randn(number, generator=generator)
    if (low, high) != (0, 1):
        even = shifted(torch.tensor([low, high], dtype=torch.float64), 1 / shift)
        low, high = torch.special.ndtr(even.logit())
        normal = torch.special.ndtri(low + (high - low) * torch.special.ndtr(normal.double())).float()
    return shifted(normal.sigmoid(), shift)


def losses_by_level(network, batches, seed=0, **options):
    """Mean squared error at each sigma of LEVELS, on the same noise whenever it is called: {sigma: loss}.

    options: of `predict`. Whatever a network was trained by, this is what it is compared by.
    """
    totals, count = torch.zeros(len(LEVELS), dtype=torch.float64), 0
    generator = torch.Generator().manual_seed(seed)
    for batch in batches:
        latents = batch.latents.float()
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        for row, level in enumerate(LEVELS):
            sigma = torch.full((len(latents),), level, device=latents.device)
            with torch.no_grad():
                predicted = predict(network, _noisy(latents, noise, sigma), sigma, batch.text, **options)
                totals[row] += criteria.squared(predicted, noise - latents, sigma).sum().item()
        count += len(latents)
    return dict(zip(LEVELS, (totals / count).tolist(), strict=True))


def _noisy(latents, noise, sigma):
    level = sigma[:, None, None, None]
    return (1 - level) * latents + level * noise

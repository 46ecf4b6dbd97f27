"""Flow matching exactly as FLUX.2's pipeline samples: what it follows step by step is what is learned here.

    x = (1 - sigma) latents + sigma noise        velocity = noise - latents        loss = mean (predicted - velocity)^2

Latents are those the network sees: the mode of the VAE, 2 x 2 patchified, normalised by the VAE's `bn`, which only the
pipeline applies. sigma = shift(sigmoid(n), s), n normal, where larger pictures get a larger s: at equal sigma they keep
more of their content (not in paper).
"""
import torch

from pixverve_lib.models import nano_klein
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


def predict(network, x, sigma, text, **options):
    """Velocity of noisy latents x  # N C h w, at sigma  # N, for text features  # N L D -> N C h w float32

    options go to the network, e.g. `joint_attention_kwargs`.
    """
    _, _, height, width = x.shape
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


def loss(network, batch, generator, shift, drop=0.0, **options):
    """Mean squared error of the velocity, every pixel alike.

    batch: latents  # N C h w, text  # N L D, empty  # L D; shift: s as a function of height and width in pixels; drop:
    share of prompts that the empty one replaces, for guidance. generator: on the CPU, so that every device draws alike.
    """
    latents, device = batch.latents.float(), batch.latents.device
    number, _, height, width = latents.shape
    noise = torch.randn(latents.shape, generator=generator).to(device)
    sigma = shifted(torch.randn(number, generator=generator).sigmoid(), shift(height * F, width * F)).to(device)
    dropped = (torch.rand(number, generator=generator) < drop).to(device)
    text = torch.where(dropped[:, None, None], batch.empty, batch.text)
    return _error(network, latents, noise, sigma, text, options).mean()


def losses_by_level(network, batches, seed=0, levels=LEVELS, **options):
    """Mean validation loss at each sigma of `levels`, on the same noise whenever it is called: {sigma: loss}."""
    totals, count = torch.zeros(len(levels), dtype=torch.float64), 0
    generator = torch.Generator().manual_seed(seed)
    for batch in batches:
        latents = batch.latents.float()
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        for row, level in enumerate(levels):
            sigma = torch.full((len(latents),), level, device=latents.device)
            with torch.no_grad():
                totals[row] += _error(network, latents, noise, sigma, batch.text, options).sum().item()
        count += len(latents)
    return dict(zip(levels, (totals / count).tolist(), strict=True))


def _error(network, latents, noise, sigma, text, options):
    """Squared error of the velocity, averaged over each picture  # N"""
    level = sigma[:, None, None, None]
    predicted = predict(network, (1 - level) * latents + level * noise, sigma, text, **options)
    return (predicted - (noise - latents)).square().mean((1, 2, 3))

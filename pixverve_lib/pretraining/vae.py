"""Train the autoencoder of nano-klein on built-in scenes: `python -m pixverve_lib.pretraining.vae`.

Scores are measured on held-out scenes and printed beside the expected ones. A killed run goes on where it was.
"""
import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import l1_loss

from pixverve_lib.models import nano_vae
from pixverve_lib.models.nano_vae import NanoVAE
from pixverve_lib.pretraining.training import generator, report, save_half, train
from pixverve_lib.scenes import primer

BATCHES = {64: 24, 128: 6, 256: 2}  # side in pixels: pictures in a step; about the same time a step
SHARES = (0.4, 0.3, 0.3)  # of the steps, by side


@dataclass(frozen=True)
class Preset:
    """Numbers of a training run; the published asset is NANO. All not in paper: choice."""

    steps: int
    rate: float
    kl: float  # weight of the KL term: just enough to keep latents near unit size
    edges: float  # weight of the error of the gradients
    decay: float  # of the moving average
    seed: int


# About 8 minutes of one core.
#             steps  rate  kl    edges decay  seed
NANO = Preset(1500, 1e-3, 5e-4, 0.5, 0.995, 0)

EXPECTED = {
    "PSNR of 40 held-out scenes at 64 px, dB": (30.15, 0.3),
    "PSNR of 40 held-out scenes at 128 px, dB": (33.49, 0.3),
    "PSNR of 40 held-out scenes at 256 px, dB": (36.60, 0.3),
}


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """N H W 3 uint8 -> N 3 H W in [-1, 1]"""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def loss_of(vae: NanoVAE, x: torch.Tensor, preset: Preset, noise: torch.Generator) -> torch.Tensor:
    """L1 + edges * L1 of the gradients + kl * KL per latent value  # x: N 3 H W, [-1, 1]"""
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(x).latent_dist
        latent = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=noise)
        y = vae.decode(latent).sample
    y, mean, logvar = y.float(), posterior.mean.float(), posterior.logvar.float()
    edges = sum(l1_loss(y.diff(dim=axis), x.diff(dim=axis)) for axis in (2, 3))
    kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
    return l1_loss(y, x) + preset.edges * edges + preset.kl * kl


def batch(step: int, seed: int) -> torch.Tensor:
    """The pictures of a step  # N 3 H W, [-1, 1]"""
    rng = np.random.default_rng((seed, step))
    side = int(rng.choice(list(BATCHES), p=SHARES))
    return to_tensor(primer.draw_batch([primer.sample(rng) for _ in range(BATCHES[side])], side, rng))


def unseen_batches(seed: int) -> Iterator[torch.Tensor]:
    """60 batches of pictures of all sizes that no step trains on  # N 3 H W, [-1, 1]"""
    return (batch(10**6 + n, seed) for n in range(60))


@torch.no_grad()
def fit_normalisation(vae: NanoVAE, seed: int) -> None:
    """Set `vae.bn`, which the pipeline divides latents by, to the statistics of packed latents of all sizes."""
    packed = [pack(vae.encode(x).latent_dist.mean) for x in unseen_batches(seed)]
    tokens = torch.cat([latent.permute(0, 2, 3, 1).flatten(0, 2) for latent in packed])
    vae.bn.running_mean.copy_(tokens.mean(0))
    vae.bn.running_var.copy_(tokens.var(0))


def pack(latent: torch.Tensor) -> torch.Tensor:
    """Two by two places become channels, as the pipeline does  # N C H W -> N 4C H/2 W/2"""
    return torch.nn.functional.pixel_unshuffle(latent, 2)


@torch.no_grad()
def psnr(vae: NanoVAE, side: int, number: int) -> float:
    """Of `number` held-out scenes reconstructed at `side` pixels  # dB, by the mean squared error of all"""
    specs = [prompt.spec for prompt in primer.bench_prompts()[:number]]
    rng, errors = np.random.default_rng(1), []
    for spec in specs:
        x = to_tensor(primer.draw(spec, side, rng)[None])
        y = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        errors.append(((x - y) / 2).square().mean())
    return -10 * torch.stack(errors).mean().log10().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/pretraining"), help="checkpoints")
    torch.set_num_threads(1)  # results depend on the number of threads
    folder = parser.parse_args().folder
    torch.manual_seed(NANO.seed)
    vae = NanoVAE()
    vae.start_from(torch.cat([nano_vae.cells_of(x) for x in unseen_batches(NANO.seed)]))
    optimizer = torch.optim.AdamW(vae.parameters(), NANO.rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    average = train(
        vae, [optimizer], lambda step: loss_of(vae, batch(step, NANO.seed), NANO, generator(NANO.seed, step)),
        NANO.steps, NANO.steps, NANO.decay, folder / "vae.pt",
    ).eval()
    fit_normalisation(average, NANO.seed)
    save_half(average, nano_vae.ASSET)
    shipped = nano_vae.load()
    report({f"PSNR of 40 held-out scenes at {side} px, dB": psnr(shipped, side, 40) for side in BATCHES}, EXPECTED)


if __name__ == "__main__":
    main()

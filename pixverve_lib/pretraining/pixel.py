"""Train nano-pixel on built-in scenes: `python -m pixverve_lib.pretraining.pixel`, after `... .klein`.

First everything, whose trunk starts as nano-klein's, at 64 px mostly, and such that it also knows grids of 4 x 4 and
16 x 16 tokens and a head at 80 px, which larger pictures need. Then the inner levels of the head alone, at low noise.
Then its outer levels alone, at 512 and 640 px; those of 256 px are among them. Scores are measured on held-out prompts
and printed beside the expected ones. A killed run goes on where it was.
"""
import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import Flux2KleinPipeline
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import avg_pool2d

from pixverve_lib.models import nano_klein, nano_pixel, noise_levels, pixel_growth
from pixverve_lib.models.nano_pixel import BASE_PATCH, PixelTransformer
from pixverve_lib.models.nano_pixel_head import OUTER_WIDTHS, seen
from pixverve_lib.pretraining.klein import optimizers_of
from pixverve_lib.pretraining.training import generator, report, save_half, train
from pixverve_lib.pretraining.vae import to_tensor
from pixverve_lib.scenes import primer, primer_checker

OWN = nano_klein.OWN_SIDE
HEAD_SIDE = 80  # of the inner levels at the 10K scale, whose 640 px are halved three times
FINE = 320  # pixels, of noise that averages to OWN as well as to HEAD_SIDE
GRIDS = (32, 64, 128)  # sides that the trunk sees: 4, 8 and 16 tokens
WIDTH = 1.5  # standard deviation of a noise level's logit
DRAWN = 64  # pictures of 64 px that are sampled at once
MEASURED = {8: 64, 32: 24, 64: 12, 80: 12}  # token patch: pictures, of 8 x 8 tokens


@dataclass(frozen=True)
class Preset:
    """Numbers of a training run; the published asset is BASE, then INNER, then OUTER. All not in paper: choice."""

    steps: int
    cool_down: int
    matrix_rate: float  # of the matrices inside the blocks
    rate: float  # of everything else
    decay: float  # of the moving average
    dropped: float  # share of prompts that are left empty, for guidance
    shift: float  # of noise levels at the first side; that of others is higher by the ratio of their sides
    batches: dict[int, int]  # side in pixels: pictures in a step
    shares: dict[int, float]  # side in pixels: share of the steps
    seed: int


# About 45 minutes of one core. The run of the shipped asset was resumed with other numbers: BASE near step 440, up to
# where WIDTH was 1 (low noise levels were too rare, pictures stayed grainy), and INNER after 1000 steps and a
# cool-down, when outlines were still frayed.
BASE = Preset(
    steps=1000, cool_down=400, matrix_rate=2e-3, rate=1.5e-3, decay=0.99, dropped=0.1, shift=1.8,
    batches={64: 24, 32: 48, 80: 16, 128: 6}, shares={64: 0.65, 32: 0.08, 80: 0.15, 128: 0.12}, seed=0,
)
INNER = Preset(
    steps=1900, cool_down=700, matrix_rate=0, rate=2e-3, decay=0.99, dropped=0.1, shift=0.8,
    batches=BASE.batches, shares=BASE.shares, seed=2,
)
OUTER = Preset(
    steps=400, cool_down=200, matrix_rate=0, rate=2e-3, decay=0.99, dropped=0.1, shift=3,
    batches={512: 3, 640: 2}, shares={512: 0.7, 640: 0.3}, seed=1,
)
EXPECTED = {  # name: (score, tolerance)
    "pos at 64 px": (0.993, 0.03), "shape at 64 px": (0.985, 0.05),
    "pos at 256 px": (1.000, 0.05), "shape at 256 px": (1.000, 0.1),
    "pos at 512 px": (1.000, 0.1), "shape at 512 px": (1.000, 0.15),
    "pos at 640 px": (1.000, 0.1), "shape at 640 px": (0.958, 0.15),
}


def scenes(preset: Preset, step: int) -> tuple[int, list[primer.Spec], list[str], np.random.Generator]:
    """(side, scenes, prompts, source of their surfaces) of a step"""
    rng = np.random.default_rng((preset.seed, step))
    side = int(rng.choice(list(preset.shares), p=list(preset.shares.values())))
    specs = [primer.sample(rng) for _ in range(preset.batches[side])]
    prompts = [(primer.short_caption if rng.random() < 0.5 else primer.long_caption)(spec) for spec in specs]
    return side, specs, ["" if rng.random() < preset.dropped else prompt for prompt in prompts], rng


def drawn(specs: list[primer.Spec], side: int, rng: np.random.Generator) -> torch.Tensor:
    """Pictures of scenes; below the smallest that can be drawn, shrunk ones  # N 3 side side in [-1, 1]"""
    least = max(side, primer.LEAST_SIDE)
    return avg_pool2d(to_tensor(primer.draw_batch(specs, least, rng)), least // side)


def levels(preset: Preset, side: int, number: int, noise: torch.Generator) -> torch.Tensor:
    """Noise levels of a step: logit-normal, shifted  # N"""
    t = (WIDTH * torch.randn(number, generator=noise)).sigmoid()
    shift = preset.shift * max(1.0, side / next(iter(preset.shares)))
    return noise_levels.shifted(t, shift)


def error(network: PixelTransformer, preset: Preset, step: int, texts: Callable) -> torch.Tensor:
    """Loss of a step: trunk and head see the same scene with the same noise, each at its side

    texts: prompts -> N L D. Noise is drawn at a side that both divide and averaged to each.
    """
    side, specs, prompts, rng = scenes(preset, step)
    fine, noise = FINE if side == HEAD_SIDE else side, generator(preset.seed, step)
    x, small = pictures(specs, side, rng)
    t, e = levels(preset, fine, len(x), noise), torch.randn(len(x), 3, fine, fine, generator=noise)
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        tokens = network.tokens(*view(small, e, t), texts(prompts))
        shown, level = view(x, e, t)
        clean = network.head(shown, level, tokens)
    weight = 1 / level.clamp(min=nano_pixel.LEAST_SIGMA)
    return ((clean.float() - x) * weight.view(-1, 1, 1, 1)).square().mean()


def pictures(specs: list[primer.Spec], side: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Scenes as the head sees them, and as the trunk does: at the same side if that is in GRIDS, else at OWN."""
    state = rng.bit_generator.state
    x = drawn(specs, side, rng)
    if side in GRIDS:
        return x, x
    if side % OWN == 0:
        return x, avg_pool2d(x, side // OWN)
    rng.bit_generator.state = state  # the same scenes again
    return x, drawn(specs, OWN, rng)


def view(x: torch.Tensor, e: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(x_t', t') of pictures at their side  # N 3 h h, for noise at a larger one  # N 3 H H, and its levels"""
    k, level = e.shape[-1] // x.shape[-1], t.view(-1, 1, 1, 1)
    return seen((1 - level) * x + level * avg_pool2d(e, k), t, k)


def learn(pipeline: Flux2KleinPipeline, folder: Path) -> PixelTransformer:
    """The trained network, at the base's patch and with all outer levels; trunk and text encoder are the pipeline's."""
    def texts(prompts):
        with torch.no_grad():
            return nano_klein.text_features(pipeline.text_encoder, *nano_klein.tokenise(pipeline.tokenizer, prompts))

    def refine(network, part, preset, name):
        network.requires_grad_(False)
        part.requires_grad_(True)
        optimizer = torch.optim.AdamW(part.parameters(), preset.rate, betas=(0.9, 0.95), weight_decay=0.01)
        average = train(part, [optimizer], lambda step: error(network, preset, step, texts), preset.steps,
                        preset.cool_down, preset.decay, folder / f"pixel-{name}.pt")
        part.load_state_dict(average.state_dict())

    network = pixel_growth.inherited(pipeline.transformer, seed=BASE.seed)
    network.head.inner.polish.requires_grad_(False)
    base = train(network, optimizers_of(network, BASE), lambda step: error(network, BASE, step, texts), BASE.steps,
                 BASE.cool_down, BASE.decay, folder / "pixel.pt")
    refine(base, base.head.inner, INNER, "inner")
    whole = pixel_growth.grown(base, BASE_PATCH, len(OUTER_WIDTHS))
    refine(whole, whole.head.outer, OUTER, "outer")
    return whole


def draw(network: PixelTransformer, pipeline: Flux2KleinPipeline, prompts: list[str], side: int,
         seed: int = 0) -> np.ndarray:
    """Pictures of prompts at `side` pixels  # N side side 3 uint8"""
    noise = torch.randn(len(prompts), 3, side, side, generator=generator(seed))
    steps = noise_levels.visited(nano_pixel.STEPS, nano_pixel.shift(side, side))
    return nano_pixel.to_rgb(nano_pixel.sample(network, noise, *nano_pixel.encode(pipeline, prompts), steps))


def measure(network: PixelTransformer, pipeline: Flux2KleinPipeline, side: int, number: int) -> dict[str, float]:
    """The checker's scores of pictures of `number` held-out prompts, half of them long; chance is the next prompt's."""
    bench = primer.bench_prompts()[:number]
    specs = [prompt.spec for prompt in bench]
    texts = [prompt.long if n % 2 else prompt.short for n, prompt in enumerate(bench)]
    size = max(1, DRAWN * OWN**2 // side**2)
    pictures = np.concatenate([draw(network, pipeline, texts[n:n + size], side, n) for n in range(0, number, size)])
    found = {"": primer_checker.scores(pictures, specs),
             " by chance": primer_checker.scores(pictures, specs[1:] + specs[:1])}
    return {f"{name} at {side} px{of}": scores[name] for name in ("pos", "shape") for of, scores in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/pretraining"), help="checkpoints")
    torch.set_num_threads(1)  # results depend on the number of threads
    pipeline = nano_klein.load()
    save_half(learn(pipeline, parser.parse_args().folder), nano_pixel.ASSET)
    for patch, number in MEASURED.items():
        report(measure(nano_pixel.load(patch), pipeline, BASE_PATCH * patch, number), EXPECTED)


if __name__ == "__main__":
    main()

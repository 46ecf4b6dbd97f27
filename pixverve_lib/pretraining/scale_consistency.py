"""SC-VAE: the decoder of a partitioned VAE tuned against its F = 8 teacher (Diffusion-4K Sec. 4.1, Eq. 1-4).

    L = w_rec L_rec + w_sc L_sc + w_lpips L_lpips + w_adv (|grad L_lpips| / |grad L_adv|) L_adv

Norms are means over values, which the paper does not say. Without the weights of LPIPS its term is left out, and the
adaptive ratio takes the gradient of w_rec L_rec, as VQGAN's does when it has no perceptual term. The generator
minimises Eq. 2 as printed, log(1 - D). UltraFlux's post-training of its F16 decoder is the same with another preset.
"""
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import logsigmoid, mse_loss

from pixverve_lib.models import scale_consistent_vae as scaled
from pixverve_lib.paper import related
from pixverve_lib.pretraining import crops
from pixverve_lib.pretraining.training import generator, train
from pixverve_lib.pretraining.vae import to_tensor

LARGEST = 1e4  # of the adaptive weight; not in paper: choice
CHUNK = 16  # crops that teacher and encoder see at once


@dataclass(frozen=True)
class Preset:
    """Numbers of a tuning: steps, crops a step, side of a crop in pixels, AdamW, average, weights of the loss."""

    steps: int
    batch: int
    side: int
    rate: float
    weight_decay: float
    ema: float
    rec: float
    consistency: float
    perceptual: float
    adversarial: float
    width: int = 64  # of the discriminator's first layer; not in paper: choice, PatchGAN's own
    layers: int = 3  # of the discriminator that halve the side; not in paper: choice, PatchGAN's own
    kept: float = 1.0  # share of the pictures that is trained on, the least flat ones
    crops: int | None = None  # cut once, and kept with what encoder and teacher say of them; None: fresh ones a step
    cool_down: int = 1  # steps at the end in which the rate falls; 1: constant


DIFFUSION_4K = Preset(
    steps=11_000_000 // related.D4K_VAE_BATCH,  # Diffusion-4K Sec. 6.1: one epoch; not in paper: SA-1B's 11 M pictures
    batch=related.D4K_VAE_BATCH, side=related.D4K_VAE_SIDE, rate=related.D4K_VAE_RATE,
    weight_decay=related.D4K_VAE_WEIGHT_DECAY, ema=0.999,  # not in paper: choice of the decay
    rec=1.0,  # Diffusion-4K Eq. 4
    consistency=related.D4K_CONSISTENCY_WEIGHT, perceptual=related.D4K_LPIPS_WEIGHT,
    adversarial=related.D4K_ADVERSARIAL_WEIGHT,
)
ULTRAFLUX = Preset(
    steps=10_000,  # not in paper: choice
    batch=related.ULTRAFLUX_VAE_BATCH, side=related.ULTRAFLUX_VAE_SIDE, rate=related.ULTRAFLUX_VAE_RATE,
    weight_decay=related.ULTRAFLUX_VAE_WEIGHT_DECAY, ema=0.999,  # not in paper: choice
    rec=related.ULTRAFLUX_VAE_SQUARED_WEIGHT,
    consistency=related.ULTRAFLUX_VAE_LATENT_WEIGHT,  # not in paper which term lambda_vae weighs: choice
    perceptual=related.ULTRAFLUX_VAE_PERCEPTUAL_WEIGHT, adversarial=0.0,
    kept=related.ULTRAFLUX_VAE_KEEP_FRACTION,
)
SMALL = {  # not in paper: choices for a 1:16 model on one core, 5 s a tuning; the discriminator sees 34 pixels
    "steps": 96, "batch": 2, "side": 128, "rate": 3e-4, "ema": 0.95, "width": 16, "layers": 2, "crops": 64,
    "cool_down": 48,
}
NANO = replace(DIFFUSION_4K, adversarial=0.0, **SMALL)  # adversarial apart: an arm of its own
NANO_ULTRAFLUX = replace(ULTRAFLUX, **SMALL)
SMOKE = replace(NANO, steps=8, crops=8, cool_down=4)


class Prepared(NamedTuple):
    """What a step needs."""

    x: torch.Tensor  # N 3 H W, [-1, 1]
    latents: torch.Tensor  # N C H/16 W/16
    features: torch.Tensor  # of the teacher  # N C h w


def tune(vae, pictures: Sequence, preset: Preset, seed: int, checkpoint: Path, perceptual: Callable | None = None):
    """The partitioned form of `vae` with a tuned decoder (moving average); its encoder is bit for bit as it was.

    vae: the F = 8 teacher. pictures: paths, or H W 3 uint8 each; smaller ones than `preset.side` are refused. seed: of
    the crops, of their order and of the discriminator. checkpoint: a killed run goes on from it, a finished one is
    read; a digest of all that makes the run what it is goes into its name. perceptual: a network (a, b) -> N, pictures
    in [0, 1], LPIPS; None leaves its term out.
    Raises crops.BadPictures, FloatingPointError.
    """
    student = scaled.partitioned(vae).requires_grad_(False)
    crops.refuse_unusable(pictures, preset.side)
    identity = _digest(vae, pictures, preset, seed, perceptual is not None)
    checkpoint = Path(checkpoint).with_stem(f"{Path(checkpoint).stem}-{identity}")
    pictures = crops.least_flat(pictures, preset.kept)
    batch_at = _batches(vae, student, pictures, preset, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = scaled.discriminator(preset.width, preset.layers).to(next(vae.parameters()).device)
    student.decoder.requires_grad_(True)
    model = nn.ModuleDict({"decoder": student.decoder} | ({"judge": judge} if preset.adversarial else {}))
    optimizer = torch.optim.AdamW(model.parameters(), preset.rate, weight_decay=preset.weight_decay)
    average = train(model, [optimizer], lambda step: loss_of(student, model, batch_at(step), preset, perceptual),
                    preset.steps, preset.cool_down, preset.ema, checkpoint)
    student.decoder = average["decoder"]
    return student.eval().requires_grad_(False)


def loss_of(student, model: nn.ModuleDict, batch: Prepared, preset: Preset, perceptual: Callable | None = None):
    """Eq. 4, and what the discriminator `model["judge"]` minimises beside it, where the preset has one."""
    with torch.autocast(batch.x.device.type, torch.bfloat16):
        drawn, features = (each.float() for each in scaled.decode_with_features(student, batch.latents))
    rec = preset.rec * mse_loss(drawn, batch.x)
    loss = rec
    if preset.consistency:
        loss = loss + preset.consistency * consistency(batch.features, features)
    if perceptual is not None:
        near = perceptual(drawn / 2 + 0.5, batch.x / 2 + 0.5).mean()
        loss = loss + preset.perceptual * near
    if preset.adversarial:
        fooled, judged = adversarial(model["judge"], batch.x, drawn)
        weight = adaptive_weight(rec if perceptual is None else near, fooled, scaled.last_layer(student).weight)
        loss = loss + preset.adversarial * weight * fooled + judged
    return loss


def consistency(of_teacher: torch.Tensor, of_student: torch.Tensor) -> torch.Tensor:
    """Eq. 1, as a mean: the teacher's features against the up-sampled ones of the student  # N C 2h 2w, N C h w"""
    return mse_loss(scaled.enlarge(of_student), of_teacher)


def adversarial(judge: nn.Module, x: torch.Tensor, drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eq. 2 for the generator, log(1 - D(drawn)), and -L_adv for the discriminator, each moving nothing else."""
    still = {name: weight.detach() for name, weight in judge.named_parameters()}
    fooled = logsigmoid(-functional_call(judge, still, (drawn,))).mean()
    return fooled, -(logsigmoid(judge(x)) + logsigmoid(-judge(drawn.detach()))).mean()


def adaptive_weight(anchor: torch.Tensor, fooled: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Ratio of Eq. 3: norm of the gradient of `anchor` at the last layer's `weight` over that of `fooled`; no gradient.

    At most LARGEST, also where the second is 0.
    """
    above, below = (torch.autograd.grad(loss, weight, retain_graph=True)[0].norm() for loss in (anchor, fooled))
    return (above / below.clamp_min(torch.finfo(below.dtype).tiny)).clamp_max(LARGEST).detach()


def _digest(vae, pictures, preset, seed, is_perceptual):
    """Of everything that makes a run what it is."""
    digest = hashlib.sha256(repr((preset, seed, is_perceptual)).encode())
    for name, tensor in vae.state_dict().items():
        digest.update(name.encode() + tensor.double().cpu().numpy().tobytes())
    for picture in pictures:
        digest.update(crops.stamp(picture))
    return digest.hexdigest()[:8]


def _batches(teacher, student, pictures, preset, seed):
    """step -> Prepared"""
    def prepared(numbers):
        rngs = [np.random.default_rng((seed, number)) for number in numbers]
        cut = [crops.cut(crops.opened(pictures[rng.integers(len(pictures))]), preset.side, rng) for rng in rngs]
        return _prepared(teacher, student, cut)
    if preset.crops is None:
        return lambda step: prepared(range(step * preset.batch, (step + 1) * preset.batch))
    parts = [prepared(range(n, min(n + CHUNK, preset.crops))) for n in range(0, preset.crops, CHUNK)]
    kept = Prepared(*map(torch.cat, zip(*parts, strict=True)))
    return lambda step: Prepared(*(part[_order(step, preset, seed)] for part in kept))


def _order(step, preset, seed):
    """Which of the kept crops a step takes: each once before any comes again."""
    passed, place = divmod(step, max(1, preset.crops // preset.batch))
    order = torch.randperm(preset.crops, generator=generator(seed, passed))
    return order[place * preset.batch : (place + 1) * preset.batch]


@torch.no_grad()
def _prepared(teacher, student, squares):
    x = to_tensor(np.stack(squares)).to(next(teacher.parameters()).device)
    latents = student.encode(x).latent_dist.mean
    _, features = scaled.decode_with_features(teacher, teacher.encode(x).latent_dist.mean)
    return Prepared(x, latents, features)

"""What a VAE makes of pictures: the arms of Diffusion-4K's Tabs. 4 and 8 at 1:16, their scores, pictures and shapes."""
import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pixverve_lib.imaging import distances, fidelity, statistics
from pixverve_lib.kit.progress import progress
from pixverve_lib.models import nano_clip, perceptual
from pixverve_lib.models import scale_consistent_vae as scaled
from pixverve_lib.models.aesthetics import WeightsMissing
from pixverve_lib.paper import related
from pixverve_lib.pretraining import scale_consistency
from pixverve_lib.pretraining.vae import to_tensor
from pixverve_lib.scenes import primer

TEACHER = "F8 teacher"
ARMS = {  # names of Tab. 8: what differs from the preset
    "F16-FT": {"consistency": 0.0, "adversarial": 0.0},
    "F16-SC": {"adversarial": 0.0},
    "F16-SC-adv": {"adversarial": related.D4K_ADVERSARIAL_WEIGHT},
}
BATCH = 8  # pictures at once


def scenes(number: int, side: int, seed: int = 0) -> list[np.ndarray]:
    """Built-in scenes to train on  # side side 3 uint8 each"""
    rng = np.random.default_rng(seed)
    return list(primer.draw_batch([primer.sample(rng) for _ in range(number)], side, rng))


def held_out(sides: Sequence[int], number: int) -> dict[int, list[np.ndarray]]:
    """Scenes that no training shows, the same ones at each side  # {side: side side 3 uint8 each}"""
    specs = [prompt.spec for prompt in primer.bench_prompts()[:number]]
    return {side: list(primer.draw_batch(specs, side, np.random.default_rng(1))) for side in sides}


def tune_arms(vae, pictures, preset, seeds: Mapping[str, Sequence[int]], folder: Path) -> dict:
    """{(model, seed): VAE}: the teacher, its partitioned form, and the arms (of ARMS) that `seeds` names, tuned.

    Checkpoints lie in `folder`: what is finished is read. Without the weights of LPIPS its term is left out, in a line.
    """
    if (network := _lpips()) is None:
        print("so its term is left out of the loss, and the adaptive weight takes the gradient of L_rec")
    models = {(TEACHER, 0): vae, ("F16", 0): scaled.partitioned(vae)}
    jobs = [(arm, seed) for arm, those in seeds.items() for seed in those]
    with progress(len(jobs), "decoders tuned", unit="decoders") as count:
        for arm, seed in jobs:
            file = Path(folder) / f"{arm}-{seed}.pt"
            with redirect_stderr(io.StringIO()):  # the bar of a single tuning would break into this one
                models[arm, seed] = scale_consistency.tune(vae, pictures, replace(preset, **ARMS[arm]), seed, file,
                                                           network)
            count("ok")
    return models


@torch.inference_mode()
def reconstruct(vae, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Pictures encoded (mean of the posterior) and decoded again  # H W 3 uint8 each, of one size"""
    parts = [np.stack(pictures[n : n + BATCH]) for n in range(0, len(pictures), BATCH)]
    device = next(vae.parameters()).device
    drawn = [vae.decode(vae.encode(to_tensor(part).to(device)).latent_dist.mean).sample for part in parts]
    return list(to_pictures(torch.cat(drawn)))


def to_pictures(x: torch.Tensor) -> np.ndarray:
    """N 3 H W in [-1, 1] -> N H W 3 uint8"""
    return x.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def measure(models: Mapping, pictures: Mapping[int, Sequence[np.ndarray]]) -> pd.DataFrame:
    """Scores of reconstructions: model side seed nano-rFID NMSE rNMSE PSNR SSIM LPIPS, a row a model and side.

    models: {(model, seed): VAE}; pictures: {side: H W 3 uint8 each}. nano-rFID is a Frechet distance of nano-clip
    features, never comparable with rFID; NMSE = MSE / mean(x^2) with x in [0, 1], rNMSE its root (M27: the paper's
    NMSE behaves as a root); all but nano-rFID are means over pictures. LPIPS is missing where its weights are.
    """
    clip, lpips, rows = nano_clip.load(), _lpips(), []
    with progress(len(models) * len(pictures), "reconstructions measured", unit="sets") as count:
        for side, originals in pictures.items():
            known = clip.pooled_features(originals)
            for (model, seed), vae in models.items():
                drawn = reconstruct(vae, originals)
                rfid = distances.frechet(known, clip.pooled_features(drawn))
                each = pd.DataFrame([_scores(a, b, lpips) for a, b in zip(originals, drawn, strict=True)]).mean()
                rows.append({"model": model, "side": side, "seed": seed, "nano-rFID": rfid, **each})
                count("ok")
    return pd.DataFrame(rows)


def _scores(original, drawn, lpips):
    x, y = original / 255, drawn / 255
    normalised = np.square(x - y).mean() / max(np.square(x).mean(), np.finfo(float).tiny)
    psnr, ssim = fidelity.compare([(original, drawn)])
    return {"NMSE": normalised, "rNMSE": normalised**0.5, "PSNR": psnr, "SSIM": ssim,
            "LPIPS": perceptual.distance(lpips, original, drawn) if lpips else np.nan}


def _lpips():
    try:
        return perceptual.load_network()
    except WeightsMissing as missing:
        print(missing)
        return None


def busiest(rgb: np.ndarray, side: int) -> tuple[int, int, int]:
    """Top, left, side in pixels of the patch with the strongest gradients, where a close-up tells most."""
    variances = statistics.patch_variances(rgb, side)
    row, column = np.unravel_index(variances.argmax(), variances.shape)
    return int(row * side), int(column * side), side


@torch.no_grad()
def shapes(vae, side: int) -> pd.DataFrame:
    """What passes through teacher and student of one picture, by a forward pass: path stage channels height width."""
    x, rows = torch.zeros(1, 3, side, side, device=next(vae.parameters()).device), []
    for path, each in (("F = 8", vae), ("F = 16", scaled.partitioned(vae))):
        latents = each.encode(x).latent_dist.mean
        drawn, features = scaled.decode_with_features(each, latents)
        stages = {"picture": x, "latents": latents, "features": features}
        if path == "F = 16":
            stages["up-sampled"] = scaled.enlarge(features)
        rows += [(path, stage, *tensor.shape[1:]) for stage, tensor in (stages | {"drawn": drawn}).items()]
    return pd.DataFrame(rows, columns=["path", "stage", "channels", "height", "width"])

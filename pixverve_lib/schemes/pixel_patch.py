"""Scheme III (Sec. 3.2): diffusion over pixels, whose token patches grow with the picture, with a detailer head.

    cached = training_sets.load(base._replace(pipeline=Pixels(base.pipeline)), "4K", "", 200, folder)
    tuned = finetune(folder, nano_pixel.load(32), cached, "transfer", steps=24)
    frame = pixel_sampling.generate(opened(tuned.weights), base.pipeline, prompts, folder, side=256)

A batch is pictures and text features; the loss is that of nano_pixel, with noise levels moved up the more, the larger
the picture is.
"""
import copy
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pixverve_lib.models import nano_pixel, noise_levels, pixel_growth
from pixverve_lib.models.nano_pixel import PixelTransformer
from pixverve_lib.paper import training
from pixverve_lib.schemes import checkpoints, engine, flow
from pixverve_lib.schemes.bases import is_nano
from pixverve_lib.schemes.cache import CachedSet
from pixverve_lib.schemes.full_attention import DROP, Tuned
from pixverve_lib.schemes.order import Order

VARIANTS = ("transfer", "full")  # L2P's paper trains what `transfer` does, the released script everything
PATCHES = {  # preset -> token patch in pixels of each scale
    "printed": dict(zip(training.PROGRESSION, (
        training.TOKEN_PATCH_4K, training.TOKEN_PATCH_8K, training.TOKEN_PATCH_10K), strict=True)),
    "released": dict(zip(training.PROGRESSION, (  # 64 x 64 tokens at every scale
        training.TOKEN_PATCH_4K, training.TOKEN_PATCH_8K, training.TOKEN_PATCH_10K_RELEASED), strict=True)),
}
NANO_PATCH = 2  # at 1:16 a patch is half as many pixels as in the paper: 8 x 8 tokens where it has 64 x 64
EPOCHS = {"4K": training.PIXEL_EPOCHS_4K, "8K": training.PIXEL_EPOCHS_8K, "10K": training.PIXEL_EPOCHS_10K}
FORK = training.PIXEL_EPOCHS_10K_STARTS_AFTER / training.PIXEL_EPOCHS_8K  # of 8K's steps, where 10K starts
STEPS = {  # below `paper`, where epochs decide; not in paper: choice
    "smoke": {"4K": 3, "8K": 3, "10K": 2},
    "laptop": {"4K": 24, "8K": 12, "10K": 8},
    "gpu": {"4K": 10, "8K": 10, "10K": 10},
}
NANO = {"rate": 2e-4, "schedule": "cosine", "warmup": 5, "average": 0.95}  # rate in the paper: 5e-5, for 6 B weights
BATCH_PIXELS = 2**18  # at 1:16: 4, 1 and 1 pictures at the 4K, 8K and 10K scale; not in paper: choice
PAPER_BATCH = 1  # pictures a GPU: the released code
NAIVE_PATCH, NAIVE_LEVELS = 16, 2  # for pictures of 256 px
NAIVE = {"steps": 50, "batch": 4, "rate": 1e-3}  # not in paper: choice, half a minute
VALIDATION = 4  # pictures at a time


class WrongPatch(ValueError):
    """Weights of another token patch; the line says of which, and what to do."""


def patches(preset: str = "released", budget: str = "laptop") -> dict[str, int]:
    """Token patch in pixels of each scale. Raises ValueError for an unknown preset.

    At 1:16 `released` is 32, 64 and 80: always 8 x 8 tokens. `printed` is 32, 64 and 160: as printed, 2.5 times as much
    at 10K as at 8K, which leaves 4 x 4 tokens.
    """
    if preset not in PATCHES:
        raise ValueError(f"patch preset {preset!r} is unknown; use one of: {', '.join(PATCHES)}")
    return {scale: patch // (NANO_PATCH if is_nano(budget) else 1) for scale, patch in PATCHES[preset].items()}


def settings(budget: str, steps: int, **changes) -> engine.Settings:
    """How to train at a budget; `changes` go over it."""
    usual = NANO if is_nano(budget) else {"rate": training.PIXEL_RATE, "recompute": True}
    return engine.Settings(**{"steps": steps} | usual | changes)


class Pixels:
    """What `dataset.prepare` takes for a pipeline so that a set keeps uint8 pictures where others have latents."""

    def __init__(self, pipeline):
        self.text_encoder, self.encode_prompt = pipeline.text_encoder, pipeline.encode_prompt
        self.transformer = SimpleNamespace(config=SimpleNamespace(in_channels=3 * flow.F**2 // 4))  # as many bytes
        self.vae = SimpleNamespace(device=torch.device("cpu"), dtype=torch.float32, state_dict=dict)

    def _encode_vae_image(self, pixels, generator):
        return ((pixels + 1) * 127.5).round().byte()


def finetune(folder, network: PixelTransformer, cached: CachedSet, variant: str = "transfer", *, steps: int,
             budget: str = "laptop", batch: int | None = None, held_out: CachedSet | None = None,
             start: Path | None = None, **changes) -> Tuned:
    """Fine-tune a copy of `network`; the same call again finds what is finished.

    batch: pictures of the largest bucket a step and process; held_out: for validation; start: weights of an earlier run
    (`engine.kept`); changes: to `settings`. Raises ValueError for pictures that the patch does not divide (with the
    nearest sizes) or an unknown variant, WrongPatch, engine.NotFinite and checkpoints.BadCheckpoint.
    """
    for size in cached.buckets:
        nano_pixel.refuse_size(network, *size)
    how, network = settings(budget, steps, **changes), unfrozen(network, variant)
    if start is not None:
        load_start(network, start)
    height, width = max(cached.buckets, key=lambda size: size[0] * size[1])
    batch = batch or (max(1, BATCH_PIXELS // (height * width)) if is_nano(budget) else PAPER_BATCH)
    order = Order(cached, batch, how.seed)
    identity = {"variant": variant, "patch": network.config.patch, "levels": network.config.levels, "batch": batch,
                "data": cached.digest, "held out": held_out and held_out.digest, "drop": DROP,
                "start": checkpoints.fingerprint(network)}
    processes = engine.processes().num_processes
    run = Path(folder) / f"{variant}-{engine.digest(how, identity)}"
    validate = held_out and partial(_validated, held_out, how.seed)
    outcome = engine.train(network, loss, order, how, run, identity, validate)
    epochs = steps * how.accumulate * processes / order.per_epoch
    return Tuned(engine.export(network, run / variant, partial(_write, network)), run, *outcome, epochs,
                 outcome.metrics["seconds"].sum() * processes / 3600)


def progressive(folder, base: PixelTransformer, cached: Mapping[str, CachedSet], variant: str = "transfer",
                preset: str = "released", budget: str = "laptop", carry: Callable = pixel_growth.grown,
                **options) -> dict[str, Tuned]:
    """4K, then 8K from it, then 10K from the 8K weights after 1 of 2.9 epochs (Sec. E.1), of scales that `cached` has.

    carry: what the next patch takes over, `pixel_growth.grown` or `reinitialised`; options: those of `finetune`. Steps
    follow from the epochs of Tab. A1 at budget `paper`, else from STEPS.
    """
    network, tuned = base, {}
    sizes, scales = patches(preset, budget), [scale for scale in training.PROGRESSION if scale in cached]
    for scale in scales:
        network = carry(network, sizes[scale])
        steps = _steps(scale, cached[scale], budget, options)
        fork = max(1, round(steps * FORK)) if scale == "8K" and "10K" in scales else None
        tuned[scale] = finetune(folder, network, cached[scale], variant, steps=steps, budget=budget,
                                keep=(fork,) if fork else (), **options)
        network = opened(tuned[scale].weights)
        if fork:
            network = unfrozen(network, variant)
            load_start(network, engine.kept(tuned[scale].run, fork))
    return tuned


def naive(folder, cached: CachedSet, **changes) -> Tuned:
    """What fails: random weights at the 4K scale, with small patches. The loss falls and samples stay mosaics."""
    return finetune(folder, pixel_growth.fresh(NAIVE_PATCH, NAIVE_LEVELS), cached, "full", **NAIVE | changes)


def unfrozen(network: PixelTransformer, variant: str) -> PixelTransformer:
    """A copy in which exactly what a variant trains requires gradients. Raises ValueError for an unknown variant."""
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r} is unknown; use one of: {', '.join(VARIANTS)}")
    network = copy.deepcopy(network).float().requires_grad_(variant == "full")
    trunk = network.trunk
    for part in (trunk.x_embedder, trunk.transformer_blocks[0], trunk.single_transformer_blocks[-1], trunk.norm_out,
                 trunk.proj_out, network.head):
        part.requires_grad_(True)
    return network


def loss(network, batch, generator: torch.Generator) -> torch.Tensor:
    """Of a batch whose latents are pictures  # N 3 H W uint8; noise and what is dropped come from `generator`."""
    x, device = batch.latents.float() / 127.5 - 1, batch.latents.device
    noise = torch.randn(x.shape, generator=generator).to(device)
    even = torch.randn(len(x), generator=generator).sigmoid()
    sigma = noise_levels.shifted(even, nano_pixel.shift(*x.shape[2:])).to(device)
    dropped = (torch.rand(len(x), generator=generator) < DROP).to(device)
    return nano_pixel.loss(network, x, noise, sigma, torch.where(dropped[:, None, None], batch.empty, batch.text))


def opened(folder, patch: int | None = None) -> PixelTransformer:
    """Weights that `finetune` left. Raises WrongPatch when they are of another token patch than expected."""
    network = PixelTransformer.from_pretrained(folder).eval().to(memory_format=torch.channels_last)
    if patch not in (None, network.config.patch):
        raise _wrong(folder, network.config.patch, patch)
    return network


def load_start(network: PixelTransformer, path: Path) -> None:
    """Put weights of `engine.kept` into what `network` trains. Raises WrongPatch, checkpoints.BadCheckpoint."""
    checkpoints.about(path)
    name = pixel_growth.PROJECTION + "weight"
    with safe_open(path, "pt") as file:
        columns = file.get_slice(name).get_shape()[1] if name in file.keys() else 0  # noqa: SIM118  it is no mapping
    patch = round((columns / 3) ** 0.5)
    if columns and patch != network.config.patch:
        raise _wrong(path, patch, network.config.patch)
    checkpoints.load_weights(Path(path), engine.trained(network))


def _validated(held_out, seed, network):
    """Loss at each of flow.LEVELS, on the same noise whenever it is called."""
    device, generator = next(network.parameters()).device, torch.Generator().manual_seed(seed)
    totals = dict.fromkeys(flow.LEVELS, 0.0)
    for batch in held_out.all_batches(VALIDATION):
        x, text = batch.latents.float() / 127.5 - 1, batch.text.to(device)
        noise = torch.randn(x.shape, generator=generator).to(device)
        for level in totals:
            sigma = torch.full((len(x),), level, device=device)
            totals[level] += nano_pixel.loss(network, x.to(device), noise, sigma, text).item() * len(x) / len(held_out)
    return totals


def _write(network, state, folder):
    """As `save_pretrained` does."""
    network.save_config(folder)
    save_file({name: tensor.contiguous() for name, tensor in state.items()},
              folder / "diffusion_pytorch_model.safetensors", {"format": "pt"})


def _steps(scale, cached, budget, options):
    if budget != "paper":
        return STEPS[budget][scale]
    order = Order(cached, options.get("batch") or PAPER_BATCH, 0)
    return engine.steps_of(EPOCHS[scale], order.per_epoch, options.get("accumulate", 1))


def _wrong(path, found, expected):
    return WrongPatch(f"{path} has token patches of {found} px and is needed with {expected}: open it as it is, and "
                      f"carry it over with pixel_growth.grown(network, {expected})")

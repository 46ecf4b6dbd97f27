"""Scheme I (Sec. 3.2): FLUX.2-klein with full attention, all of its transformer trained, or a LoRA.

Options of the related systems go with it: other losses and noise levels, teachers, adapters of the minor or the major
components (URAE Eq. 6), and whatever retrofits the transformer carries.

    cached = dataset.prepare(pictures, captions, pipeline, folder, **nano_klein.TEXT)
    tuned = finetune(folder, pipeline, cached, "lora", steps=400)
    better = apply(pipeline, tuned.weights)        # or, anywhere: stock_pipeline.load_lora_weights(tuned.weights)
"""
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel
from diffusers.training_utils import cast_training_params
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

from pixverve_lib.models import components, criteria, nano_klein
from pixverve_lib.paper import training
from pixverve_lib.schemes import checkpoints, engine, flow, planner, retrofits
from pixverve_lib.schemes.bases import is_nano
from pixverve_lib.schemes.cache import CachedSet
from pixverve_lib.schemes.order import Order

VARIANTS = ("full", "lora")  # of Scheme I
COMPONENTS = ("minor", "major")  # of URAE
LORA_TARGETS = ("to_k", "to_q", "to_v", "to_out.0", "to_qkv_mlp_proj")  # and each single block's to_out; not in paper
LORA_FILE = "pytorch_lora_weights.safetensors"
DROP = 0.1  # share of prompts dropped for guidance; not in paper: choice
BATCH_TOKENS = 1200  # at 1:16: batches of 4, 1 and 1 pictures at the 4K, 8K and 10K scale; not in paper: choice
PAPER_BATCH = 1  # pictures a GPU; not in paper: choice
VALIDATION = 8  # pictures at a time


@dataclass(frozen=True)
class Stage:
    """One resolution of the curriculum: for how long, and from which weights."""

    scale: str
    epochs: float
    start: str = ""  # the scale it goes on from; "" is the base model
    after: float = 0  # epochs of that scale


CURRICULUM = {  # Sec. E.1 (M6, M13)
    "full": (
        Stage("4K", training.FULL_EPOCHS_4K),
        Stage("8K", training.FULL_EPOCHS_8K, "4K", training.FULL_EPOCHS_8K_STARTS_AFTER),
    ),
    "lora": (
        Stage("4K", training.LORA_EPOCHS_4K),
        Stage("8K", training.LORA_EPOCHS_8K),
        Stage("10K", training.LORA_EPOCHS_10K),
    ),
}
STEPS = {  # of each stage below `paper`, where epochs decide; not in paper: choice
    "smoke": {"4K": 8, "8K": 4, "10K": 4},
    "laptop": {"4K": 500, "8K": 200, "10K": 160},
    "gpu": {"4K": 10, "8K": 10, "10K": 10},  # random weights: cost only
}
NANO = {"schedule": "cosine", "warmup": 20, "average": 0.99}
PRESETS = {  # (variant, whether at 1:16) -> what differs from engine.Settings
    ("full", False): {"rate": training.FULL_RATE, "recompute": True},
    ("lora", False): {"rate": training.LORA_RATE, "recompute": True},
    ("full", True): {"rate": 1e-3} | NANO,  # paper: 1e-5, for 1900 times as many weights
    ("lora", True): {"rate": 8e-3} | NANO,  # paper: 1e-4
    ("minor", False): {"rate": training.LORA_RATE, "recompute": True},  # not in paper: choice, URAE prints no rate
    ("major", False): {"rate": training.LORA_RATE, "recompute": True},
    ("minor", True): {"rate": 8e-3} | NANO,  # as the LoRA's; with 3e-3 a lower loss (0.437, 0.444), things out of place
    ("major", True): {"rate": 2e-3} | NANO,  # held-out loss after 40 steps 0.435; 0.511 with 8e-3
}


class Tuned(NamedTuple):
    """A finished fine-tuning."""

    weights: Path  # folder in diffusers' format: of a transformer, or of a LoRA
    run: Path  # folder of its checkpoints and metrics
    metrics: pd.DataFrame  # step loss rate norm seconds memory_gb
    validation: pd.DataFrame  # step level loss
    epochs: float  # passes over the training set
    device_hours: float


def preset(variant: str, budget: str, steps: int, **changes) -> engine.Settings:
    """Settings of a variant at a budget; `changes` go over them. Raises ValueError for an unknown variant."""
    known = VARIANTS + COMPONENTS
    if variant not in known:
        raise ValueError(f"variant {variant!r} is unknown; use one of: {', '.join(known)}")
    return replace(engine.Settings(steps, **PRESETS[variant, is_nano(budget)]), **changes)


def finetune(folder, pipeline, cached: CachedSet, variant: str = "full", *, steps: int, budget: str = "laptop",
             batch: int | None = None, held_out: CachedSet | None = None, start: Path | None = None,
             rank: int = training.LORA_RANK, alpha: int = training.LORA_RANK, shift: Callable = nano_klein.shift,
             criterion: Callable = criteria.squared, times: tuple[float, float] = (0.0, 1.0),
             teacher: flow.Teacher | None = None, guidance: float | None = None, **changes) -> Tuned:
    """Fine-tune the transformer of `pipeline`, which stays as it is; the same call again finds what is finished.

    Every combination of settings and data has its own folder in `folder`. batch: pictures of the largest bucket a step
    and process; held_out: for validation; start: weights of an earlier stage (`engine.kept`); alpha: of the LoRA;
    shift: of the noise, a function of height and width in pixels, the same that samples; criterion, times, teacher: as
    in `flow.loss`; guidance: the scale that a network with a guidance embedding is told; changes: to `preset`.
    Raises planner.DoesNotFit, engine.NotFinite, checkpoints.BadCheckpoint, all before or instead of damage.
    """
    settings = preset(variant, budget, steps, **changes)
    if guidance is not None and not pipeline.transformer.config.guidance_embeds:
        raise ValueError(f"guidance {guidance} cannot be told to a network without a guidance embedding: leave it out")
    network = adapted(pipeline.transformer, variant, rank, alpha, settings)
    if start is not None:
        checkpoints.load_weights(Path(start), engine.trained(network))
    largest = max(cached.buckets, key=lambda size: size[0] * size[1])
    tokens = largest[0] * largest[1] // flow.F**2 + cached.text_tokens
    batch = batch or (max(1, BATCH_TOKENS // tokens) if is_nano(budget) else PAPER_BATCH)
    order = Order(cached, batch, settings.seed)
    identity = {"variant": variant, "alpha": alpha, "batch": batch, "data": cached.digest, "drop": DROP,
                "shift": shift(*largest), "held out": held_out and held_out.digest,
                "start": checkpoints.fingerprint(network), "criterion": repr(criterion), "times": times,
                "teacher": teacher and (checkpoints.fingerprint(teacher.network), teacher.guidance),
                "guidance": guidance}
    engine.processes().print(planner.check(network, _load(largest, cached, batch, settings)))
    processes = engine.processes().num_processes
    run = Path(folder) / f"{variant}-{engine.digest(settings, identity)}"
    loss = partial(flow.loss, shift=shift, drop=DROP, criterion=criterion, times=times, teacher=teacher,
                   guidance=guidance)
    validate = held_out and partial(_validated, held_out, settings.seed, guidance)
    outcome = engine.train(network, loss, order, settings, run, identity, validate)
    write = partial(_write, network, pipeline.transformer, variant)
    weights = engine.export(network, run / variant, write)
    epochs = steps * settings.accumulate * processes / order.per_epoch
    return Tuned(weights, run, *outcome, epochs, outcome.metrics["seconds"].sum() * processes / 3600)


def progressive(folder, pipeline, cached: Mapping[str, CachedSet], variant: str, budget: str = "laptop",
                held_out: Mapping[str, CachedSet] | None = None, **options) -> dict[str, Tuned]:
    """The curriculum of a variant over the scales that `cached` has, as Sec. E.1 tells it: {scale: Tuned}.

    All LoRAs start from the base; full training at 8K from the 4K weights of half of its epochs. Steps follow from the
    epochs of Tab. A1 at budget `paper`, else from STEPS. held_out: sets for validation, by scale; options: those of
    `finetune`.
    """
    stages = {stage.scale: stage for stage in CURRICULUM[variant] if stage.scale in cached}
    steps = {scale: _steps(stage, cached[scale], budget, options) for scale, stage in stages.items()}
    forks = {stage.start: round(steps[stage.start] * stage.after / stages[stage.start].epochs)
             for stage in stages.values() if stage.start in stages}
    tuned = {}
    for scale, stage in stages.items():
        start = engine.kept(tuned[stage.start].run, forks[stage.start]) if stage.start in forks else None
        keep = (forks[scale],) if scale in forks else ()
        tuned[scale] = finetune(folder, pipeline, cached[scale], variant, steps=steps[scale], budget=budget,
                                start=start, keep=keep, held_out=(held_out or {}).get(scale), **options)
    return tuned


def apply(pipeline, weights: Path) -> Flux2KleinPipeline:
    """A stock pipeline like `pipeline` with tuned weights and their retrofits; everything else is shared.

    With a LoRA the base weights are shared, too: copies elsewhere in memory may round differently in the last bit.
    """
    if (Path(weights) / LORA_FILE).exists():
        tuned = retrofits.retrofitted(pipeline, {})
        tuned.load_lora_weights(Path(weights), weight_name=LORA_FILE)
    else:
        tuned = copy.copy(pipeline)
        transformer = Flux2Transformer2DModel.from_pretrained(weights, dtype=pipeline.transformer.dtype)
        tuned.register_modules(transformer=transformer.to(pipeline.transformer.device))
    retrofits.install(tuned.transformer, retrofits.read(Path(weights)))
    return tuned


def adapted(transformer, variant: str, rank: int, alpha: int, settings: engine.Settings):
    """A copy of the transformer in which exactly what the variant trains requires gradients, in float32."""
    network = copy.deepcopy(transformer)
    if variant == "full":
        return network.float().requires_grad_(True)
    if settings.shard:
        network.float()  # shards are of one type
    network.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        if variant in COMPONENTS:
            components.add(network, lora_targets(network), rank, variant)
        else:
            network.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=lora_targets(network)))
    cast_training_params(network)
    return network


def lora_targets(network) -> list[str]:
    """Names of the layers that get a LoRA; a bare "to_out" would also name a list of two layers and fail."""
    singles = range(network.config.num_single_layers)
    return [*LORA_TARGETS, *(f"single_transformer_blocks.{index}.attn.to_out" for index in singles)]


def _load(largest, cached, batch, settings):
    half = settings.precision == "bfloat16" or (settings.precision == "auto" and torch.cuda.is_available())
    shards = engine.processes().num_processes if settings.shard else 1
    return planner.Load(*largest, cached.text_tokens, batch, "bfloat16" if half else "float32", settings.recompute,
                        settings.average > 0, shards, settings.shard == "zero2")


def _validated(held_out, seed, guidance, network):
    device = next(network.parameters()).device
    batches = (batch.to(device) for batch in held_out.all_batches(VALIDATION))
    return flow.losses_by_level(network, batches, seed, guidance=guidance)


def _steps(stage, cached, budget, options):
    if budget != "paper":
        return STEPS[budget][stage.scale]
    order = Order(cached, options.get("batch") or PAPER_BATCH, 0)
    return engine.steps_of(stage.epochs, order.per_epoch, options.get("accumulate", 1))


def _write(network, base, variant, state, folder):
    """In diffusers' format."""
    retrofits.write(network, folder)
    if variant != "full":
        if variant in COMPONENTS:
            layers, metadata = components.as_lora(network, state)
        else:
            layers, metadata = get_peft_model_state_dict(network, state), network.peft_config["default"].to_dict()
        Flux2KleinPipeline.save_lora_weights(folder, layers, transformer_lora_adapter_metadata=metadata)
        return
    base.save_config(folder)  # that of a sharded network names another class
    tensors = {name: state[name].to(base.dtype).contiguous() for name, _ in base.named_parameters()}
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors", {"format": "pt"})

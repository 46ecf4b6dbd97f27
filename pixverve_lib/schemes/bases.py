"""The model that every scheme starts from, at a budget: nano-klein at 1:16, or FLUX.2-klein at full size."""
from collections.abc import Callable
from typing import NamedTuple

import torch
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel

from pixverve_lib.models import nano_klein
from pixverve_lib.paper import training

SHRINK = training.SCALE_1K // nano_klein.OWN_SIDE
SIDES = {"1K": training.SCALE_1K} | training.SIDES  # scale -> pixels


class Base(NamedTuple):
    """A pipeline, what it is, and how large its scales are."""

    pipeline: Flux2KleinPipeline
    label: str  # one sentence about its weights
    sides: dict[str, int]  # scale -> pixels
    shift: Callable  # (height, width in pixels) -> static noise shift
    text: dict  # options of the pipeline for prompts


def is_nano(budget: str) -> bool:
    """Whether a budget works on the 1:16 scale model."""
    return budget in ("smoke", "laptop")


def load(budget: str, name: str = nano_klein.HUB) -> Base:
    """The base of a budget; below `gpu` the shipped one.

    At `gpu` absent weights are replaced by random ones in the real shapes, and the label says so. name: folder or hub
    id. Raises RuntimeError without a GPU, FileNotFoundError at `paper` without weights.
    """
    if is_nano(budget):
        sides = {scale: side // SHRINK for scale, side in SIDES.items()}
        label = f"nano-klein, a 1:{SHRINK} scale model trained on built-in scenes"
        return Base(nano_klein.load(), label, sides, nano_klein.shift, nano_klein.TEXT)
    if not torch.cuda.is_available():
        raise RuntimeError(f"budget {budget} needs a GPU, and torch finds none here; use budget laptop")
    try:
        pipeline, label = nano_klein.load_pipeline(name), f"{name} with its trained weights"
    except FileNotFoundError as error:
        if budget == "paper":
            raise
        pipeline = nano_klein.build_full()
        label = f"{training.BASE_MODEL} with RANDOM weights: cost means something, pictures do not ({error})"
    return Base(pipeline.to("cuda"), label, SIDES, static_shift, {})


def static_shift(height: int, width: int) -> float:
    """The kit's noise shift at the paper's sizes, in pixels; not in paper."""
    return nano_klein.shift(height, width, training.SCALE_1K)


def paper_size() -> Flux2Transformer2DModel:
    """FLUX.2-klein's transformer as shapes without weights (device "meta"), to plan with."""
    return nano_klein.build_full(device="meta").transformer

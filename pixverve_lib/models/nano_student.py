"""nano-student: nano-klein distilled so that one call that is told a guidance scale g gives what two calls gave.

    guided velocity = v(z, t, none) + g (v(z, t, y) - v(z, t, none))        URAE Eq. 7

    pipeline = load()
    tell(pipeline.transformer, 3.0)
    pipeline(prompt=["red circle top-left, dark tiles"], height=64, width=64, guidance_scale=1.0, ...)

As FLUX.1-dev is to its teacher, but of the FLUX.2 class, whose pipeline for klein tells its network nothing: `tell`
does, in calls that have no guidance of their own.
"""
from pathlib import Path

import torch
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel

from pixverve_lib.models import nano_klein

ASSET = Path(__file__).parent / "assets" / "nano_student"
RANGE = (1.0, 5.0)  # guidance scales that it was distilled for; not in paper: choice


def build(teacher: Flux2Transformer2DModel) -> Flux2Transformer2DModel:
    """A student in float32 that, told anything, is its teacher without guidance: the scale starts without effect.

    Raises ValueError for a teacher that has a guidance embedding itself, or retrofits.
    """
    student = Flux2Transformer2DModel.from_config(teacher.config, guidance_embeds=True)
    torch.nn.init.zeros_(student.time_guidance_embed.guidance_embedder.linear_2.weight)
    _, unexpected = student.load_state_dict(teacher.state_dict(), strict=False)
    if unexpected or teacher.config.guidance_embeds:
        raise ValueError(f"a teacher has no {unexpected[0] if unexpected else 'guidance embedding'}: give one without "
                         f"a guidance embedding and without retrofits")
    return student.to(teacher.device)


def load() -> Flux2KleinPipeline:
    """nano-klein with the shipped student as its transformer, in float32 and for inference; told nothing yet.

    `python -m pixverve_lib.pretraining.student` trains it.
    """
    pipeline = nano_klein.load()
    pipeline.register_modules(transformer=Flux2Transformer2DModel.from_pretrained(ASSET, dtype=torch.float32).eval())
    return pipeline


def guided(conditional: torch.Tensor, empty: torch.Tensor, guidance) -> torch.Tensor:
    """URAE Eq. 7; guidance: a number, or a tensor that broadcasts."""
    return empty + guidance * (conditional - empty)


def tell(transformer: Flux2Transformer2DModel, guidance: float) -> None:
    """Every call without guidance of its own is told `guidance` from now on; the last `tell` counts.

    The scale is a part of the transformer's state, the buffer `told`: fingerprints tell two scales apart.
    Raises ValueError for a transformer that cannot be told a scale.
    """
    if not transformer.config.guidance_embeds:
        raise ValueError("this transformer has no guidance embedding to tell a scale; use nano_student.load()")
    silence(transformer)
    transformer.register_buffer("told", torch.tensor(float(guidance), device=transformer.device), persistent=True)
    transformer.told_hook = transformer.register_forward_pre_hook(_pass_on, with_kwargs=True)


def silence(transformer: Flux2Transformer2DModel) -> None:
    """Take back what `tell` did; nothing happens to a transformer that was told nothing."""
    if told(transformer) is None:
        return
    transformer.told_hook.remove()
    del transformer.told_hook, transformer.told


def told(transformer: Flux2Transformer2DModel) -> float | None:
    """The scale of `tell`, or None."""
    scale = getattr(transformer, "told", None)
    return None if scale is None else scale.item()


def _pass_on(transformer, args, kwargs):
    if kwargs.get("guidance") is None:
        latents = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        kwargs["guidance"] = transformer.told.expand(len(latents))
    return args, kwargs

"""nano-klein: FLUX.2-klein at 1:16, with the real classes, and the real one where its weights are.

    pipeline = load()
    pipeline(prompt=["red circle top-left, dark tiles"], height=64, width=64, guidance_scale=GUIDANCE,
             num_inference_steps=STEPS, **TEXT)
"""
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLFlux2,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
)
from diffusers.utils import logging as diffusers_logging
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from pixverve_lib.models.nano_vae import NanoVAE

ASSET = Path(__file__).parent / "assets" / "nano_klein"
HUB = "black-forest-labs/FLUX.2-klein-base-4B"
TOKENS = 24  # of a prompt
FULL_TOKENS = 512  # of FLUX.2-klein, always padded to
LAYERS = (1, 2, 4)  # hidden states of the text encoder that make the features  # FLUX.2-klein: (9, 18, 27)
TEXT = {"max_sequence_length": TOKENS, "text_encoder_out_layers": LAYERS}  # for every call of the pipeline
GUIDANCE = 3.0  # not in paper: choice
STEPS = 20  # of the sampler; not in paper: choice
OWN_SIDE = 64  # pixels: the 1K scale, which it is trained at
START, PAD, UNKNOWN = "<|user|>", "<|pad|>", "<|unknown|>"


def build(words: tuple[str, ...], seed: int) -> Flux2KleinPipeline:
    """nano-klein with random weights; its text encoder knows `words` and nothing else."""
    torch.manual_seed(seed)
    names = tokenizer(words)
    text = Qwen3Config(
        vocab_size=len(names), hidden_size=64, intermediate_size=192, num_hidden_layers=max(LAYERS),
        num_attention_heads=4, num_key_value_heads=4, head_dim=16, max_position_embeddings=TOKENS,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=None, pad_token_id=names.pad_token_id,
    )
    vae = NanoVAE()
    transformer = Flux2Transformer2DModel(
        in_channels=4 * vae.config.latent_channels, num_layers=2, num_single_layers=4, attention_head_dim=32,
        num_attention_heads=4, joint_attention_dim=len(LAYERS) * text.hidden_size, axes_dims_rope=(8, 8, 8, 8),
        guidance_embeds=False,
    )
    return Flux2KleinPipeline(
        FlowMatchEulerDiscreteScheduler(shift=shift(OWN_SIDE, OWN_SIDE)), vae, Qwen3ForCausalLM(text), names,
        transformer,
    )


def load() -> Flux2KleinPipeline:
    """The shipped nano-klein, in float32 and for inference. `python -m pixverve_lib.pretraining.klein` trains it."""
    with _quiet():
        return DiffusionPipeline.from_pretrained(ASSET, dtype=torch.float32)


def load_pipeline(name: str) -> Flux2KleinPipeline:
    """The real FLUX.2-klein from a folder, or by hub id from the cache of the hub; nothing is downloaded.

    Raises FileNotFoundError, whose line is the command that gets it.
    """
    try:
        return DiffusionPipeline.from_pretrained(name, dtype=torch.bfloat16, local_files_only=True)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"no FLUX.2-klein pipeline at {name!r}: give its folder, or fetch it once with `hf download {HUB}`"
        ) from error


def build_full(device: str = "cuda") -> Flux2KleinPipeline:
    """FLUX.2-klein-base-4B in its real shapes with *random* weights: for cost and latency, never for pictures.

    On the device "meta" it takes no memory: shapes and sizes only. Prompts go through a tokenizer without words.
    """
    text = Qwen3Config(  # Qwen3-4B
        vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=40960, tie_word_embeddings=True,
        dtype=torch.bfloat16,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            transformer = Flux2Transformer2DModel(
                in_channels=128, num_layers=5, num_single_layers=20, attention_head_dim=128, num_attention_heads=24,
                joint_attention_dim=7680, guidance_embeds=False,
            )
            parts = AutoencoderKLFlux2(), Qwen3ForCausalLM(text), tokenizer(()), transformer
    finally:
        torch.set_default_dtype(before)
    scheduler = FlowMatchEulerDiscreteScheduler(
        shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, max_image_seq_len=4096,
    )
    return Flux2KleinPipeline(scheduler, *parts)


def shift(height: int, width: int, own_side: int = OWN_SIDE) -> float:
    """How far noise levels move up: more pixels need more noise to hide the same layout; 1 at the model's own side.

    The root of the ratio of pixels, which is Stable Diffusion 3's rule. Static, because the pipeline's dynamic shift
    leaves almost no low noise levels at the largest scales.
    """
    return math.sqrt(height * width) / own_side


def positions(height, width, device, length=1):
    """Rotary coordinates (time, row, column, place in the text) of a grid of tokens  # height * width * length 4"""
    axes = [torch.arange(n, device=device) for n in (1, height, width, length)]
    return torch.cartesian_prod(*axes)


def set_shift(pipeline: Flux2KleinPipeline, height: int, width: int) -> None:
    """Make the pipeline sample pictures of this size (pixels) with `shift`."""
    pipeline.scheduler.set_shift(shift(height, width))


def tokenizer(words: tuple[str, ...]) -> PreTrainedTokenizerFast:
    """One token a word or comma; the chat template only marks where the prompt starts."""
    vocabulary = {word: number for number, word in enumerate((PAD, UNKNOWN, START, *words))}
    base = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    base.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(",", "isolated"),
    ])
    names = PreTrainedTokenizerFast(
        tokenizer_object=base, pad_token=PAD, unk_token=UNKNOWN, additional_special_tokens=[START],
        model_max_length=TOKENS, padding_side="right",
    )
    names.chat_template = START + "{{ messages[0]['content'] }}"
    return names


def tokenise(names: PreTrainedTokenizerFast, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask as the pipeline makes them  # N TOKENS, N TOKENS"""
    texts = [names.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False) for prompt in prompts]
    found = names(texts, return_tensors="pt", padding="max_length", truncation=True, max_length=TOKENS)
    return found["input_ids"], found["attention_mask"]


def text_features(text_encoder: Qwen3ForCausalLM, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What the transformer reads, as the pipeline makes it but with gradients  # N TOKENS len(LAYERS) x width"""
    states = text_encoder.model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
    return torch.cat([states.hidden_states[layer] for layer in LAYERS], dim=-1)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars for what takes a tenth of a second."""
    libraries = diffusers_logging, transformers_logging
    for library in libraries:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in libraries:
            library.enable_progress_bar()

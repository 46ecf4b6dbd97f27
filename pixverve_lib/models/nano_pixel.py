"""nano-pixel: Scheme III at 1:16, a diffusion transformer over large token patches of pixels, with a detailer head.

    network = load(patch=64)                                     # the 8K scale
    text, empty = encode(nano_klein.load(), ["red circle top-left, dark tiles"])
    pixels = sample(network, noise, text, empty, noise_levels.visited(STEPS, shift(512, 512)))

The trunk is FLUX.2's transformer with the blocks of nano-klein; the head is that of nano_pixel_head, which gets the
trunk's token map. Sizes of layers are not in paper: choice.
"""
import math
from pathlib import Path

import numpy as np
import torch
from diffusers import ConfigMixin, Flux2Transformer2DModel, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn.functional import pixel_unshuffle

from pixverve_lib.models import nano_klein
from pixverve_lib.models.nano_pixel_head import FEATURES, Head, per_picture, seen

ASSET = Path(__file__).parent / "assets" / "nano_pixel"
BASE_PATCH = 8  # pixels of a token at 64 x 64, the 1K scale: 8 x 8 tokens; L2P: 16 at 1024
LEAST_SIGMA = 0.05  # below it errors weigh alike; not in paper: choice
STEPS, GUIDANCE = 25, 3.0  # not in paper: choice


class PixelTransformer(ModelMixin, ConfigMixin):
    """Noisy pixels in, clean pixels out.

    patch: side of a token in pixels; levels: of the head outside the three inner ones, each doubles the side. Pictures
    have sides that `multiple` divides.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = Flux2Transformer2DModel._no_split_modules

    @register_to_config
    def __init__(self, patch: int = BASE_PATCH, levels: int = 0):
        super().__init__()
        self.trunk = Flux2Transformer2DModel(
            in_channels=3 * patch**2, out_channels=FEATURES, num_layers=2, num_single_layers=4, attention_head_dim=32,
            num_attention_heads=4, joint_attention_dim=192, axes_dims_rope=(8, 8, 8, 8), guidance_embeds=False,
        )
        self.head = Head(levels)
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU; from_pretrained loses it

    @property
    def multiple(self) -> int:
        """What the sides of a picture must be multiples of, beside the patch: the head halves them so often."""
        return 8 * 2**self.config.levels

    def forward(self, pixels: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Clean pixels  # pixels: N 3 H W in [-1, 1] and noisy; sigma: N, 1 is pure noise; text: N L D -> N 3 H W

        Raises ValueError for a size that the patch or the head does not divide, with the nearest that they do.
        """
        refuse_size(self, *pixels.shape[2:])
        return self.head(pixels, sigma, self.tokens(pixels, sigma, text))

    def tokens(self, pixels: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """What the trunk says of every patch  # N FEATURES H/patch W/patch"""
        patch = self.config.patch
        size = [length // patch for length in pixels.shape[2:]]
        k = patch / BASE_PATCH
        x, t = seen(pixels, sigma, k)
        found = self.trunk(  # k^2 times as many pixels weigh as much together as at the base
            hidden_states=pixel_unshuffle(x / k**2, patch).flatten(2).mT, timestep=t, encoder_hidden_states=text,
            img_ids=nano_klein.positions(*size, x.device),
            txt_ids=nano_klein.positions(1, 1, x.device, text.shape[1]),
            return_dict=False,
        )[0]
        return found.mT.unflatten(2, size)


def load(patch: int = BASE_PATCH) -> PixelTransformer:
    """The shipped network for a token patch: 8, 32, 64 or 80 pixels for pictures of 64, 256, 512 or 640.

    `python -m pixverve_lib.pretraining.pixel` trains it.
    """
    from pixverve_lib.models import pixel_growth
    whole = PixelTransformer.from_pretrained(ASSET, dtype=torch.float32)
    return pixel_growth.grown(whole, patch).eval()


def encode(pipeline, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Text features of prompts, by the frozen text encoder of nano-klein  # N L D, and of the empty one  # L D"""
    with torch.no_grad():
        found = nano_klein.text_features(
            pipeline.text_encoder, *nano_klein.tokenise(pipeline.tokenizer, [*prompts, ""]),
        )
    return found[:-1], found[-1]


def shift(height: int, width: int) -> float:
    """How far noise levels move up: 2.5 at 64 x 64 pixels, 6.3, 10 and 11.6 at 256, 512 and 640; not in paper: choice

    More pixels need more noise to hide the same layout, and pixels more than the latents of nano-klein.
    """
    return 2.5 * ((height * width) ** 0.5 / nano_klein.OWN_SIDE) ** (2 / 3)


@torch.inference_mode()
def sample(network: nn.Module, noise: torch.Tensor, text: torch.Tensor, empty: torch.Tensor, levels: torch.Tensor,
           guidance: float = GUIDANCE) -> torch.Tensor:
    """Euler steps from noise  # N 3 H W, to pictures in [-1, 1]

    text  # N L D, empty  # L D; levels: of noise_levels.visited
    """
    x, both = noise, torch.cat([text, empty.expand_as(text)])
    for now, after in zip(levels.tolist(), levels[1:].tolist(), strict=False):
        asked, free = network(torch.cat([x, x]), torch.full((2 * len(x),), now, device=x.device), both).chunk(2)
        clean = (free + guidance * (asked - free)).clamp(-1, 1)
        x = clean + after / now * (x - clean)
    return x


def to_rgb(pixels: torch.Tensor) -> np.ndarray:
    """N 3 H W in [-1, 1] -> N H W 3 uint8"""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def loss(network: nn.Module, x: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor,
         text: torch.Tensor) -> torch.Tensor:
    """mean of ((x_hat - x) / max(sigma, LEAST_SIGMA))^2, the error of the velocity  # N 3 H W twice, N, N L D"""
    level = per_picture(sigma)
    error = network((1 - level) * x + level * noise, sigma, text).float() - x
    return (error / level.clamp(min=LEAST_SIGMA)).square().mean()


def refuse_size(network: PixelTransformer, height: int, width: int) -> None:
    """Raise ValueError unless patch and head divide a size; the line names the nearest valid ones."""
    step = math.lcm(network.config.patch, network.multiple)
    wrong = [length for length in (height, width) if length % step or not length]
    if wrong:
        near = sorted({max(step, length // step * step + more) for length in wrong for more in (0, step)})
        raise ValueError(f"{height} x {width} pixels: token patches of {network.config.patch} px and a head that "
                         f"halves {network.multiple.bit_length() - 1} times need sides that are multiples of {step}: "
                         f"the nearest are {', '.join(map(str, near))}")


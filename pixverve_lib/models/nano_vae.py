"""The autoencoder of nano-klein: FLUX.2's class with two lossless levels in front, total factor F = 16 as the original.

A convolution from 3 channels down to a sixteenth of the side learns slowly; the first two of the four levels are
therefore pixel-unshuffles (3 -> 12 -> 48 channels, no weights) and only the other two are convolutional, with a linear
map beside them that starts as the principal components of 8 x 8 pixels. A stock pipeline counts four entries in
`block_out_channels` and so derives the right factor by itself.
"""
from pathlib import Path

import torch
from diffusers import AutoencoderKLFlux2, ModelMixin  # noqa: F401  a pipeline that loads NanoVAE asks here for its base
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput
from torch import nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

ASSET = Path(__file__).parent / "assets" / "nano_klein" / "vae"
UNSHUFFLED = 4  # two levels of 2
START_LOGVAR = -6.0  # of a latent: noise of 0.05 on values near 1


class Shortcut(nn.Module):
    """A network and a linear map side by side; the network has only the rest to learn."""

    def __init__(self, deep: nn.Module, linear: nn.Module):
        super().__init__()
        self.deep, self.linear = deep, linear

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.deep(x) + self.linear(x)


class NanoVAE(AutoencoderKLFlux2):
    """AutoencoderKLFlux2 whose first two levels are pixel-unshuffles.

    block_out_channels: of all four levels; the first two can only be 12 and 48. Pictures are N 3 H W in [-1, 1] with
    sides that 16 divides, latents N latent_channels H/8 W/8, which the pipeline packs into tokens of F = 16.
    """

    ignore_for_config = [
        "in_channels", "out_channels", "down_block_types", "up_block_types", "decoder_block_out_channels", "act_fn",
        "mid_block_add_attention", "batch_norm_momentum", "patch_size",
    ]  # what the parent would note down although it is fixed here

    @register_to_config
    def __init__(
        self,
        block_out_channels: tuple[int, ...] = (12, 48, 64, 96),
        layers_per_block: int = 1,
        latent_channels: int = 12,
        norm_num_groups: int = 16,
        sample_size: int = 256,
        batch_norm_eps: float = 1e-4,
        use_quant_conv: bool = True,
        use_post_quant_conv: bool = True,
    ):
        if len(block_out_channels) != 4 or tuple(block_out_channels[:2]) != (12, 48):
            raise ValueError(f"block_out_channels is (12, 48, width, width), not {tuple(block_out_channels)}: "
                             "the first two levels are pixel-unshuffles")
        super().__init__(
            in_channels=block_out_channels[1], out_channels=block_out_channels[1],
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=tuple(block_out_channels[2:]), layers_per_block=layers_per_block,
            latent_channels=latent_channels, norm_num_groups=norm_num_groups, sample_size=sample_size,
            mid_block_add_attention=False, batch_norm_eps=batch_norm_eps,
            use_quant_conv=use_quant_conv, use_post_quant_conv=use_post_quant_conv,
        )
        self.register_to_config(block_out_channels=tuple(block_out_channels))
        pixels = block_out_channels[1]
        self.encoder = Shortcut(self.encoder, nn.Conv2d(pixels, 2 * latent_channels, 2, stride=2))
        self.decoder = Shortcut(self.decoder, nn.ConvTranspose2d(latent_channels, pixels, 2, stride=2))
        self.tile_sample_min_size = sample_size // UNSHUFFLED  # tiles are cut and blended between the unshuffles
        self.tile_latent_min_size = sample_size // 8

    @torch.no_grad()
    def start_from(self, cells: torch.Tensor) -> None:
        """Become the whitened principal components of `cells_of` pictures  # N 192"""
        mean, channels = cells.mean(0), self.config.latent_channels
        _, spread, basis = torch.linalg.svd(cells - mean, full_matrices=False)
        spread, basis = spread[:channels, None] / len(cells) ** 0.5, basis[:channels]
        for part in (self.encoder.linear, self.encoder.deep.conv_out, self.decoder.deep.conv_out):
            part.weight.zero_()
            part.bias.zero_()
        encode, decode = self.encoder.linear, self.decoder.linear
        encode.weight[:channels] = (basis / spread).view(channels, -1, 2, 2)
        encode.bias[:channels] = -(basis / spread) @ mean
        encode.bias[channels:] = START_LOGVAR
        decode.weight.copy_((basis * spread).view(channels, -1, 2, 2))
        decode.bias.copy_(mean.view(-1, 4).mean(1))
        for mixing in (self.quant_conv, self.post_quant_conv):
            nn.init.dirac_(mixing.weight)
            nn.init.zeros_(mixing.bias)

    def _encode(self, x):
        return super()._encode(pixel_unshuffle(x, UNSHUFFLED))

    def _decode(self, z, return_dict=True):
        picture = pixel_shuffle(super()._decode(z, return_dict=False)[0], UNSHUFFLED)
        return DecoderOutput(sample=picture) if return_dict else (picture,)


def cells_of(pictures: torch.Tensor) -> torch.Tensor:
    """8 x 8 pixels that become one latent place, in the order of the levels  # N 3 H W -> N*H/8*W/8 192"""
    return pixel_unshuffle(pixel_unshuffle(pictures, UNSHUFFLED), 2).permute(0, 2, 3, 1).flatten(0, 2)


def load() -> NanoVAE:
    """The shipped autoencoder, in float32 and for inference. `python -m pixverve_lib.pretraining.vae` trains it."""
    return NanoVAE.from_pretrained(ASSET, dtype=torch.float32).eval()

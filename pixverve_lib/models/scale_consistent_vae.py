"""The F = 16 form of an F = 8 autoencoder with the same weights: Diffusion-4K's partitioned VAE (Sec. 4.1).

Encoder   the first convolution gets a dilation of 2 and a stride of 2: it is the same convolution on every second
          pixel, so that the latents of a picture are those that the F = 8 form has of every second pixel of it.
Decoder   the features before the last convolution are up-sampled by 2 (nearest: mode not in paper) and convolved in
          partitions, so that the large map is never whole in memory.

NanoVAE's first two levels are pixel-unshuffles, and one place of its last features draws a block of 4 x 4 pixels. Up-
sampled features would paint each block four times; here the last convolution gets kernels of its own for the four
quadrants instead, which start as nearest magnification of the block, and so does the linear path: the form starts
exactly as "decode at half the size, enlarge by 2". The features are up-sampled in the loss (`enlarge`) as elsewhere.

A pipeline that is given such a VAE still counts 8 pixels a latent: ask it for half the height and width.
"""
import copy

import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate, pad, pixel_shuffle, pixel_unshuffle

from pixverve_lib.models.nano_vae import UNSHUFFLED, NanoVAE

SCALE = 2  # Diffusion-4K Sec. 4.1: from F = 8 to F = 16
PARTITION = 512  # places, side of a partition of the last features; not in paper: choice


def partitioned(vae):
    """A copy of `vae` that compresses twice as much each way, with the same weights.

    vae: AutoencoderKL (SD3, Flux.1), AutoencoderKLFlux2 or NanoVAE; pictures N 3 H W have sides that twice its own
    factor divides. Raises TypeError for another class and ValueError for a VAE that has been partitioned already.
    """
    if not hasattr(getattr(vae, "decoder", None), "conv_out") and not isinstance(vae, NanoVAE):
        raise TypeError(f"a partitioned form is known of AutoencoderKL, AutoencoderKLFlux2 and NanoVAE, "
                        f"not of {type(vae).__name__}")
    if is_partitioned(vae):
        raise ValueError("this VAE is partitioned already: give the F = 8 one that it comes from")
    vae = copy.deepcopy(vae)
    (_partition_nano if isinstance(vae, NanoVAE) else _partition_stock)(vae, PARTITION)
    vae.decoder.register_buffer("enlarged", torch.tensor(float(SCALE)))  # so that its fingerprint is another
    vae.tile_sample_min_size *= SCALE  # of `enable_tiling`: tiles of as many latents as before
    return vae


def is_partitioned(vae) -> bool:
    """Whether `vae` is a form that `partitioned` has made."""
    return hasattr(vae.decoder, "enlarged")


def enlarge(features: torch.Tensor) -> torch.Tensor:
    """h of Eq. 1: nearest up-sampling (mode not in paper: choice)  # N C h w -> N C 2h 2w"""
    return interpolate(features, scale_factor=SCALE, mode="nearest")


def last_layer(vae) -> nn.Module:
    """G^L of Eq. 3 and 4: the last convolution of the decoder; it has `weight`."""
    decoder = vae.decoder[0] if isinstance(vae.decoder, nn.Sequential) else vae.decoder
    return getattr(decoder, "deep", decoder).conv_out


def decode_with_features(vae, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The picture, and G^(L-1) of Eq. 1: what the last convolution is given, after norm and SiLU  # N C h w"""
    seen = []
    handle = last_layer(vae).register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    try:
        return vae.decode(latents, return_dict=False)[0], seen[0]
    finally:
        handle.remove()


def discriminator(width: int, layers: int) -> nn.Sequential:
    """A PatchGAN: a logit for every place, each of which sees a patch  # N 3 H W, [-1, 1] -> N 1 h w"""
    channels = [3, *(width * min(2**n, 8) for n in range(layers + 1))]
    parts = []
    for n, (before, after) in enumerate(zip(channels[:-1], channels[1:], strict=True)):
        parts += [nn.Conv2d(before, after, 4, 2 if n < layers else 1, 1)]
        parts += ([nn.GroupNorm(min(8, after), after)] if n else []) + [nn.LeakyReLU(0.2)]
    return nn.Sequential(*parts, nn.Conv2d(channels[-1], 1, 4, 1, 1))


class Partitioned(nn.Conv2d):
    """A last convolution (3 x 3, zero padding) on its up-sampled input, `partition` places a side at a time.

    A partition brings one place of its neighbours with it: the result is that of the whole map.
    """

    def __init__(self, convolution: nn.Conv2d, partition: int):
        super().__init__(convolution.in_channels, convolution.out_channels, 3, padding=1)
        self.weight, self.bias, self.partition = convolution.weight, convolution.bias, partition

    def forward(self, features):  # N C h w -> N 3 2h 2w
        height, width = features.shape[2:]
        padded = pad(features, (1, 1, 1, 1))
        return torch.cat([
            torch.cat([self._drawn(padded, y, x) for x in range(0, width, self.partition)], 3)
            for y in range(0, height, self.partition)
        ], 2)

    def _drawn(self, padded, y, x):
        reach = self.partition + 2
        part = enlarge(padded[:, :, y : y + reach, x : x + reach])
        return conv2d(part[:, :, 1:-1, 1:-1], self.weight, self.bias)


class EverySecondPixel(nn.Module):
    """What NanoVAE's unshuffled picture is, made of every second pixel  # N 48 h w -> N 48 h/2 w/2"""

    def forward(self, unshuffled):
        picture = pixel_shuffle(unshuffled, UNSHUFFLED)
        return pixel_unshuffle(picture[:, :, ::SCALE, ::SCALE], UNSHUFFLED)


def _partition_stock(vae, partition):
    first = vae.encoder.conv_in
    first.dilation = first.stride = first.padding = (SCALE, SCALE)  # Diffusion-4K Sec. 4.1: dilation; stride implied
    vae.decoder.conv_out = Partitioned(vae.decoder.conv_out, partition)


def _partition_nano(vae, partition):
    deep, linear = vae.decoder.deep.conv_out, vae.decoder.linear
    quadrants = nn.Conv2d(deep.in_channels, SCALE**2 * deep.out_channels, 3, padding=1)
    flat = nn.ConvTranspose2d(linear.in_channels, SCALE**2 * linear.out_channels, 2, stride=2)
    source = _magnified(deep.out_channels // UNSHUFFLED**2).to(deep.weight.device)
    with torch.no_grad():
        quadrants.weight, flat.weight = nn.Parameter(deep.weight[source]), nn.Parameter(linear.weight[:, source])
        quadrants.bias, flat.bias = nn.Parameter(deep.bias[source]), nn.Parameter(linear.bias[source])
    vae.decoder.deep.conv_out, vae.decoder.linear = quadrants, flat
    vae.decoder = nn.Sequential(vae.decoder, nn.PixelShuffle(SCALE))
    vae.encoder = nn.Sequential(EverySecondPixel(), vae.encoder)


def _magnified(colours):
    """Channel of a block from which each channel of its four magnified quadrants comes  # 4 * colours * 16"""
    block = torch.arange(colours * UNSHUFFLED**2).view(1, colours, UNSHUFFLED, UNSHUFFLED)
    quadrants = enlarge(block.float()).long()  # 1 colours 8 8
    rows = quadrants.view(colours, SCALE, UNSHUFFLED, SCALE, UNSHUFFLED)  # colour, quadrant, pixel down and across
    return rows.permute(0, 2, 4, 1, 3).reshape(-1)

"""nano, the up-scaler of this kit: two networks of 40,000 weights or fewer, for scales 2 and 4, trained on scenes.

Everything happens at the low resolution; each pixel ends as a square of scale x scale. What holds by construction:
    flat stays flat     no biases, and the first filters sum to 0: without contrast there is nothing to add
    consistent          what is added to a pixel's square averages to 0: shrunk by area, the result is the input again
    no seams            a result depends on MARGIN pixels around it and on nothing else, the noise of textures included
Detail comes in two parts: a guess of what is most likely, which is sharp along edges and smooth elsewhere, and texture,
noise shaped and dosed by the network, where the picture has no direction (along an edge noise would fray it). The noise
is a hash of the 3 x 3 pixels around a place, so that it is the same in every tile and every run.

Trained by pretraining/upscaler.py. Lengths and channels are not in paper: choice.
"""
import hashlib
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import cv2
import numba
import numpy as np
import torch
from safetensors.torch import load
from torch import nn
from torch.nn import functional as F

ASSET = Path(__file__).parent / "assets" / "nano_upscaler.safetensors"
SCALES = (2, 4)
WIDTH = {2: 16, 4: 32}  # channels; the input of scale 2 has four times the pixels
NOISE = 16  # channels of the noise at a place
MARGIN = 5  # pixels that a result sees on each side


class Network(nn.Module):
    """Enlarges by one scale. All convolutions are unpadded: the result lacks MARGIN pixels on each side."""

    def __init__(self, scale):
        super().__init__()
        self.scale, squares, width = scale, scale**2, WIDTH[scale]
        self.head = nn.Conv2d(3, width, 5, bias=False)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, bias=False) for _ in range(2))
        self.linear = nn.Conv2d(3, 3 * squares, 5, bias=False)
        self.tail = nn.Conv2d(width, 3 * squares, 3, bias=False)
        self.dose = nn.Conv2d(width, NOISE, 1, bias=False)
        self.shape = nn.Conv2d(NOISE, squares, 3, bias=False)
        nn.init.zeros_(self.linear.weight)
        for last in (self.tail, self.shape):
            nn.init.normal_(last.weight, std=0.01)

    def forward(self, x, noise):
        """The likely picture and the texture to add to it.  # N 3 H W, [0, 255] and N NOISE H-8 W-8 -> N sH sW 3, twice

        Texture is the same in the three channels, and no gradient goes from it into the likely picture.
        """
        features = F.relu(F.conv2d(x, _without_sum(self.head.weight)))
        for layer in self.body:
            features = F.relu(layer(features)) + features[:, :, 1:-1, 1:-1]
        detail = F.conv2d(x[:, :, 3:-3, 3:-3], self._without_mean(_without_sum(self.linear.weight), 3))
        detail = detail + F.conv2d(features, self._without_mean(self.tail.weight, 3))
        doses = self.dose(features.detach()).abs() * undirected(x)[:, :, 1:-1, 1:-1]
        texture = F.conv2d(doses * noise, self._without_mean(self.shape.weight, 1))
        pixels = x[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN].repeat(1, self.scale**2, 1, 1)
        return self._squares(pixels + detail), self._squares(texture)

    def _without_mean(self, weight, channels):
        """Filters of which the `channels` outputs of a square average to 0 over it."""
        square = weight.unflatten(0, (self.scale**2, channels))
        return (square - square.mean(0)).flatten(0, 1)

    def _squares(self, channels):
        """Channels (row, column, colour) of a pixel become its square.  # N C H W -> N sH sW C/s^2"""
        s, (n, c, height, width) = self.scale, channels.shape
        apart = channels.permute(0, 2, 3, 1).reshape(n, height, width, s, s, c // s**2)
        return apart.transpose(2, 3).reshape(n, s * height, s * width, c // s**2)


def undirected(x):
    """How much the contrast around a pixel has no direction: 0 along a straight edge, 1 if all directions are equal.

    N 3 H W -> N 1 H-6 W-6: twice the share of the smaller eigenvalue of the structure tensor of the three channels,
    over 5 x 5 pixels.
    """
    across = x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]
    down = x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]
    tensor = torch.stack([(across * across).sum(1), (down * down).sum(1), (across * down).sum(1)], 1)
    xx, yy, xy = F.avg_pool2d(tensor, 5, 1).split(1, 1)
    energy = xx + yy
    return ((energy - torch.sqrt((xx - yy) ** 2 + 4 * xy**2)) / (energy + 1e-3)).clamp(min=0)  # 1e-3 levels^2: 0 / 0


def _without_sum(weight):
    return weight - weight.mean((2, 3), keepdim=True)


@numba.njit(cache=True, nogil=True)
def hash_noise(tile):
    """Noise at each inner pixel, a hash of the 3 x 3 around it.  # H W 3 uint8 -> NOISE H-2 W-2, uniform, variance 1"""
    height, width, _ = tile.shape
    noise = np.empty((NOISE, height - 2, width - 2), np.float32)
    mask, limit = np.uint64(0xFFFFFFFF), np.float32(np.sqrt(3.0))
    for y in range(height - 2):
        for x in range(width - 2):
            seed = np.uint64(2166136261)  # FNV-1a
            for i in range(3):
                for j in range(3):
                    for c in range(3):
                        seed = ((seed ^ np.uint64(tile[y + i, x + j, c])) * np.uint64(16777619)) & mask
            for k in range(NOISE):
                h = (seed + np.uint64(k + 1) * np.uint64(0x9E3779B9)) & mask  # then the finalizer of MurmurHash3
                h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & mask
                h = ((h ^ (h >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & mask
                h = (h ^ (h >> np.uint64(16))) >> np.uint64(8)
                noise[k, y, x] = limit * (np.float32(h) / np.float32(2**23) - 1)
    return noise


class NanoUpscaler:
    """The trained networks as an up-scaler (models/upscalers.py)."""

    name, margin = "nano", MARGIN

    def __init__(self, networks, version):
        self._networks, self.version = networks, version

    def __call__(self, tile, scale, prompt=""):
        """Without a margin around it, the tile's border is mirrored.  Raises ValueError for a scale other than 2, 4."""
        if scale not in self._networks:
            raise ValueError(f"nano enlarges {SCALES[0]}x and {SCALES[1]}x, not {scale}x")
        seen = cv2.copyMakeBorder(tile, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REFLECT)
        noise = torch.from_numpy(hash_noise(seen))[None, :, 3:-3, 3:-3]
        x = torch.from_numpy(seen).permute(2, 0, 1)[None].float()
        with torch.inference_mode(), _one_thread():
            likely, texture = self._networks[scale](x.contiguous(memory_format=torch.channels_last), noise)
            return likely.add_(texture).clamp_(0, 255)[0].numpy()


@contextmanager
def _one_thread():
    """Tiles run beside each other; torch's own threads would only get in their way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def pack(networks):
    """The networks' weights in half precision, by name.  networks: scale -> Network"""
    return {f"x{scale}.{name}": weight.detach().half().contiguous()
            for scale, network in networks.items() for name, weight in network.state_dict().items()}


def unpack(weights):
    """The networks of what `pack` gave.  Returns scale -> Network"""
    networks = {scale: Network(scale) for scale in SCALES}
    for scale, network in networks.items():
        network.load_state_dict({name: weights[f"x{scale}.{name}"].float() for name in network.state_dict()})
        network.eval().to(memory_format=torch.channels_last)
    return networks


@lru_cache
def load_asset():
    """The shipped up-scaler."""
    data = ASSET.read_bytes()
    return NanoUpscaler(unpack(load(data)), hashlib.sha256(data).hexdigest()[:12])

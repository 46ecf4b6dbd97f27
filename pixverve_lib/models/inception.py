"""The Inception network of FID: torch-fidelity's class with the weights of 2015-12-05, read without unpickling code.

Their place is PyTorch's hub cache (TORCH_HOME moves it). Pictures meet the network as in torchmetrics 1.9, which the
released evaluation uses: an antialiased bilinear resize to 299 px, (x - 128) / 128, 2048 features of the last pool.
"""
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from pixverve_lib.models.aesthetics import WeightsMissing, read_state, unusable
from pixverve_lib.models.shrinking import shrunk

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"  # of that file
SIDE = 299  # Sec. 3.3.1: pixels
CHUNK = 20  # pictures in the network at once: the patches of one picture


def default_path():
    """Where torch-fidelity and torchmetrics keep the weights once downloaded."""
    return Path(torch.hub.get_dir()) / "checkpoints" / URL.rpartition("/")[2]


def load(path=None):
    """A function (pictures) -> N 2048 float32 of pictures H W 3 uint8 of any size, held in memory only in bands.

    path: .pth or .safetensors file, by default the hub cache's. Raises WeightsMissing, for a file that cannot be used
    as well.
    """
    path = Path(path).expanduser() if path else default_path()
    if not path.is_file():
        where = str(path).replace(str(Path.home()), "~")
        raise WeightsMissing(f"no Inception weights at {where}; download them from {URL}")
    try:
        return Inception(read_state(path))
    except Exception as error:  # each kind of file fails in its own way
        raise unusable(path, error) from error


def empty():
    """torch-fidelity's module with shapes but no values: its own way to load unpickles, which may run code."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3 as Network
    with torch.device("meta"), patch.object(Network, "load_state_dict"), \
            patch(f"{Network.__module__}.load_state_dict_from_url"):
        return Network("inception-v3-compat", ["2048"])


class Inception:
    """The network up to its last pool; `network` is torch-fidelity's module."""

    def __init__(self, state):
        """state: name -> tensor, as `state_dict()` of the class gives."""
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        network = empty()
        network.load_state_dict(state, assign=True)
        self.network = network.to(self.device).eval()
        layers = [layer for name, layer in network.named_children() if name != "fc"]
        self.trunk = nn.Sequential(*layers, nn.Flatten())  # its own `forward` resizes without antialias first

    @torch.inference_mode()
    def __call__(self, pictures):
        chunks = [pictures[n:n + CHUNK] for n in range(0, len(pictures), CHUNK)]
        return torch.cat([self.trunk(self._seen(chunk)).cpu() for chunk in chunks]).numpy()

    def _seen(self, pictures):
        small = torch.stack([shrunk(picture, SIDE, SIDE) for picture in pictures])
        return (small.to(self.device) - 128) / 128

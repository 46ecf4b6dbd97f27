"""LPIPS (Zhang et al. 2018, version 0.1 on AlexNet, what pyiqa calls `lpips`), one of the three metrics of Sec. 3.1.4.

Two files are needed, where PyTorch keeps what it has downloaded (TORCH_HOME moves that folder): AlexNet of torchvision
and the layer weights of LPIPS. They are read as tensors only, never unpickled.
"""
import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np

from pixverve_lib.models.aesthetics import WeightsMissing

TRUNK = "checkpoints/alexnet-owt-7be5be79.pth"
LAYERS = "pyiqa/LPIPS_v0.1_alex-df73285e.pth"
PATCH = 512  # pixels, the longest side that meets the network (not in paper: choice)


def network():
    """pyiqa's LPIPS with random weights; its own constructor would download the trunk's and unpickle them."""
    from pyiqa.archs import lpips_arch  # after `load` has seen the weights: 5 s
    from torchvision.models import alexnet
    with patch.object(lpips_arch, "models", SimpleNamespace(alexnet=lambda weights: alexnet())):
        return lpips_arch.LPIPS(net="alex", pretrained=False)


def load(folder=None):
    """A function (a, b) -> LPIPS of two pictures  # H W 3 uint8, at least 31 px a side; 0 for equal ones.

    folder: as of `load_network`. Raises WeightsMissing.
    """
    net = load_network(folder)
    return lambda a, b: distance(net, a, b)


def load_network(folder=None):
    """pyiqa's LPIPS with its weights, on the GPU where there is one: (a, b)  # N 3 H W in [0, 1] -> N, for losses too.

    folder: where TRUNK and LAYERS are, PyTorch's own by default. Raises WeightsMissing.
    """
    folder = Path(folder or _hub())
    if lacking := [name for name in (TRUNK, LAYERS) if not (folder / name).is_file()]:
        where = str(folder).replace(str(Path.home()), "~")
        raise WeightsMissing(f"LPIPS: no {' and no '.join(lacking)} in {where}; with network, "
                             "`python -c \"import pyiqa; pyiqa.create_metric('lpips')\"` puts them there")
    import torch  # here and below: 5 s, and mostly for nothing
    net, state = network(), {}
    trunk, layers = (torch.load(folder / name, map_location="cpu", weights_only=True) for name in (TRUNK, LAYERS))
    for key in net.state_dict():
        if key.startswith("net."):  # net.slice2.3.weight is AlexNet's features.3.weight
            state[key] = trunk["features." + key.split(".", 2)[2]]
        elif key.startswith("lin"):  # each of them has two names: lin0.model.1.weight, lins.0.model.1.weight
            state[key] = layers["lin" + key.removeprefix("lins.").removeprefix("lin")]
    net.load_state_dict(state, strict=False)  # what is left are the constants of the scaling layer
    return net.to("cuda" if torch.cuda.is_available() else "cpu")


def _hub():
    """What torch.hub.get_dir() says, without the seconds that importing torch takes."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "torch")
    return Path(home).expanduser() / "hub"


def distance(net, a, b):
    """Mean over the patches that a picture divides into evenly, PATCH px a side or less, weighted by area.

    Zero padding at the patches' borders makes it differ a little from the whole picture's, which would need gigabytes.
    About 1.1 s a megapixel on one core.
    """
    if a.shape != b.shape:
        raise ValueError(f"LPIPS compares pictures of one size, not {a.shape} with {b.shape}")
    rows, columns = _cuts(a.shape[0]), _cuts(a.shape[1])
    total = 0.0
    for y in rows:
        for x in columns:
            total += _patch_distance(net, a[y, x], b[y, x]) * (y.stop - y.start) * (x.stop - x.start)
    return total / (a.shape[0] * a.shape[1])


def _cuts(length):
    bounds = np.linspace(0, length, -(-length // PATCH) + 1).round().astype(int)
    return [slice(start, stop) for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]


def _patch_distance(net, a, b):
    import torch
    device = next(net.parameters()).device
    a, b = (torch.from_numpy(np.ascontiguousarray(p)).to(device).permute(2, 0, 1)[None] / 255 for p in (a, b))
    with torch.inference_mode():
        return float(net(a, b))

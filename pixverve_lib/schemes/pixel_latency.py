"""Scheme III timed at full size: the real architecture with random weights, since weights do not change seconds."""
import time
from collections.abc import Sequence

import pandas as pd
import torch

from pixverve_lib.kit.progress import progress
from pixverve_lib.models import zimage_pixel
from pixverve_lib.models.pixel_head import TILE
from pixverve_lib.models.zimage_pixel import GUIDANCE, STEPS
from pixverve_lib.paper.training import SIDES
from pixverve_lib.schemes.cost_model import ZIMAGE_TEXT

COLUMNS = ["scale", "side", "patch", "tokens", "trunk", "head", "step", "picture", "peak_gb"]
REPEATS = 3  # not in paper: choice


def measure(scales: Sequence[str] = tuple(SIDES), repeats: int = REPEATS, tile: int = TILE,
            patches: dict[str, int] = zimage_pixel.PATCHES) -> pd.DataFrame:
    """Rows of `timed` for each scale on this machine's GPU; without one it says so in a line and the frame is empty.

    patches: pixels a token at each scale; {"10K": 320} times the printed one.
    """
    if not torch.cuda.is_available():
        print("No GPU here: seconds at full size are measured with BUDGET=gpu on a machine that has one.")
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    with progress(len(scales), "latency of Scheme III", unit="scales") as count:
        for scale in scales:
            torch.cuda.reset_peak_memory_stats()
            network = zimage_pixel.build(scale, "cuda", patch=patches[scale])
            rows.append({"scale": scale, **timed(network, SIDES[scale], repeats, tile)})
            del network
            torch.cuda.empty_cache()
            count("ok")
    return pd.DataFrame(rows, columns=COLUMNS)


@torch.inference_mode()
def timed(network: zimage_pixel.PixelZImage, side: int, repeats: int = REPEATS, tile: int = TILE) -> dict:
    """Medians for a square picture (pixels): seconds of trunk and head in a forward, of a guided step, of a picture.

    peak_gb: the most that its GPU held; NaN on a CPU. The first, slower call of each is left out.
    """
    device = network.local_decoder.out_conv.weight.device
    x, sigma = torch.randn(1, 3, side, side, device=device), torch.ones(1, device=device)
    text = torch.randn(ZIMAGE_TEXT, network.config.cap_feat_dim, device=device)
    features = network.features(x, sigma, [text])
    dtype = features.dtype
    found = {
        "trunk": _median(repeats, network.features, x, sigma, [text]),
        "head": _median(repeats, network.local_decoder.tiled, x.to(dtype), features, tile),
        "step": _median(repeats, zimage_pixel.step, network, x, 1.0, 0.98, [text, text], GUIDANCE, tile),
    }
    peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else float("nan")
    return {"side": side, "patch": network.patch, "tokens": (side // network.patch) ** 2, **found,
            "picture": STEPS * found["step"], "peak_gb": peak}


def _median(repeats, function, *given):
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function(*given)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return pd.Series(seconds[1:]).median()

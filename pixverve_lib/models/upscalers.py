"""Up-scalers of Sec. 3.1.3 behind one call, `upscaler(tile, scale, prompt)`.

    tile, result    H W 3 uint8 in; scale H, scale W, 3 float32 in [0, 255] out. Same in, same out, from any thread.
    name, margin    attributes: what it is called; pixels that it wants to see around the part that is kept.
    threads         attribute that some have: how many tiles at once are of use.

    bicubic, lanczos     OpenCV's, for reference.
    nano                 the small network of this kit (models/nano_upscaler.py), for scales 2 and 4.
    diffusers:MODEL      any up-scaling pipeline of diffusers, by its id on the hub or its folder.
    odtsr:URL, odtsr:FOLDER    the paper's (models/odtsr.py), on a server or from a checkout.
"""
import hashlib
import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

INTERPOLATIONS = {"bicubic": (cv2.INTER_CUBIC, 2), "lanczos": (cv2.INTER_LANCZOS4, 4)}  # method, reach in pixels
MULTIPLE = 64  # pixels: what the auto-encoders and U-Nets of diffusers' up-scalers divide a side by, at most


class UpscalerMissing(RuntimeError):
    """An up-scaler whose weights, packages or settings are not on this machine; the message says what to get."""


@dataclass(frozen=True)
class Interpolation:
    """Bicubic (a = -0.75) or Lanczos (4 lobes) interpolation."""

    name: str

    @property
    def margin(self):
        return INTERPOLATIONS[self.name][1]

    def __call__(self, tile, scale, prompt=""):
        method, _ = INTERPOLATIONS[self.name]
        larger = cv2.resize(tile.astype(np.float32), None, fx=scale, fy=scale, interpolation=method)
        return np.clip(larger, 0, 255, out=larger)


class Diffusers:
    """An up-scaling pipeline of diffusers. It has its own factor: a larger result is averaged down, a smaller refused.

    pipeline: takes an image, gives a larger one; settings: arguments of its call other than its defaults.
    """

    threads = 1  # schedulers count steps
    margin = 0  # the pipelines know tiles of their own size best; overlaps are feathered by the caller

    def __init__(self, name, pipeline, **settings):
        self.name, self._pipeline, self._settings = name, pipeline, settings
        self._accepts = inspect.signature(pipeline.__call__).parameters
        self._turn = threading.Lock()

    def __call__(self, tile, scale, prompt=""):
        import torch
        from PIL import Image
        height, width = tile.shape[:2]
        padded = cv2.copyMakeBorder(tile, 0, -height % MULTIPLE, 0, -width % MULTIPLE, cv2.BORDER_REFLECT)
        generator = torch.Generator().manual_seed(_seed(tile, prompt))
        offered = {"image": Image.fromarray(padded), "prompt": prompt, "generator": generator, "output_type": "np"}
        arguments = {name: value for name, value in offered.items() if name in self._accepts}
        with self._turn:
            larger = np.asarray(self._pipeline(**arguments, **self._settings).images[0], np.float32) * 255
        return self._cropped(larger, padded, scale)[:scale * height, :scale * width]

    def _cropped(self, larger, padded, scale):
        """At the wanted scale.  Raises ValueError if the pipeline's own factor is smaller."""
        height, width = scale * padded.shape[0], scale * padded.shape[1]
        if larger.shape[0] < height or larger.shape[1] < width:
            raise ValueError(f"{self.name} makes {larger.shape[0] / padded.shape[0]:g}x, not {scale}x: "
                             "choose another pipeline for this tier")
        return larger if larger.shape[:2] == (height, width) else cv2.resize(larger, (width, height),
                                                                             interpolation=cv2.INTER_AREA)


def _seed(tile, prompt):
    """The same noise for the same tile, whatever was done before."""
    digest = hashlib.sha256(tile.tobytes() + prompt.encode())
    return int.from_bytes(digest.digest()[:7], "big")


def load_diffusers(model, **settings):
    """The pipeline of a hub id or a folder, safetensors only, on the GPU if there is one.  Raises UpscalerMissing."""
    import torch
    from diffusers import DiffusionPipeline
    gpu = torch.cuda.is_available()
    try:
        pipeline = DiffusionPipeline.from_pretrained(model, use_safetensors=True,
                                                     torch_dtype=torch.float16 if gpu else torch.float32)
    except Exception as error:  # offline, absent, gated and broken models each raise something else
        why = " ".join(str(error).split())[:200]
        raise UpscalerMissing(f"no up-scaling pipeline {model!r} here and none to be had: download it with "
                              f"`hf download {model}` and name its folder ({why})") from error
    pipeline.set_progress_bar_config(disable=True)
    return Diffusers(f"diffusers:{model}", pipeline.to("cuda" if gpu else "cpu"), **settings)


@lru_cache
def load(name: str) -> Callable[[np.ndarray, int, str], np.ndarray]:
    """The up-scaler of that name, once a process.  Raises UpscalerMissing, and ValueError for an unknown name."""
    kind, _, where = name.partition(":")
    if name in INTERPOLATIONS:
        return Interpolation(name)
    if name == "nano":
        from pixverve_lib.models import nano_upscaler
        return nano_upscaler.load_asset()
    if kind == "diffusers" and where:
        return load_diffusers(where)
    if kind == "odtsr":
        from pixverve_lib.models import odtsr
        return odtsr.load(where)
    raise ValueError(f"{name!r} is none of bicubic, lanczos, nano, diffusers:MODEL, odtsr:URL, odtsr:FOLDER")

"""Pictures of any size made small for a network, in bands: a picture of 100 MP as float32 would take 1.2 GB.

PyTorch's antialiased resize is one pass along rows and one along columns. Here the first runs band by band, so only
its narrow result is ever held; the result equals that of `interpolate` on the whole picture.
"""
import numpy as np
import torch
from torch.nn import functional as F

BAND = 512  # rows turned into float32 at a time


def shrunk(rgb, height, width, mode="bilinear"):
    """A picture resized with antialias  # H W 3 uint8 -> 3 height width float32, about 0 to 255; mode may be bicubic"""
    bands = [_resized(torch.from_numpy(band.astype(np.float32)).permute(2, 0, 1), (len(band), width), mode)
             for band in np.split(rgb, range(BAND, len(rgb), BAND))]
    return _resized(torch.cat(bands, 1), (height, width), mode)


def _resized(picture, size, mode):
    return F.interpolate(picture[None], size=size, mode=mode, align_corners=False, antialias=True)[0]

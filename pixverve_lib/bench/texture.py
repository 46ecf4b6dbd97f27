"""Diffusion-4K's local metrics (Sec. 5.1), its measure of reconstruction, its rule for an evaluation set (Sec. 3.2).

GLCM Score          the asymmetric published variant of imaging/cooccurrence.py, in bits, higher is richer. Eq. 11 is
                    printed with a minus that its own tables do not have (M26).
Compression Ratio   Eq. 12: bytes in memory / bytes of a JPEG of quality 95, lower is richer. Encoder: libjpeg-turbo,
                    accurate DCT, standard Huffman tables; Pillow's default file is within 1 % of it. Encoder and chroma
                    sub-sampling are not printed; 4:2:0 here, and `chroma` shows how much that moves the ratio.
NMSE                read in both ways (M27).
"""
from typing import NamedTuple

import numpy as np
import pandas as pd
import simplejpeg

from pixverve_lib.bench import nano_scores
from pixverve_lib.imaging import reading
from pixverve_lib.imaging.cooccurrence import glcm_scores
from pixverve_lib.paper import related

QUALITY = related.D4K_JPEG_QUALITY
SUBSAMPLINGS = ("420", "422", "444")
SUBSAMPLING = "420"  # not in paper: choice, the default of libjpeg and of Pillow
LONGEST = 65_500  # pixels of a side: what libjpeg-turbo writes


class Nmse(NamedTuple):
    """Two readings of a normalised squared error; `root` is the square root of `ratio`."""

    ratio: float  # mean (x - y)^2 / mean x^2, as UltraFlux's column behaves
    root: float  # RMSE / root mean square of x, as Diffusion-4K's column behaves


def compression_ratio(rgb, subsampling=SUBSAMPLING):
    """M_o / M_c of a picture  # H W 3 uint8, contiguous or it is copied once.

    Beside the picture it takes about two times the file in memory (0.24 GB for 100 MP of noise). Raises TypeError for
    other arrays, ValueError for a side above 65,500 pixels.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise TypeError(f"the Compression Ratio is of H x W x 3 of uint8, not of {rgb.shape} of {rgb.dtype}")
    if max(rgb.shape[:2]) > LONGEST:
        raise ValueError(f"JPEG ends at {LONGEST} pixels a side, this picture has {max(rgb.shape[:2])}: measure tiles")
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), QUALITY, colorsubsampling=subsampling, fastdct=False)
    return rgb.size / len(data)


def measure(rgb):
    """{"GLCM Score": bits, NaN below 64 px a side; "Compression Ratio"} of a picture  # H W 3 uint8"""
    return {"GLCM Score": glcm_scores(rgb).published_asymmetric, "Compression Ratio": compression_ratio(rgb)}


def chroma(pictures):
    """A row a picture: picture, then its Compression Ratio at 4:2:0, 4:2:2 and 4:4:4.  pictures: {name: rgb}"""
    rows = [(name, *(compression_ratio(rgb, subsampling=kind) for kind in SUBSAMPLINGS))
            for name, rgb in pictures.items()]
    return pd.DataFrame(rows, columns=["picture", *SUBSAMPLINGS])


def nmse(original, reconstruction):
    """Nmse of two arrays of one shape and of values from 0 on (0..1 or 0..255 alike; -1..1 would be another number).

    NaN where the original is black. Raises ValueError for different shapes.
    """
    if original.shape != reconstruction.shape:
        raise ValueError(f"NMSE compares equal shapes, not {original.shape} with {reconstruction.shape}")
    error = signal = 0.0
    for x, y in zip(original, reconstruction, strict=True):  # a row at a time: 100 MP would be 2.4 GB as floats
        x = np.asarray(x, np.float64)
        error, signal = error + np.square(x - y).sum(), signal + np.square(x).sum()
    ratio = float(error / signal) if signal else float("nan")
    return Nmse(ratio, ratio**0.5)


def aesthetic_eval(sizes, short_side=related.D4K_EVAL_SIDE):
    """Rows of a frame that Aesthetic-Eval would take: the shorter side is *above* short_side (2048; 4096 for @4096).

    sizes: columns height and width in pixels; rows below 6.5 of a column `aesthetics` go too, where there is one; a row
    without a number is not taken. Raises ValueError for a frame without the columns.
    """
    if missing := [name for name in ("height", "width") if name not in sizes]:
        raise ValueError(f"Aesthetic-Eval is chosen by size: the frame lacks {' and '.join(missing)}")
    taken = (sizes.height > short_side) & (sizes.width > short_side)
    if "aesthetics" in sizes:
        taken &= sizes.aesthetics >= related.D4K_LAION_AESTHETICS_MIN
    return sizes[taken]


def evaluation_sets(sizes):
    """A row a set: short_side (above which), pictures, share of `sizes`.  sizes: as for aesthetic_eval"""
    sides = (related.D4K_EVAL_SIDE, related.D4K_EVAL_4K_SIDE)
    counts = [len(aesthetic_eval(sizes, side)) for side in sides]
    return pd.DataFrame({"short_side": sides, "pictures": counts,
                         "share": [count / len(sizes) if len(sizes) else float("nan") for count in counts]})


def beside_scores(paths, prompts):
    """nano_scores.values of pictures of the first prompts, and the means of both indices, GLCM and CR."""
    means = pd.DataFrame([measure(reading.read_rgb(path)) for path in paths]).mean()
    return nano_scores.values(paths, prompts) | {"GLCM": means["GLCM Score"], "CR": means["Compression Ratio"]}

"""GLCM Score, MSFI and ICS among pyiqa's metrics: import this module, then `pyiqa.create_metric("pixverve_glcm")`.

A metric takes what pyiqa takes (a path, or a batch N C H W of RGB or gray in 0..1), is higher for better pictures,
gives N float64, and has no gradient. Options are keywords of create_metric, captions one of the call:

    pyiqa.create_metric("pixverve_glcm", variant="formula")
    pyiqa.create_metric("pixverve_msfi", judge=endpoint_judge.from_environment("replies"))
    pyiqa.create_metric("pixverve_ics", judge=...)("picture.jpg", caption="A long caption.")
"""
import warnings

import numpy as np
import torch
from pyiqa.default_model_configs import DEFAULT_CONFIGS
from pyiqa.utils.registry import ARCH_REGISTRY
from torch import nn

from pixverve_lib.bench import ics, msfi
from pixverve_lib.bench.lengths import PAPER
from pixverve_lib.imaging.cooccurrence import glcm_scores


class PixverveGlcm(nn.Module):
    """variant: `published` (what the released code computes) or `formula` (Sec. F.1); symmetric: PixVerve's, bits."""

    def __init__(self, variant="published", symmetric=True):
        super().__init__()
        if variant not in ("published", "formula"):
            raise ValueError(f"pixverve_glcm: variant is `published` or `formula`, not {variant!r}")
        self.score = f"{variant}_{'symmetric' if symmetric else 'asymmetric'}"

    def forward(self, x):
        return _scores([getattr(glcm_scores(rgb), self.score) for rgb in _pictures(x)])


class PixverveMsfi(nn.Module):
    """judge: a models.judging.Judge, the classical one by default; lengths: those of patches and reduced pictures;
    patch_seed: draws the random patches. A picture without a score is NaN, with a warning that says why.
    """

    def __init__(self, judge=None, lengths=PAPER, patch_seed=0):
        super().__init__()
        self.judge, self.lengths, self.patch_seed = judge or _classical(), lengths, patch_seed

    def forward(self, x):
        rows = [msfi.measure(_colour(rgb), self.judge, self.lengths, self.patch_seed) for rgb in _pictures(x)]
        return _told(rows, "msfi")


class PixverveIcs(nn.Module):
    """judge: a models.judging.Judge that rates compliance. caption, at the call: the long one, or a list of N."""

    def __init__(self, judge=None):
        super().__init__()
        if judge is None:
            raise ValueError('pixverve_ics: give it a judge=, such as endpoint_judge.from_environment("replies")')
        self.judge = judge

    def forward(self, x, caption):
        captions = [caption] * len(x) if isinstance(caption, str) else caption
        pairs = zip(_pictures(x), captions, strict=True)
        return _told([ics.measure(_colour(rgb), text, self.judge) for rgb, text in pairs], "ics")


def _classical():
    from pixverve_lib.bench import classical_judge  # with its calibration, which other metrics don't need
    return classical_judge.judge()


def _pictures(x):
    """A batch N C H W in 0..1 as pictures H W 3 or H W uint8, one at a time, exactly those that were read."""
    for picture in x.detach():
        levels = picture.mul(255).round_().to(torch.uint8).cpu().numpy()
        yield levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0))


def _colour(picture):
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def _told(rows, key):
    for number, row in enumerate(rows):
        if row["missing"]:
            warnings.warn(f"picture {number}: {row['missing']} missing: {row['why']}", stacklevel=2)
    return _scores([row[key] for row in rows])


def _scores(values):
    return torch.tensor(values, dtype=torch.float64)


def _register(name, network, score_range):
    ARCH_REGISTRY.register(network, override=True)
    DEFAULT_CONFIGS[name] = {
        "metric_opts": {"type": network.__name__}, "metric_mode": "NR", "score_range": score_range}


_register("pixverve_glcm", PixverveGlcm, "0, ~3")  # the formula's: 0, 12
_register("pixverve_msfi", PixverveMsfi, "1.2, 10")
_register("pixverve_ics", PixverveIcs, "0.316, 10")

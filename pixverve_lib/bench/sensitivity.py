"""How each metric answers to known damage: clean scenes against the same scenes blurred, noisy, enlarged, compressed.

Claim of Sec. 3.3.1: FID sees pictures of 299 px "and neglects details", which FID_patch does not.
"""
import numpy as np
import pandas as pd

from pixverve_lib.bench import distribution, msfi
from pixverve_lib.imaging import distances
from pixverve_lib.imaging.cooccurrence import glcm_scores
from pixverve_lib.kit.progress import progress
from pixverve_lib.scenes import artefact_damage, primer

SWEEPS = {  # name: (damage of scenes/artefact_damage.py, what is set), mild to strong; not in paper: choice
    "blur, px": ("blur", (0.5, 1, 2, 4)),
    "noise, levels": ("noise", (2, 4, 8, 16)),
    "nearest-pixel enlargement": ("aliasing", (2, 3, 4)),
    "JPEG quality": ("blocking", (95, 80, 40, 15)),  # 95 is what good JPEG files suffer (the released code reads JPEG)
}
DRAWINGS = 5  # clean sets, whose spread is the unit
JUDGED = 8  # pictures of a set that the judge rates


def measure(backends, lengths, side, count=24, seed=0):
    """A frame: damage, severity (1, 2, ... in the order of SWEEPS), level (what was set), metric, value, relative.

    relative: the difference to the mean of clean drawings of the same scenes, in their standard deviations. Distances
    are to one more clean drawing. side: of the scenes, in px; count: of scenes.
    """
    prompts = primer.bench_prompts()[:count]
    *clean, reference = [[primer.draw(prompt.spec, side, np.random.default_rng((seed, turn, number)))
                          for number, prompt in enumerate(prompts)] for turn in range(DRAWINGS + 1)]
    steps = [(name, step, kind, level) for name, (kind, levels) in SWEEPS.items()
             for step, level in enumerate(levels, 1)]
    against = _features(reference, backends, lengths)
    with progress(DRAWINGS + len(steps), "damaged scenes") as done:
        def values(pictures):
            found = _values(pictures, against, backends, lengths, seed)
            done("ok")
            return found
        usual = pd.DataFrame([values(pictures) for pictures in clean])
        spoilt = [values([artefact_damage.spoil(rgb, kind, level, seed + n) for n, rgb in enumerate(clean[0])])
                  for _, _, kind, level in steps]
    rows = [(name, step, level, metric, value, (value - usual[metric].mean()) / usual[metric].std())
            for (name, step, _, level), found in zip(steps, spoilt, strict=True) for metric, value in found.items()]
    return pd.DataFrame(rows, columns=["damage", "severity", "level", "metric", "value", "relative"])


def _values(pictures, against, backends, lengths, seed):
    whole, patches = _features(pictures, backends, lengths)
    judged = [msfi.measure(rgb, backends.judge, lengths, seed)["msfi"] for rgb in pictures[:JUDGED]]
    return {"fid": distances.frechet(whole, against[0]), "fid_patch": distances.frechet(patches, against[1]),
            "glcm_score": np.mean([glcm_scores(rgb).published_symmetric for rgb in pictures]), "msfi": np.mean(judged)}


def _features(pictures, backends, lengths):
    """(of whole pictures, of patches), N D each."""
    side = len(pictures[0])
    places = distribution.places([side] * len(pictures), lengths)
    whole = [distribution.whole_features(rgb, backends.features, side) for rgb in pictures]
    patches = [distribution.patch_features(rgb, backends.features, lengths, at, side)
               for rgb, at in zip(pictures, places, strict=True)]
    return np.concatenate(whole), np.concatenate(patches)

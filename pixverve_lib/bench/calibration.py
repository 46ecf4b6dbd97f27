"""How well the classical judge follows damage of known severity, and how its limits were fitted (both on drawn scenes).

The limits come from the scenes of FITTED, the table from those of HELD_OUT or from any other clean pictures. Damage
that changes a picture by less than VISIBLE levels on average even at its strongest (halos on a blank patch) is left
out: n says how many pictures are left.
"""
import cv2
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from pixverve_lib.bench import classical_judge
from pixverve_lib.imaging import fidelity_measures
from pixverve_lib.kit.progress import progress
from pixverve_lib.scenes import camera, fidelity_damage, layouts, primer, render

FITTED, HELD_OUT = 1, 2  # seeds
VISIBLE = 0.7  # levels; not in paper: choice
CLEAN = (75, 95)  # percentiles of clean pictures; not in paper: choice
MEASURED = {  # damage -> the measure that is made for it
    "lattice": "repetition", "warp": "dispersal", "gradient": "slope", "disjoint": "jumps", "banding": "banding",
    "bleeding": "bleeding", "chroma noise": "chroma noise", "checkerboard": "checkerboard", "aliasing": "aliasing",
    "halos": "halos", "over-smoothing": "over-smoothing", "repetition": "texture repetition", "jitter": "raggedness",
    "staircase": "stairs", "blurred region": "uneven sharpness",
}
COLUMNS = ["sub-dimension", "damage", "measured", "spearman", "clean rating", "strongest", "n"]


def wholes(seed, count=2):
    """Clean whole pictures {name: H W 3 uint8}: `count` scenes a layout, and four times as many of the primer."""
    found, rng = {}, np.random.default_rng(seed)
    for layout, number in _numbered(seed, count):
        found[f"{layout} {number}"] = _recorded(render.draw(layouts.compose(layout, number), 256, 384), number)
    for number in range(4 * count):  # as bench/msfi.py shows them: whole pictures at 128 px
        drawn = primer.draw(primer.sample(rng), (256, 512)[number % 2], rng)
        found[f"primer {number}"] = cv2.resize(drawn, (128, 128), interpolation=cv2.INTER_AREA)
    return found


def patches(seed, count=2):
    """Clean patches {name: H W 3 uint8}: 256 px of 2560 x 3840 px scenes, and 32 and 64 px ones of the primer."""
    found, rng = {}, np.random.default_rng(seed)
    for layout, number in _numbered(seed, count):
        top, left = rng.integers(0, (2560 - 256, 3840 - 256)).tolist()
        cut = render.window(layouts.compose(layout, number), 2560, 3840, top, left, 256, 256)
        found[f"{layout} {number}"] = _recorded(cut, number)
    for number in range(8 * count):
        side, size = ((32, 256), (64, 512))[number % 2]
        found[f"primer {number}"] = _busiest(primer.draw(primer.sample(rng), size, rng), side)
    return found


def _numbered(seed, count):
    return [(layout, 100 * seed + number) for layout in layouts.LAYOUTS for number in range(count)]


def _recorded(rgb, seed):
    return np.concatenate(list(camera.record(rgb, seed)))


def _busiest(rgb, side):
    """The patch in which most happens, as most of MSFI's are (Sec. 3.1.4)."""
    steps = np.abs(cv2.Sobel(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_32F, 1, 1))
    row, column = np.unravel_index(cv2.blur(steps, (side, side)).argmax(), steps.shape)
    top, left = (int(np.clip(middle - side // 2, 0, len(rgb) - side)) for middle in (row, column))
    return rgb[top:top + side, left:left + side]


def measured(pictures, kinds, measure):
    """A row for each clean and each damaged picture: sub_dimension, damage, severity (0: clean; 1, 2, 3), values.

    kinds: fidelity_damage.GLOBAL or LOCAL; measure: of a picture. Clean rows come once for each kind of damage.
    """
    rows, damages = [], [(key, kind, *steps) for key, found in kinds.items() for kind, steps in found.items()]
    with progress(len(pictures), "planted damage", unit="pictures") as count:
        for seed, rgb in enumerate(pictures.values()):
            clean = measure(rgb)
            for key, kind, *steps in damages:
                spoilt = [fidelity_damage.spoil(rgb, kind, step, seed) for step in steps]
                if np.abs(spoilt[-1].astype(int) - rgb).mean() >= VISIBLE:
                    values = [clean, *map(measure, spoilt)]
                    rows += [(key, kind, severity, value) for severity, value in enumerate(values)]
            count("rated")
    return pd.DataFrame(rows, columns=["sub_dimension", "damage", "severity", "values"])


def limits(seed=FITTED):
    """{measure: (low, high)}, as classical_judge.LIMITS has them but for halos.

    low: the first percentile CLEAN of clean pictures; high: the median of pictures with the strongest of the damage it
    is made for, or the second percentile of clean ones if that is higher. About two minutes.
    """
    found = {}
    for pictures, kinds, measure in _both(seed):
        for damage, rows in measured(pictures, kinds, measure).groupby("damage", sort=False):
            values = pd.Series([one[MEASURED[damage]] for one in rows["values"]], index=rows.severity)
            low, least = np.percentile(values[0], CLEAN).round(3).tolist()
            found[MEASURED[damage]] = (low, max(least, round(float(values[3].median()), 3)))
    return found


def _both(seed):
    return ((wholes(seed), fidelity_damage.GLOBAL, fidelity_measures.whole),
            (patches(seed), fidelity_damage.LOCAL, fidelity_measures.part))


def table(whole_pictures, patch_pictures):
    """A frame with a row a damage: sub-dimension, damage, measured, spearman, clean rating, strongest, n.

    spearman: rank correlation of severity 0..3 with the rating of its sub-dimension, over all n pictures at once (ideal
    about -1); clean rating, strongest: means of the rating. Pictures: clean, {name: H W 3 uint8}; {}: no such rows.
    """
    local = fidelity_damage.LOCAL
    asked = ((whole_pictures, fidelity_damage.GLOBAL, classical_judge.rate_global),
             (patch_pictures, local, lambda rgb: classical_judge.rate_local(rgb, rgb, (0, 0, 1, 1))))
    found = pd.concat([measured(pictures, kinds, rate) for pictures, kinds, rate in asked if pictures])
    rows = [_row(*names, one) for names, one in found.groupby(["sub_dimension", "damage"], sort=False)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(key, damage, found):
    ratings = pd.Series([one[key] for one in found["values"]], index=found.severity)
    rho = spearmanr(ratings.index, ratings).statistic if ratings.nunique() > 1 else 0.0
    means = ratings.groupby(level=0).mean()
    return key, damage, MEASURED[damage], rho, means[0], means[3], (ratings.index == 0).sum()

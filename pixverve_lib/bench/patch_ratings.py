"""Diffusion-4K's Tab. 2: do indices of a patch agree with how much visual detail people see in it (Sec. 5.1)?

Five people rate patches from 1 to 10, their mean is set against each metric by SRCC and PLCC. The pictures, patches and
ratings of the paper are not public: `read` takes ratings of your own, and `simulated` makes some for built-in patches
whose detail is known by construction. What comes of simulated raters shows the protocol and is no evidence of people.
"""
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import stats

from pixverve_lib.bench import bootstrap, related_metrics, texture
from pixverve_lib.kit.artefacts import write_bytes_atomically
from pixverve_lib.kit.progress import progress
from pixverve_lib.models.aesthetics import WeightsMissing
from pixverve_lib.paper import related
from pixverve_lib.scenes import artefact_damage, layouts, render

SCALE = related.D4K_RATING_LOW, related.D4K_RATING_HIGH
COLUMNS = ("patch", "rater", "rating")
SIDES = (64, 128, 256, 512)  # pixels of a patch; not in paper: choice
LEVELS = (1, 2, 4, 8)  # a patch is made so many times smaller, then enlarged to its side; not in paper: choice
HEIGHT = 4096  # pixels of the picture that a patch is cut from: Diffusion-4K's scale
INDICES = {"GLCM Score": True, "Compression Ratio": False}  # metric: whether higher means more detail
OTHERS = ("MUSIQ", "MANIQA", "PIQE", "Entropy")  # the last two need no weights; not in paper: choice
RATER_BIAS, RATER_NOISE = 0.7, 1.5  # points, standard deviations; not in paper: choice
FOOLERS = (("noise", 10), ("blocking", 15), ("ringing", 0.4), ("blur", 1.5))  # of artefact_damage.KINDS


class RatingsUnusable(ValueError):
    """A file of ratings that cannot be used; one line that says where and why."""


@dataclass(frozen=True)
class Patch:
    """A built-in patch. detail: 0 (enlarged eight times) to 1 (as drawn), known by construction."""

    name: str
    rgb: np.ndarray  # side side 3 uint8
    detail: float


def built_in(count=40, sides=SIDES, seed=0):
    """Patches of built-in scenes of 4096 px, all layouts, sides and levels of detail in turn."""
    rng, patches = np.random.default_rng(seed), []
    with progress(count, "patches", unit="patches") as done:
        for number in range(count):
            layout = layouts.LAYOUTS[number % len(layouts.LAYOUTS)]
            level = LEVELS[number // len(layouts.LAYOUTS) % len(LEVELS)]
            rgb = coarsened(_drawn(layout, int(rng.choice(sides)), rng), level)
            patches.append(Patch(f"patch-{number:03d}", rgb, 1 - math.log2(level) / math.log2(max(LEVELS))))
            done("done")
    return patches


def coarsened(rgb, level):
    """The same patch as a picture `level` times smaller would show it: averaged down, enlarged by cubic splines.

    rgb: H W 3 uint8, left as it is. Raises ValueError unless level divides both sides.
    """
    height, width = rgb.shape[:2]
    if height % level or width % level:
        raise ValueError(f"a level of {level} must divide the sides, not {height} x {width}")
    if level == 1:
        return rgb
    small = cv2.resize(rgb, (width // level, height // level), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def _drawn(layout, side, rng):
    """A square of a random scene of HEIGHT px, at a random place  # side side 3 uint8"""
    scene = layouts.compose(layout, int(rng.integers(1 << 16)), aspect=1.0)
    return render.window(scene, HEIGHT, HEIGHT, *rng.integers(0, HEIGHT - side, 2).tolist(), side, side)


def examples(seed=0):
    """Fig. 4's question as rows: layout, kind, rgb, GLCM Score, Compression Ratio; four kinds of one place a layout:
    as drawn, enlarged from 4 times smaller, and that with noise and as a coarse JPEG, which add no detail.
    """
    rng, rows = np.random.default_rng(seed), []
    for layout in layouts.LAYOUTS[:4]:
        fine = _drawn(layout, 256, rng)
        coarse = coarsened(fine, 4)
        kinds = {"own size": fine, "4 x enlarged": coarse}
        kinds |= {f"enlarged + {kind}": artefact_damage.spoil(coarse, kind, severity)
                  for kind, severity in FOOLERS[:2]}
        rows += [{"layout": layout, "kind": kind, "rgb": rgb, **texture.measure(rgb)} for kind, rgb in kinds.items()]
    return pd.DataFrame(rows)


def simulated(patches, seed=0):
    """Ratings of simulated raters, not of people: patch, rater ("simulated 1" ...), rating.

    A rating is the known detail from 1 to 10, plus each rater's bias and the noise of each look, rounded.
    """
    rng, (low, high), raters = np.random.default_rng(seed), SCALE, related.D4K_RATERS
    truth = low + (high - low) * np.array([patch.detail for patch in patches])
    seen = truth + rng.normal(0, RATER_BIAS, (raters, 1)) + rng.normal(0, RATER_NOISE, (raters, len(patches)))
    table = pd.DataFrame(np.rint(seen).clip(low, high), [f"simulated {n + 1}" for n in range(raters)],
                         [patch.name for patch in patches])
    return table.rename_axis(index="rater", columns="patch").T.stack().rename("rating").reset_index()


def read(path):
    """Ratings from a CSV with the columns patch, rater, rating (1 to 10, one a patch and rater).

    Raises RatingsUnusable, with the line of the file.
    """
    name = Path(path).name
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise RatingsUnusable(f"{name}: no such file") from error
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise RatingsUnusable(f"{name}: no CSV: {' '.join(str(error).split())[:120]}") from error
    if missing := [column for column in COLUMNS if column not in frame]:
        raise RatingsUnusable(f"{name}: its first line lacks {', '.join(missing)}; it must name patch, rater, rating")
    if frame.empty:
        raise RatingsUnusable(f"{name}: no rating in it")
    frame["rating"] = pd.to_numeric(frame.rating, errors="coerce")
    _refuse(name, ~frame.rating.between(*SCALE), f"the rating is no number from {SCALE[0]} to {SCALE[1]}")
    _refuse(name, (frame.patch.str.strip() == "") | (frame.rater.str.strip() == ""), "patch or rater is empty")
    _refuse(name, frame.duplicated(["patch", "rater"]), "this rater has rated this patch before")
    return frame[list(COLUMNS)]


def _refuse(name, wrong, why):
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0]) + 2
        others = f" ({wrong.sum()} lines in all)" if wrong.sum() > 1 else ""
        raise RatingsUnusable(f"{name}, line {line}: {why}{others}")


def scores(patches, folder, others=OTHERS):
    """(a frame with a row a patch and a column a metric, {metric: why it is missing}).

    folder: where patches are put as PNG for the metrics that read files; a patch that a metric refuses is NaN.
    """
    rows = pd.DataFrame([texture.measure(patch.rgb) for patch in patches], [patch.name for patch in patches])
    paths, reasons = _written(patches, folder), {}
    for name in others:
        try:
            metric = related_metrics.load(name)
            rows[name] = [_one(metric, path) for path in paths]
        except WeightsMissing as missing:
            reasons[name] = str(missing)
    return rows, reasons


def _written(patches, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = [Path(folder) / f"{patch.name}.png" for patch in patches]
    for patch, path in zip(patches, paths, strict=True):
        write_bytes_atomically(path, cv2.imencode(".png", patch.rgb[..., ::-1])[1].tobytes())
    return paths


def _one(metric, path):
    try:
        return metric(path)
    except (AssertionError, RuntimeError, ValueError):  # most networks refuse patches below their input
        return math.nan


def correlations(found, ratings, reasons=None, seed=0):
    """A row a metric: metric, better, srcc, srcc_low, srcc_high, plcc, plcc_low, plcc_high, patches, needs.

    Signs are as computed: a lower-is-better metric that agrees is negative (the paper prints it positive, M25).
    Intervals are a bootstrap over patches. found, reasons: of `scores`; ratings: patch, rater, rating. A patch that
    only one of them knows does not count, and fewer than three have no correlation.
    """
    mean = ratings.groupby("patch").rating.mean()
    rows = [_correlation(name, found[name], mean, seed) for name in found]
    rows += [{"metric": name, "better": _better(name), "patches": 0, "needs": why}
             for name, why in (reasons or {}).items()]
    return pd.DataFrame(rows, columns=["metric", "better", "srcc", "srcc_low", "srcc_high", "plcc", "plcc_low",
                                       "plcc_high", "patches", "needs"])


def _better(name):
    higher = INDICES[name] if name in INDICES else related_metrics.METRICS[name].higher
    return "higher" if higher else "lower"


def _correlation(name, values, mean, seed):
    both = pd.concat([values.rename("score"), mean], axis=1, join="inner").dropna().to_numpy(float)
    row = {"metric": name, "better": _better(name), "patches": len(both), "needs": ""}
    if len(both) < 3:
        return row

    def measured(chosen):
        score, rating = both[chosen].T
        if not np.ptp(score) or not np.ptp(rating):
            return {"srcc": math.nan, "plcc": math.nan}
        return {"srcc": stats.spearmanr(score, rating).statistic, "plcc": stats.pearsonr(score, rating).statistic}
    for each in bootstrap.over_pictures(measured, len(both), seed).itertuples():
        row |= {each.score: each.value, f"{each.score}_low": each.low, f"{each.score}_high": each.high}
    return row


def fooled(patches, kinds=FOOLERS, seed=0):
    """What damage does to the two indices, a row a kind: damage, severity, patches, then the share of patches in which
    each index rises in richness, and its median change in per cent.  Noise has no detail, but both take it for some.
    """
    before = [texture.measure(patch.rgb) for patch in patches]
    rows = []
    for kind, severity in kinds:
        after = [texture.measure(artefact_damage.spoil(patch.rgb, kind, severity, seed)) for patch in patches]
        row = {"damage": kind, "severity": f"{severity:g} {artefact_damage.UNITS[kind]}", "patches": len(patches)}
        for name, higher in INDICES.items():
            change = np.array([new[name] / old[name] - 1 for new, old in zip(after, before, strict=True)])
            row[f"{name} richer"] = float(((change > 0) == higher).mean())
            row[f"{name} change"] = 100 * float(np.median(change))
        rows.append(row)
    return pd.DataFrame(rows)

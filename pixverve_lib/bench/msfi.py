"""The Multi-scale Fidelity Index (Sec. 3.3.1, App. F.2): nine sub-dimensions of a picture and of ten of its patches.

    S_D = sum w_i s_i / sum w_i        MSFI = S_global + S_global / 5 * mean of S_local over the patches

A round without an answer is missing: the local score is the mean over the patches that were rated, and without a
global answer, or any local one, there is no MSFI. (The released code puts 3 for a missing rating and drops a failed
patch or picture without a word.)
"""
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from pixverve_lib.imaging import reading, statistics
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import FIDELITY_LEVELS
from pixverve_lib.paper.constants import REGION_RANDOM_PATCHES, REGION_TEXTURED_PATCHES

GLOBAL = {"sc_global": 5, "pi": 3, "lc": 2, "ch": 2}  # not in paper ("a user study"): released code; Tab. A4 agrees
LOCAL = {"nge": 2, "ga": 3, "tf": 5, "mgc": 2, "sc_local": 2}  # not in paper: released code; Tab. A4 agrees


def dimension(ratings, weights):
    """S_D: the weighted mean of the ratings of one dimension (Sec. F.2).  # 1..5

    ratings: sub-dimension -> rating, or a frame with these columns (one score a row); weights: GLOBAL or LOCAL
    """
    return sum(weight * ratings[key] for key, weight in weights.items()) / sum(weights.values())


def index(global_score, local_scores):
    """MSFI of a picture from S_global and the S_local of its patches (Sec. F.2).  # 1.2..10, NaN without patches"""
    return global_score + global_score / FIDELITY_LEVELS * _mean(local_scores)


def regions(rgb, lengths, seed=0):
    """The patches that are rated: (top, left) rows in px, textured ones first; fewer where a picture has fewer.

    The hybrid strategy of Sec. 3.1.4 (Sec. F.2): of the non-overlapping squares of lengths.local px, six with the
    highest Sobel variance in a picture reduced to lengths.analysis px, and four random ones.
    """
    side = lengths.local(*rgb.shape[:2])
    rows, columns = (length // side for length in rgb.shape[:2])
    if not rows * columns:
        return np.empty((0, 2), int)
    small = max(1, round(side * min(1, lengths.analysis / max(rgb.shape[:2]))))
    reduced = cv2.resize(rgb[:rows * side, :columns * side], (columns * small, rows * small),
                         interpolation=cv2.INTER_AREA)
    chosen = np.concatenate(statistics.textured_and_random(
        statistics.patch_variances(reduced, small), REGION_TEXTURED_PATCHES, REGION_RANDOM_PATCHES,
        np.random.default_rng(seed)))
    return side * np.column_stack(np.unravel_index(chosen, (rows, columns)))


def measure(rgb, judge, lengths, seed=0):
    """Scores of a picture by a judge: msfi, global, local, the nine sub-dimensions (patches averaged); missing, why.

    rgb: H W 3 uint8; judge: models/judging.py; lengths: bench/lengths.py; seed: draws the random patches. missing: how
    many rounds have no answer, of one global and up to ten local ones; why: the reasons in one line, or "".
    """
    whole = reading.thumbnail(rgb, lengths.whole)
    seen = _complete(judge.rate_global(whole))
    close = [answer for _, answer in rated(rgb, judge, lengths, seed, whole)]
    reasons = [answer.reason for answer in (seen, *close) if isinstance(answer, Failed)]
    if not close:
        reasons.append(f"{rgb.shape[0]} x {rgb.shape[1]} px hold no patch of {lengths.local(*rgb.shape[:2])} px")
    overall, local = _means([seen], GLOBAL), _means(close, LOCAL)
    far, near = dimension(overall, GLOBAL), dimension(local, LOCAL)
    return {"msfi": index(far, [near]), "global": far, "local": near,
            **overall, **local, "missing": len(reasons), "why": "; ".join(dict.fromkeys(reasons))}


def rated(rgb, judge, lengths, seed=0, whole=None):
    """What the judge says about each patch: a list of (its place as judging.Region, Ratings or Failed).

    whole: the picture at lengths.whole px, if it is at hand.
    """
    (height, width), side = rgb.shape[:2], lengths.local(*rgb.shape[:2])
    whole = reading.thumbnail(rgb, lengths.whole) if whole is None else whole

    def rate(corner):
        top, left = corner
        region = (left / width, top / height, (left + side) / width, (top + side) / height)
        patch = np.ascontiguousarray(rgb[top:top + side, left:left + side])
        return region, _complete(judge.rate_local(patch, whole, region))
    with ThreadPoolExecutor(judge.at_once) as pool:
        return list(pool.map(rate, regions(rgb, lengths, seed).tolist()))


def _complete(answer):
    """The answer, if nothing in it is NaN: a judge that measures may find nothing to measure."""
    if isinstance(answer, Failed) or not any(np.isnan(rating) for rating in answer.values()):
        return answer
    return Failed(f"no rating of {', '.join(key for key, rating in answer.items() if np.isnan(rating))}")


def _means(answers, weights):
    """Each sub-dimension, averaged over those who answered; a mean of weighted means is the weighted mean of these."""
    given = [answer for answer in answers if not isinstance(answer, Failed)]
    return {key: _mean([answer[key] for answer in given]) for key in weights}


def _mean(values):
    return float(np.mean(values)) if len(values) else float("nan")

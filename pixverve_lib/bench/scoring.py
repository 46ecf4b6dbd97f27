"""One picture and what all metrics say about it, from a single decoding: at 10240 x 10240 px that alone is 315 MB.

Scores are a flat row; the features that FID and FID_patch compare are arrays. A metric that fails costs its own
columns, which are NaN then, and leaves a line in `reasons`.
"""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pixverve_lib.bench import classical_judge, distribution, ics, msfi
from pixverve_lib.imaging import reading
from pixverve_lib.imaging.cooccurrence import PATCH, glcm_scores
from pixverve_lib.models.judging import COMPLIANCE, GLOBAL, LOCAL

THUMBNAIL = 256  # pixels, long side, of what a report shows; not in paper: choice
COLUMNS = {  # metric -> its columns in a row; the first is the score itself
    "aesthetics": ("aesthetics",),
    "glcm_score": ("glcm_score", "glcm_formula"),
    "msfi": ("msfi", "global", *GLOBAL, "local", *LOCAL),
    "clipscore": ("clipscore",),
    "fg_clip2_score": ("fg_clip2_score",),
    "ics": ("ics", *COMPLIANCE),
}
BACKEND = {"fid": "features", "fid_patch": "features", "aesthetics": "aesthetics", "msfi": "judge", "clipscore": "clip",
           "fg_clip2_score": "fg_clip", "ics": "judge"}  # metric -> field of Backends; GLCM needs none
TEXT = {"clipscore": "short", "fg_clip2_score": "long", "ics": "long"}  # Sec. 3.3.2
COUNTS = ("msfi_missing", "ics_missing", "clipscore_cut", "fg_clip2_score_cut")
SCORES = [column for columns in COLUMNS.values() for column in columns]


class Look(NamedTuple):
    """What a metric may look at. rgb: H W 3 uint8; texts: {"short", "long"}, "" for none."""

    rgb: np.ndarray
    texts: dict
    backends: object
    lengths: object
    seed: int


@dataclass(frozen=True)
class Measured:
    """row: height, width, COLUMNS, counts of `msfi_missing` (rounds), `ics_missing`, `clipscore_cut` and
    `fg_clip2_score_cut` (texts), `reasons` (why something is NaN, a line a metric) and `unfinished` (metrics for which
    asking again may help, with blanks between); features: `whole`, `patches` and the same with `reference_` before,
    N D each, as far as there are, or None where the network failed; thumbnail: H W 3 uint8; lost: a line like those of
    `reasons` that says how it failed, or "".
    """

    row: dict
    features: dict | None
    thumbnail: np.ndarray
    lost: str = ""


def score_picture(path, texts, backends, lengths, seed=0, reference=None, places=(), row=None,
                  known=None):
    """Everything about one picture.

    texts: {"short", "long"}; reference: path of the real picture it is compared with; places: of its patches for
    FID_patch, an entry of distribution.places; row, known: row and features of an earlier run, of which only what is
    unfinished is made again. Raises UnreadableImage and MemoryError for the picture; a reference that cannot be read,
    or a network that fails, costs FID only. The two pictures are never in memory together.
    """
    rgb = reading.read_rgb(path)
    row = scores(Look(rgb, texts, backends, lengths, seed), row)
    thumbnail, side, found = reading.thumbnail(rgb, THUMBNAIL), distribution.side_of(*rgb.shape[:2]), dict(known or {})
    if reference is None or missing_backend(backends, "fid") or whole_of_both(found):
        return Measured(row, found, thumbnail)
    try:
        found = found or features(rgb, backends.features, lengths, places, side)
        del rgb
        more = _reference_features(reference, backends.features, lengths, places, side)
        return Measured(row, found | {f"reference_{name}": array for name, array in more.items()}, thumbnail)
    except Exception as error:  # of the network, or memory
        return Measured(row, None, thumbnail, f"fid: {_said(error)}")


def whole_of_both(features):
    """Whether the features of a picture that has a reference are all there; `features` may be a set of their names."""
    return {"whole", "reference_whole"} <= set(features)


def features(rgb, network, lengths, places, side):
    """{"whole", "patches"}, N D float32 each; no patches where there are no places for them."""
    found = {"whole": distribution.whole_features(rgb, network, side)}
    if len(places):
        found["patches"] = distribution.patch_features(rgb, network, lengths, places, side)
    return found


def _reference_features(path, network, lengths, places, side):
    try:
        return features(reading.read_rgb(path), network, lengths, places, side)
    except reading.UnreadableImage:  # bench/folder.py names every reference that is missing here
        return {}


def scores(look, known=None):
    """The row of a picture; known: of an earlier run, of which only the unfinished metrics are asked again."""
    row = known or {"height": look.rgb.shape[0], "width": look.rgb.shape[1]} | dict.fromkeys(SCORES, float("nan"))
    reasons, unfinished = dict(_split(row.get("reasons", ""))), []
    for metric in row["unfinished"].split() if known else MEASURES:
        found, reasons[metric], again = _tried(metric, look)
        blank = dict.fromkeys(COLUMNS[metric], float("nan")) | {key: 0 for key in COUNTS if key.startswith(metric)}
        row = row | blank | found
        unfinished += [metric] * again
    told = [f"{metric}: {reasons[metric]}" for metric in MEASURES if reasons.get(metric)]
    return row | {"reasons": "\n".join(told), "unfinished": " ".join(unfinished)}


def _split(reasons):
    """[metric, why it is missing] of each line of a row's `reasons`."""
    return [line.split(": ", 1) for line in reasons.splitlines()]


def missing_backend(backends, metric):
    """Why a metric cannot run at all, or ""."""
    found = getattr(backends, BACKEND[metric]) if metric in BACKEND else None
    return getattr(found, "reason", "")


def _tried(metric, look):
    """(columns, why one of them is NaN or "", whether asking again may help)"""
    if missing_backend(look.backends, metric):
        return {}, "", False  # said once for the whole folder
    if metric in TEXT and not look.texts[TEXT[metric]]:
        return {}, f"no {TEXT[metric]} caption", False
    try:
        found, reason = MEASURES[metric](look)
        return found, reason, bool(reason) and _may_answer_later(metric, look)
    except Exception as error:  # a network or judge may raise anything, and costs one score by it
        return {}, _said(error), True


def _said(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def _may_answer_later(metric, look):
    """An endpoint may, but nobody for a picture that holds no patch."""
    size = look.rgb.shape[:2]
    patches = metric != "msfi" or min(size) >= look.lengths.local(*size)
    return BACKEND.get(metric) == "judge" and look.backends.judge.maker != classical_judge.MAKER and patches


def _texture(look):
    found = glcm_scores(look.rgb)
    small = f"the picture holds no patch of {PATCH} px" if np.isnan(found.published_symmetric) else ""
    return {"glcm_score": found.published_symmetric, "glcm_formula": found.formula_symmetric}, small


def _aesthetics(look):
    return {"aesthetics": float(look.backends.aesthetics(look.rgb))}, ""


def _short_text(look):
    return _text(look, "clipscore", look.backends.clip)


def _long_text(look):
    return _text(look, "fg_clip2_score", look.backends.fg_clip)


def _text(look, metric, network):
    value, cut = network(look.rgb, look.texts[TEXT[metric]])
    return {metric: float(value), f"{metric}_cut": int(cut)}, ""


def _fidelity(look):
    found = msfi.measure(look.rgb, look.backends.judge, look.lengths, look.seed)
    return {key: found[key] for key in COLUMNS["msfi"]} | {"msfi_missing": found["missing"]}, found["why"]


def _compliance(look):
    found = ics.measure(look.rgb, look.texts["long"], look.backends.judge)
    return {key: found[key] for key in COLUMNS["ics"]} | {"ics_missing": found["missing"]}, found["why"]


MEASURES = {"aesthetics": _aesthetics, "glcm_score": _texture, "msfi": _fidelity, "clipscore": _short_text,
            "fg_clip2_score": _long_text, "ics": _compliance}

"""Who rates pictures for the indices of App. F.2 and F.3: a model at an endpoint, measured degradations, a checker.

Ratings are whole numbers from a model and real ones from a measurement, in the same ranges. No answer is `Failed`,
never a default number.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pixverve_lib.models.annotation import Failed

GLOBAL = {  # Tab. A3, the keys as in Tab. A4's transcription
    "sc_global": "Structural Coherence",
    "pi": "Perspective Integrity",
    "lc": "Lighting Consistency",
    "ch": "Color Harmony",
}
LOCAL = {  # Tab. A3
    "nge": "Noise & Grain Existence",
    "ga": "Generative Artifacts",
    "tf": "Texture Fidelity",
    "mgc": "Micro-geometry Coherence",
    "sc_local": "Sharpness Consistency",
}
COMPLIANCE = {  # Sec. F.3
    "iev": "Instance Existence Verification",
    "aaa": "Appearance Attribute Alignment",
    "sra": "Spatial Relation Accuracy",
}
FIDELITY_LEVELS = 5  # Sec. F.2: ratings 1 to 5
COMPLIANCE_LEVELS = 10  # Sec. F.3: ratings 1 to 10

Ratings = dict[str, float]  # sub-dimension -> rating
Region = tuple[float, float, float, float]  # (xmin, ymin, xmax, ymax) as shares of the picture's sides, 0 to 1


@dataclass(frozen=True)
class Judge:
    """`maker` is who answers, such as `classical` or a model's name. Pictures are H W 3 uint8, of any size.

    rate_global(rgb) gives the keys of GLOBAL, rate_local(patch, whole, region) those of LOCAL, rate_compliance(rgb,
    caption) those of COMPLIANCE; each gives Failed where it has no answer. usage() counts what the answers have cost so
    far; empty: nothing. at_once: how many rounds may wait for an answer together. version: stands for all else that
    decides the ratings, such as prompts; another one is another judge. note: what a card says of it. genuine: whether
    it is the paper's judge.
    """

    maker: str
    rate_global: Callable[[np.ndarray], Ratings | Failed]
    rate_local: Callable[[np.ndarray, np.ndarray, Region], Ratings | Failed]
    rate_compliance: Callable[[np.ndarray, str], Ratings | Failed]
    usage: Callable[[], dict[str, Any]] = dict
    at_once: int = 1
    version: str = ""
    note: str = ""
    genuine: bool = False

    def __deepcopy__(self, memo: dict) -> "Judge":
        return self  # it never changes, and pyiqa copies a metric's options, locks and connections among them


def fingerprint(value: Any) -> str:
    """Eight letters that stand for a JSON value: for Judge.version."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


class Spread(NamedTuple):
    """What repeated answers to one question have in common."""

    mean: float
    deviation: float  # standard deviation of a single answer (n - 1); NaN below two answers
    answers: int
    failed: int


def spread(answers: Sequence[Ratings | Failed]) -> dict[str, Spread]:
    """One Spread per sub-dimension of answers to the same question; empty when all of them failed."""
    given = [answer for answer in answers if not isinstance(answer, Failed)]
    failed = len(answers) - len(given)
    return {key: _spread([answer[key] for answer in given], failed) for key in (given[0] if given else ())}


def _spread(ratings: list[float], failed: int) -> Spread:
    deviation = float(np.std(ratings, ddof=1)) if len(ratings) > 1 else float("nan")
    return Spread(float(np.mean(ratings)), deviation, len(ratings), failed)

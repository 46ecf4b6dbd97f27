"""What the annotators of Sec. 3.1.4-3.1.5 say about a picture, whoever they are: an endpoint, a local network, a rule.

Failing is a result (`Failed`, `Judgement.bad is None`), never a default number. Pictures are H W 3 uint8 RGB.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DIMENSIONS = (  # Sec. 3.1.5, after ArtiMuse
    "composition & design",
    "visual elements & structure",
    "technical execution",
    "originality & creativity",
    "theme & communication",
    "emotion & viewer response",
)
NOT_ASSESSED = "not assessed"

Aesthetics = dict[str, str]  # each of DIMENSIONS -> text, or NOT_ASSESSED


@dataclass(frozen=True)
class Failed:
    """No answer, and why in one line; stands where the answer would, so that nobody mistakes it for one."""

    reason: str


@dataclass(frozen=True)
class Tag:
    """A tangible thing in the picture; score in [0, 1]."""

    name: str
    score: float


@dataclass(frozen=True)
class Box:
    """Where a thing is: edges as shares of the picture's height and width in [0, 1]; score in [0, 1]."""

    label: str
    top: float
    left: float
    bottom: float
    right: float
    score: float

    def pixels(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) in pixels of a picture of that size, at least one pixel high and wide."""
        top, left = min(int(self.top * height), height - 1), min(int(self.left * width), width - 1)
        bottom, right = round(self.bottom * height), round(self.right * width)
        return top, left, min(max(bottom, top + 1), height), min(max(right, left + 1), width)


@dataclass(frozen=True)
class Instance(Box):
    """A box with its mask: H W bool of the analysis picture (the reduced one that the roles look at)."""

    mask: np.ndarray = field(repr=False, compare=False)


@dataclass(frozen=True)
class Description:
    """Text on one instance, its importance for the picture in [0, 1], and attributes such as colour -> red."""

    text: str
    importance: float
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """Whether a patch or an instance shows artefacts, and which; `bad` None: the judge failed, and reasons says why."""

    bad: bool | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Role:
    """A callable with the name of who answers, such as `classical` or a model's name."""

    maker: str
    answer: Callable[..., Any]

    def __call__(self, *question) -> Any:
        return self.answer(*question)


@dataclass(frozen=True)
class Roles:
    """Who does what; the comments are how each role is called and what it gives. None: nobody here can do it."""

    tag: Role  # (rgb) -> list[Tag] | Failed
    prune: Role  # (tags) -> list[Tag] | Failed
    find: Role  # (rgb, tags) -> list[Box] | Failed
    segment: Role | None  # (rgb, boxes) -> list[mask H W bool], one per box, | Failed
    describe: Role  # (crop, highlighted, label) -> Description | Failed
    analyse: Role  # (rgb) -> Aesthetics | Failed
    long_caption: Role  # (rgb, descriptions, aesthetics) -> str | Failed
    short_caption: Role  # (rgb, long) -> str | Failed
    judge_patch: Role  # (rgb) -> Judgement
    judge_instance: Role  # (crop) -> Judgement
    usage: Callable[[], dict[str, int]] = dict  # what the answers have cost so far; empty: nothing

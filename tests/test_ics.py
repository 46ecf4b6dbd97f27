"""The Instance-centric Compliance Score: the formula, and what has no answer."""
import math

import numpy as np
import pytest

from pixverve_lib.bench import ics
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import Judge

PICTURE = np.zeros((8, 8, 3), np.uint8)


def judge(answer, asked=None):
    asked = [] if asked is None else asked

    def rate(rgb, caption):
        asked.append(caption)
        return answer
    return Judge("test", lambda rgb: {}, lambda patch, whole, region: {}, rate)


@pytest.mark.parametrize(("ratings", "expected"), [
    ((1, 1, 1), 0.1**0.5), ((10, 10, 10), 10), ((10, 10, 5), 8), ((10, 5, 10), 7), ((2.5, 8, 8), 4),
])
def test_missing_instances_lower_what_attributes_and_relations_give(ratings, expected):
    answer = dict(zip(("iev", "aaa", "sra"), ratings, strict=True))
    assert ics.index(**answer) == pytest.approx(expected)
    assert ics.measure(PICTURE, "A cat.", judge(answer)) == {
        "ics": pytest.approx(expected), **answer, "missing": 0, "why": ""}


@pytest.mark.parametrize(("caption", "answer", "why"), [
    ("A cat.", Failed("busy"), "busy"),
    (" ", {"iev": 9, "aaa": 9, "sra": 9}, "no long caption"),
    (float("nan"), {"iev": 9, "aaa": 9, "sra": 9}, "no long caption"),
])
def test_no_answer_and_no_text_are_missing_with_a_reason(caption, answer, why):
    asked = []
    scores = ics.measure(PICTURE, caption, judge(answer, asked))
    assert all(math.isnan(scores[key]) for key in ("ics", "iev", "aaa", "sra"))
    assert scores["missing"] == 1 and why in scores["why"]
    assert bool(asked) == (caption == "A cat."), "an empty text is not asked about"

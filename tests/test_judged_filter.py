"""What the judge is shown, and what its answers, missing ones too, decide."""
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation import judged_filter
from pixverve_lib.imaging import large
from pixverve_lib.models.annotation import Judgement, Role

SIDE = 16


@pytest.fixture
def uhr(tmp_path):
    """Three synthetic pictures and a native one; each 16 px square has a gray of its own."""
    paths = []
    for number in range(4):
        gray = np.arange(40, dtype=np.uint8).reshape(4, 10) + 50 * number
        rgb = gray.repeat(SIDE, 0).repeat(SIDE, 1)[..., None].repeat(3, 2)
        paths.append(tmp_path / f"{number}.tif")
        large.write_tiled(paths[-1], *rgb.shape[:2], [rgb], tile=16)
    return pd.DataFrame({"id": list("abcn"), "path": [str(p) for p in paths], "scale": [2, 4, 4, 1], "height": 64,
                         "width": 160, "kept": True})


@pytest.fixture
def patches(uhr):
    return pd.DataFrame([(name, SIDE * (i // 5), SIDE * (i % 5), SIDE, "texture", 1.0)
                         for name in uhr.id for i in range(10)],
                        columns=["id", "top", "left", "side", "why", "sobel_variance"])


def annotations(**found):
    rows = [{"id": name, "instances": boxes} for name, boxes in found.items()]
    return pd.DataFrame(rows, columns=["id", "instances"])


def instance(column, importance=0.5):
    return {"label": "cup", "top": 0.25, "left": column / 10, "bottom": 0.5, "right": (column + 1) / 10, "score": 0.5,
            "importance": importance}


class Judge:
    """Bad is what has one of these grays; silent about others of these."""

    def __init__(self, bad=(), silent=()):
        self.bad, self.silent, self.seen, self.role = bad, silent, Counter(), Role("rule", self._judge)

    def _judge(self, rgb):
        gray = int(np.median(rgb))
        self.seen[gray] += 1
        return Judgement(None, ("no answer",)) if gray in self.silent else Judgement(gray in self.bad, ("blur",))


def regions_of(uhr, patches, judge, tmp_path):
    return judged_filter.judge_regions(uhr, patches, judge.role, tmp_path / "regions", at_once=1)


def instances_of(uhr, found, judge, tmp_path):
    return judged_filter.judge_instances(uhr, found, judge.role, tmp_path / "instances", at_once=1)


def none_of(uhr):
    return annotations(**{name: [] for name in uhr.id})


def test_the_judge_sees_the_chosen_patches_at_full_size_and_no_native_picture(uhr, patches, tmp_path):
    judge = Judge()
    found = regions_of(uhr, patches, judge, tmp_path)
    squares = [10 * row + column for row in (0, 1) for column in range(5)]
    assert set(judge.seen) == {50 * number + gray for number in range(3) for gray in squares}
    assert len(found) == 30 and set(found.id) == set("abc") and set(found.maker) == {"rule"}
    assert found.loc[6, ["number", "label", "top", "left", "bottom", "right"]].tolist() == [6, "texture", 16, 16, 32,
                                                                                            32]


def test_two_bad_patches_or_one_bad_instance_reject_and_one_bad_patch_does_not(uhr, patches, tmp_path):
    judged = regions_of(uhr, patches, Judge(bad=(0, 50, 51)), tmp_path)
    found = annotations(a=[instance(7)], b=[], c=[instance(7), instance(8)], n=[instance(7)])
    crops = instances_of(uhr, found, Judge(bad=(167,)), tmp_path)
    decided = judged_filter.decide(uhr, judged, crops)
    assert decided.region.tolist() == ["kept", "rejected", "kept", "native"]
    assert decided.instance.tolist() == ["kept", "kept", "kept", "native"]
    assert decided.region_bad.tolist() == [1, 2, 0, 0]
    worse = instances_of(uhr, found, Judge(bad=(118,)), tmp_path / "again")
    assert judged_filter.decide(uhr, judged, worse).instance.tolist() == ["kept", "kept", "rejected", "native"]


def test_missing_answers_leave_a_picture_undecided_where_they_could_have_decided(uhr, patches, tmp_path):
    judged = regions_of(uhr, patches, Judge(bad=(0, 50, 51), silent=(1, 52, 100)), tmp_path)
    crops = instances_of(uhr, annotations(a=[instance(7)], b=None), Judge(silent=(17,)), tmp_path)
    decided = judged_filter.decide(uhr, judged, crops)
    assert decided.region.tolist() == ["undecided", "rejected", "kept", "native"]
    assert decided.region_missing.tolist() == [1, 1, 1, 0]
    assert decided.instance.tolist() == ["undecided", "undecided", "undecided", "native"]
    assert (crops[crops.id != "a"].reasons == judged_filter.UNKNOWN).all()
    assert judged_filter.summary(decided).values.tolist() == [["region", 1, 1, 1, 1], ["instance", 0, 0, 3, 1]]


def test_a_picture_of_which_no_patch_was_judged_is_undecided(uhr, patches, tmp_path):
    judged = regions_of(uhr, patches[patches.id != "b"], Judge(), tmp_path)
    decided = judged_filter.decide(uhr, judged, instances_of(uhr, none_of(uhr), Judge(), tmp_path))
    assert decided.region.tolist() == ["kept", "undecided", "kept", "native"]


def test_only_what_was_not_answered_is_asked_again(uhr, patches, tmp_path):
    first = regions_of(uhr, patches, Judge(silent=(50,)), tmp_path)
    judge = Judge()
    second = regions_of(uhr, patches, judge, tmp_path)
    assert first.bad.isna().sum() == 1 and second.bad.notna().all()
    assert judge.seen.total() == 10 and min(judge.seen) == 50  # of picture b; an endpoint's cache has nine of them


def test_a_picture_that_is_gone_has_no_answers_and_the_rest_goes_on(uhr, patches, tmp_path):
    (tmp_path / "1.tif").unlink()
    judged = regions_of(uhr, patches, Judge(), tmp_path)
    assert judged[judged.bad.isna()].id.unique().tolist() == ["b"] and "no such file" in judged.reasons[10]
    decided = judged_filter.decide(uhr, judged, instances_of(uhr, none_of(uhr), Judge(), tmp_path))
    assert decided.region.tolist() == ["kept", "undecided", "kept", "native"]


def test_only_the_most_important_instances_are_judged(uhr, tmp_path):
    many = [instance(i % 10, importance=i / 20) for i in range(20)] + [instance(0, importance=None)]
    found = instances_of(uhr, annotations(a=many, b=[], c=[]), Judge(), tmp_path)
    assert len(found) == 10 and found.left.tolist() == [16 * column for column in range(9, -1, -1)]


def test_an_empty_pool_gives_empty_frames(uhr, patches, tmp_path):
    nothing = uhr.head(0)
    judged = regions_of(nothing, patches.head(0), Judge(), tmp_path)
    decided = judged_filter.decide(nothing, judged, instances_of(nothing, annotations(), Judge(), tmp_path))
    assert len(judged) == len(decided) == 0 and {"region", "instance"} <= set(decided)

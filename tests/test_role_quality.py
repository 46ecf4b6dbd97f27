"""Measuring annotators where the truth is known: perfect ones score 1, and the arithmetic is right."""
import numpy as np
import pytest

from pixverve_lib.curation import role_quality
from pixverve_lib.models import embedded_roles
from pixverve_lib.models.annotation import Box, Description, Judgement, Role, Roles, Tag
from pixverve_lib.scenes import artefact_damage
from pixverve_lib.scenes.truth import Seen

SCENE = role_quality.Scene(
    "still life", np.full((100, 200, 3), 128, np.uint8), np.full((100, 200), -1, np.int16),
    [Seen(i, "apple", "red", "peel", depth, (left, 0.2, left + 0.1 + 0.05 * i, 0.6), area, "left")
     for i, (left, depth, area) in enumerate(((0.1, 0.1, 0.04), (0.4, 0.2, 0.06), (0.7, 0.3, 0.08)))],
)
for thing in SCENE.seen:
    SCENE.owners[20:60, int(200 * thing.box[0]):int(200 * thing.box[2])] = thing.number


def roles(boxes, judge=False):
    """Roles that find these boxes, fill them, call everything red and the larger box the more important."""
    def answer(function):
        return Role("known", function)

    return Roles(
        tag=answer(lambda rgb: [Tag("round thing", 1.0), Tag("red", 1.0)]), prune=answer(lambda tags: tags),
        find=answer(lambda rgb, tags: boxes),
        segment=answer(lambda rgb, found: [_filled(box) for box in found]),
        describe=answer(lambda crop, shown, label: Description("", crop.size / SCENE.rgb.size, {"colour": "red"})),
        analyse=None, long_caption=None, short_caption=None, judge_patch=answer(lambda rgb: Judgement(judge)),
        judge_instance=answer(lambda rgb: Judgement(judge)))


def _filled(box):
    mask = np.zeros(SCENE.rgb.shape[:2], bool)
    mask[slice(*box.pixels(100, 200)[::2]), slice(*box.pixels(100, 200)[1::2])] = True
    return mask


def true_boxes():
    return [Box("thing", one.box[1], one.box[0], one.box[3], one.box[2], 1.0) for one in SCENE.seen]


def means(pairs):
    values = {}
    for quality, value in pairs:
        values.setdefault(quality, []).append(value)
    return {quality: float(np.mean(of)) for quality, of in values.items()}


def test_who_tells_the_truth_scores_one():
    found = means(role_quality.studied(roles(true_boxes()), SCENE))
    assert found.pop("clean instances called bad") == 0
    assert set(found) | {"clean instances called bad"} == set(role_quality.QUALITIES)
    assert found["mask IoU"] > 0.9
    assert {quality: value for quality, value in found.items() if quality != "mask IoU"} == pytest.approx(
        dict.fromkeys(set(found) - {"mask IoU"}, 1.0))


def test_a_missed_thing_lowers_recall_and_a_wrong_box_precision():
    boxes = [*true_boxes()[:2], Box("thing", 0.7, 0.1, 0.9, 0.3, 1.0)]
    found = means(role_quality.studied(roles(boxes), SCENE))
    assert (found["box recall"], found["box precision"]) == pytest.approx((2 / 3, 2 / 3))


def test_who_finds_nothing_has_no_precision_and_no_recall():
    found = means(role_quality.studied(roles([]), SCENE))
    assert found["box recall"] == 0 and "box precision" not in found and "colour accuracy" not in found


def test_a_thing_is_matched_with_one_box_only():
    assert role_quality.matched(np.array([[0.9, 0.6], [0.8, 0.0]])) == [(0, 0)]
    assert role_quality.matched(np.zeros((0, 3))) == []


def test_the_area_under_the_curve_counts_ties_half():
    assert role_quality.auc([2, 3], [0, 1]) == 1 and role_quality.auc([1], [1]) == 0.5
    assert role_quality.auc([0, 3], [1, 2]) == 0.5


@pytest.fixture(scope="module")
def judged():
    patches = {f"noise {i}": np.random.default_rng(i).integers(90, 150, (96, 96, 3), np.uint8) for i in range(2)}
    return role_quality.judged(roles([], judge=True), patches)


def test_the_judge_is_asked_about_clean_patches_and_every_damage(judged):
    assert len(judged) == 2 * (1 + sum(map(len, artefact_damage.KINDS.values())))
    rates = role_quality.judge_rates(judged)
    assert (rates.detected == 1).all() and (rates.false_alarms == 1).all()  # it calls everything bad
    assert rates.auc[rates.kind == "aliasing"].eq(1).all() and (rates.n == 2).all()


def test_every_curve_rises_from_nothing_to_everything(judged):
    for _, curve in role_quality.judge_roc(judged).groupby("label"):
        assert (np.diff(curve.detected) >= 0).all() and (np.diff(curve.false_positives) >= 0).all()
        assert curve.iloc[-1][["false_positives", "detected"]].tolist() == [1, 1]


def test_the_embedded_roles_find_more_than_chance_on_scenes_they_were_not_made_on():
    found = role_quality.measure(embedded_roles.roles(), [20], size=(256, 384)).set_index("quality").value
    assert found["box recall"] > 0.15 and found["box precision"] > 0.3 and found["relation precision"] > 0.7

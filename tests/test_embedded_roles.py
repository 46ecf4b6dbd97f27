"""The classical annotators: what they say of pictures whose content is plain, and of those that hold nothing."""
import cv2
import numpy as np
import pytest
from skimage.measure import blur_effect

from pixverve_lib.curation import instances
from pixverve_lib.imaging import colour_names, segments, visible_artefacts
from pixverve_lib.models import embedded_roles, embedded_texts
from pixverve_lib.models.annotation import DIMENSIONS, NOT_ASSESSED, Box, Description, Tag
from pixverve_lib.scenes import artefact_damage, textures

ROLES = embedded_roles.roles()


def ball_and_bar():
    """A red ball at the left, a tall blue bar at the right, on a gray wall with some grain.  # 320 480 3"""
    rgb = np.full((320, 480, 3), 150, np.uint8)
    cv2.circle(rgb, (120, 200), 45, (190, 40, 30), cv2.FILLED)
    cv2.rectangle(rgb, (350, 70), (385, 270), (40, 70, 160), cv2.FILLED)
    return np.clip(rgb + np.random.default_rng(0).normal(0, 1.5, rgb.shape), 0, 255).astype(np.uint8)


def textured(side=192):
    """A clean texture of water with grain.  # side side 3 uint8"""
    tile = textures.bank()[textures.NUMBER["water"], :side, :side].astype(np.float32)
    gray = cv2.GaussianBlur(120 + 1.2 * tile, (0, 0), 0.7) + np.random.default_rng(0).normal(0, 0.8, tile.shape)
    return np.repeat(np.clip(np.rint(gray), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def described(rgb):
    boxes = ROLES.find(rgb, ROLES.prune(ROLES.tag(rgb)))
    masks = ROLES.segment(rgb, boxes)
    texts = []
    for box, mask in zip(boxes, masks, strict=True):
        top, left, bottom, right = box.pixels(*rgb.shape[:2])
        texts.append(ROLES.describe(rgb[top:bottom, left:right], instances.highlighted(rgb, mask), box.label))
    return boxes, masks, texts


def test_two_things_on_a_wall_are_found_masked_and_described():
    rgb = ball_and_bar()
    boxes, masks, texts = described(rgb)
    by_colour = {text.attributes["colour"]: (mask, text) for mask, text in zip(masks, texts, strict=True)}
    assert len(boxes) == 2 and set(by_colour) == {"red", "blue"}
    ball, bar = np.zeros((2, *rgb.shape[:2]), np.uint8)
    cv2.circle(ball, (120, 200), 45, 1, cv2.FILLED)
    cv2.rectangle(bar, (350, 70), (385, 270), 1, cv2.FILLED)
    assert instances.mask_iou(by_colour["red"][0], ball > 0) > 0.9
    assert instances.mask_iou(by_colour["blue"][0], bar > 0) > 0.9
    assert by_colour["red"][1].attributes["kind"] == "round thing"
    assert by_colour["blue"][1].attributes["kind"] == "tall thing"
    assert by_colour["red"][1].attributes["place"] == "left"
    assert all(0 <= text.importance <= 1 for text in texts)


def test_the_long_caption_tells_the_things_and_how_they_stand_and_the_short_one_is_its_beginning():
    rgb = ball_and_bar()
    long = ROLES.long_caption(rgb, described(rgb)[2], ROLES.analyse(rgb))
    short = ROLES.short_caption(rgb, long)
    assert "2 things stand out" in long and "is left of the blue tall thing" in long and "Colours are" in long
    assert 0 < len(short) < len(long) / 3 and short.count(".") == 2 and "%" not in short


@pytest.mark.parametrize("size", [(240, 320), (40, 800), (3, 3), (1, 1)])
def test_an_even_picture_of_any_shape_has_no_instance_and_can_still_be_captioned(size):
    gray = np.full((*size, 3), 128, np.uint8)
    assert ROLES.find(gray, ROLES.tag(gray)) == [] and ROLES.segment(gray, []) == []
    long = ROLES.long_caption(gray, [], ROLES.analyse(gray))
    assert "nothing stands out" in long and ROLES.short_caption(gray, long) == long.split(". ")[0] + "."


def test_hundreds_of_regions_are_capped():
    tiles = np.random.default_rng(0).integers(0, 255, (24, 36, 3))
    rgb = np.kron(tiles, np.ones((12, 12, 1))).astype(np.uint8)
    boxes = ROLES.find(rgb, [])
    assert len(boxes) == segments.MOST
    assert [box.score for box in boxes] == sorted((box.score for box in boxes), reverse=True)


def test_a_strip_of_1_to_20_is_looked_at():
    strip = np.full((60, 1200, 3), 150, np.uint8)
    cv2.circle(strip, (600, 30), 22, (190, 40, 30), cv2.FILLED)
    box = ROLES.find(strip, [])[0]
    assert box.left < 0.5 < box.right and box.right - box.left < 0.06


def test_pruning_drops_what_nobody_can_touch():
    tags = [Tag("round thing", 0.5), Tag("red", 0.9), Tag("sky", 0.6)]
    assert [tag.name for tag in ROLES.prune(tags)] == ["round thing", "sky"]


def test_tags_of_another_tagger_are_not_understood_and_labels_say_thing():
    assert {box.label for box in ROLES.find(ball_and_bar(), [Tag("dog", 0.9)])} == {"thing"}


def test_the_highlighted_mask_is_read_back_wherever_it_lies():
    rgb = ball_and_bar()
    for window in (np.s_[100:200, 100:200], np.s_[0:60, 0:90], np.s_[200:, 400:]):
        mask = np.zeros(rgb.shape[:2], bool)
        mask[window] = True
        assert instances.mask_iou(embedded_texts.inside_outline(instances.highlighted(rgb, mask)), mask) > 0.8
    assert not embedded_texts.inside_outline(rgb).any()


def test_a_box_at_the_border_or_of_one_pixel_has_a_mask():
    rgb = ball_and_bar()
    corner, dot = ROLES.segment(rgb, [Box("thing", 0, 0, 1, 1, 1), Box("thing", 0.5, 0.5, 0.501, 0.501, 1)])
    assert corner.shape == dot.shape == rgb.shape[:2] and corner.any() and dot.sum() == 1


def test_three_dimensions_are_measured_and_three_are_not_assessed():
    said = ROLES.analyse(ball_and_bar())
    assert tuple(said) == DIMENSIONS
    assert [text == NOT_ASSESSED for text in said.values()] == [False, False, False, True, True, True]


@pytest.mark.parametrize("rgb, name", [
    ((200, 30, 30), "red"), ((30, 60, 160), "blue"), ((60, 130, 40), "green"), ((230, 200, 60), "yellow"),
    ((230, 130, 30), "orange"), ((110, 60, 140), "violet"), ((230, 150, 170), "pink"), ((100, 70, 40), "brown"),
    ((240, 240, 240), "white"), ((128, 128, 128), "grey"), ((15, 15, 15), "black")])
def test_plain_colours_have_their_names(rgb, name):
    assert colour_names.dominant(segments.lab(np.full((2, 2, 3), rgb, np.uint8)).reshape(-1, 3)) == name


def test_relations_need_no_more_than_boxes():
    told = embedded_texts.relations([(0.1, 0.1, 0.3, 0.3), (0.5, 0.5, 0.6, 0.6), (0.2, 0.2, 0.7, 0.4)])
    assert {(0, "left of", 1), (0, "above", 1), (2, "in front of", 0), (2, "larger than", 0)} <= set(told)
    assert (1, "left of", 0) not in told


def test_descriptions_without_a_place_are_told_and_not_related():
    plain = Description("A cat.", 0.5, {"colour": "black"})
    assert "A cat." in embedded_texts.long_caption(ball_and_bar(), [plain, plain], {})


def test_a_clean_texture_passes_the_judge_and_a_tiny_one_is_not_judged():
    assert ROLES.judge_patch(textured()).bad is False
    tiny = ROLES.judge_instance(textured()[:20, :90])
    assert tiny.bad is None and "too small" in tiny.reasons[0]


@pytest.mark.parametrize("kind", artefact_damage.KINDS)
def test_the_strongest_damage_of_each_kind_raises_its_measure_and_is_called_bad(kind):
    clean = textured()
    spoilt = artefact_damage.spoil(clean, kind, artefact_damage.KINDS[kind][-1])
    assert visible_artefacts.measure(spoilt)[kind] > visible_artefacts.measure(clean)[kind]
    assert ROLES.judge_patch(spoilt).bad


def test_blur_is_the_perceptual_blur_metric():
    for sigma in (0.5, 2.0):
        gray = cv2.GaussianBlur(textured()[..., 0].astype(np.float32), (0, 0), sigma)
        assert visible_artefacts.blur(gray) == pytest.approx(blur_effect(gray, h_size=11), abs=0.02)


def test_the_grain_of_white_noise_is_its_standard_deviation():
    gray = np.random.default_rng(0).normal(128, 5, (512, 512)).astype(np.float32)
    assert visible_artefacts.noise(gray) == pytest.approx(5, rel=0.15)

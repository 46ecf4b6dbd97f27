"""Which masks stay, and what a model gets to see of each instance."""
import numpy as np
import pytest

from pixverve_lib.curation import instances
from pixverve_lib.curation.instances import Limits, Opened
from pixverve_lib.imaging import large, reading
from pixverve_lib.models.annotation import Box, Instance


def square(top, left, bottom, right, side=100):
    mask = np.zeros((side, side), bool)
    mask[top:bottom, left:right] = True
    return mask


def box(score, label="thing"):
    return Box(label, 0.1, 0.1, 0.5, 0.5, score)


@pytest.fixture
def rgb():
    """Every pixel tells its own place: red and green the row, green and blue the column."""
    row, column = np.indices((1300, 2500))
    return np.stack([row % 256, column % 256, row // 256 * 16 + column // 256], axis=-1).astype(np.uint8)


@pytest.fixture
def tiled(rgb, tmp_path):
    large.write_tiled(tmp_path / "a.tif", *rgb.shape[:2], [rgb])
    return tmp_path / "a.tif"


def test_iou_is_intersection_over_union_and_0_for_nothing():
    assert instances.mask_iou(square(0, 0, 10, 10), square(0, 5, 10, 15)) == pytest.approx(50 / 150)
    assert instances.mask_iou(square(0, 0, 0, 0), square(0, 0, 0, 0)) == 0


def test_of_overlapping_masks_the_best_stays_and_trivial_ones_go():
    masks = [square(0, 0, 40, 40), square(0, 0, 40, 50), square(60, 60, 90, 90), square(0, 90, 2, 92)]
    found = instances.select([box(0.5), box(0.9), box(0.3), box(1.0)], masks, Limits(0.5, 0.001, 100))
    assert [i.score for i in found.kept] == [0.9, 0.3] and (found.trivial, found.duplicates) == (1, 1)
    assert instances.select([box(0.5)], [square(0, 0, 0, 0)], Limits(min_area=0)).trivial == 1


def test_boxes_may_overlap_when_masks_do_not_and_the_larger_of_equal_scores_is_better():
    checks = np.indices((100, 100)).sum(axis=0) % 2 == 0
    assert len(instances.select([box(0.5), box(0.5)], [checks, ~checks]).kept) == 2
    larger = instances.select([box(0.5, "small"), box(0.5, "large")], [square(0, 0, 40, 40), square(0, 0, 40, 50)])
    assert [i.label for i in larger.kept] == ["large"]


def test_of_500_boxes_the_best_100_stay_and_the_others_are_counted():
    best, left_out = instances.best([box(i / 500) for i in range(500)], Limits())
    assert (len(best), left_out, best[0].score) == (100, 400, 499 / 500)


def test_a_crop_is_cut_at_full_resolution_with_5_percent_on_each_side(rgb, tiled, tmp_path):
    place = Box("a", 200 / 1300, 1000 / 2500, 400 / 1300, 1400 / 2500, 1.0)
    assert np.array_equal(instances.cut_out(Opened(tiled), place), rgb[190:410, 980:1420])
    reading.write_jpeg(tmp_path / "a.jpg", rgb)
    same = reading.read_rgb(tmp_path / "a.jpg")[190:410, 980:1420]
    assert np.array_equal(instances.cut_out(Opened(tmp_path / "a.jpg"), place), same)


def test_a_crop_at_the_border_is_clipped_there(rgb, tiled):
    crop = instances.cut_out(Opened(tiled), Box("a", 0.9, 0.9, 1.0, 1.0, 1.0))
    assert np.array_equal(crop, rgb[1170 - 6:, 2250 - 12:])


def test_a_large_crop_comes_shrunk_from_a_smaller_level(tmp_path):
    smooth = np.linspace(0, 255, 5000)[None, :, None].repeat(600, 0).repeat(3, 2).astype(np.uint8)
    large.write_tiled(tmp_path / "a.tif", 600, 5000, [smooth])
    read = []
    whole, picture = Box("a", 0, 0, 1, 1, 1.0), Opened(tmp_path / "a.tif")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "read_crop", lambda *a, real=large.read_crop: read.append(a[-1]) or real(*a))
        crop = instances.cut_out(picture, whole)
    assert read == [2] and crop.shape[1] == 1024 and abs(int(crop[60, 512, 0]) - 127) <= 1


def test_an_ordinary_file_is_decoded_once_for_all_its_crops(rgb, tmp_path, monkeypatch):
    reading.write_jpeg(tmp_path / "a.jpg", rgb)
    decoded = []
    monkeypatch.setattr(reading, "read_rgb", lambda path, real=reading.read_rgb: decoded.append(path) or real(path))
    picture = Opened(tmp_path / "a.jpg")
    for _ in range(3):
        instances.cut_out(picture, box(1.0))
    assert len(decoded) == 1 and max(picture.shown.shape) == instances.ANALYSIS_SIDE


def test_a_picture_of_1_by_20_gives_a_pair_of_its_own_shape(tmp_path):
    reading.write_jpeg(tmp_path / "a.jpg", np.full((100, 2000, 3), 128, np.uint8))
    picture = Opened(tmp_path / "a.jpg")
    mask = np.zeros(picture.shown.shape[:2], bool)
    mask[10:40, 500:520] = True
    pair = instances.visual_pair(picture, Instance("a", 0.2, 0.49, 0.8, 0.51, 1.0, mask))
    assert pair.crop.shape == (66, 44, 3) and pair.highlighted.shape == picture.shown.shape


def test_what_is_highlighted_keeps_its_colours_and_the_rest_is_dimmed():
    shown = instances.highlighted(np.full((100, 100, 3), 200, np.uint8), square(30, 30, 70, 70))
    assert (shown[50, 50] == 200).all() and (shown[5, 5] == 70).all() and (shown[30, 50] == instances.OUTLINE).all()


@pytest.mark.parametrize("mask", [square(30, 20, 50, 70), ~square(0, 0, 5, 5), np.zeros((3, 2), bool),
                                  np.ones((3, 2), bool), np.random.default_rng(0).random((7, 5)) < 0.5])
def test_run_lengths_give_the_mask_back_and_read_down_the_columns(mask):
    runs = instances.encode_mask(mask)
    assert np.array_equal(instances.decode_mask(runs), mask) and sum(runs["counts"]) == mask.size
    assert instances.encode_mask(np.array([[False, True], [True, True]])) == {"size": [2, 2], "counts": [1, 3]}

"""Planted seams, and the filter that should find them."""
import cv2
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation import seam_filter
from pixverve_lib.imaging import large
from pixverve_lib.imaging.reading import write_jpeg
from pixverve_lib.paper.constants import SEAM_MAX_RATIO, SEAM_STRIDE
from pixverve_lib.scenes import seam_damage


@pytest.fixture(scope="module")
def pictures():
    """As an up-scaler returns them: nothing in them is one pixel sharp."""
    small = seam_damage.photographs(4, 320, 420, seed=5)
    return {name: cv2.resize(rgb, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC) for name, rgb in small.items()}


@pytest.fixture(scope="module")
def studied(pictures):
    return seam_filter.detection_study(pictures)


@pytest.mark.parametrize("kind, severity", [(kind, s[0]) for kind, s in seam_damage.KINDS.items()])
def test_a_planted_defect_changes_one_tile_of_the_grid_and_nothing_else(pictures, kind, severity):
    rgb = pictures["street 5002"]
    before = rgb.copy()
    damage = seam_damage.plant(rgb, kind, severity, SEAM_STRIDE, seed=1)
    assert np.array_equal(rgb, before) and damage.top % SEAM_STRIDE == damage.left % SEAM_STRIDE == 0
    tile = np.zeros(rgb.shape[:2], bool)
    tile[damage.top:damage.top + damage.side, damage.left:damage.left + damage.side] = True
    changed = (damage.rgb != rgb).any(axis=2)
    assert not changed[~tile].any() and changed[tile].mean() > 0.1


def test_severities_are_what_they_say(pictures):
    gray = np.full((1200, 1200, 3), 100, np.uint8)
    found = seam_damage.plant(gray, "brightness", 8, SEAM_STRIDE)
    assert (found.rgb[found.top:found.top + 384, found.left:found.left + 384] == 108).all()
    tint = seam_damage.plant(gray, "colour", 16, SEAM_STRIDE).rgb.astype(int) - gray
    assert sorted(tint.max(axis=(0, 1))) == [0, 0, 16]
    columns = np.tile(np.arange(1200, dtype=np.uint16).astype(np.uint8)[None, :, None], (1200, 1, 3))
    moved = seam_damage.plant(columns, "shift", 3, SEAM_STRIDE)
    assert (moved.rgb[moved.top, moved.left] == columns[0, moved.left + 3]).all()


def test_the_same_seed_spoils_the_same_tile_and_small_pictures_are_refused(pictures):
    rgb = pictures["street 5002"]
    tiles = [seam_damage.plant(rgb, "brightness", s, SEAM_STRIDE, seed=7)[1:] for s in (1, 16)]
    assert tiles[0] == tiles[1]
    with pytest.raises(ValueError, match="1152 px"):
        seam_damage.plant(rgb[:1000], "brightness", 1, SEAM_STRIDE)
    with pytest.raises(ValueError, match="none of brightness"):
        seam_damage.plant(rgb, "crack", 1, SEAM_STRIDE)


def test_clean_pictures_pass_and_clear_defects_are_found_where_they_are(pictures):
    for i, rgb in enumerate(pictures.values()):
        assert seam_filter.inspect(rgb).ratio < SEAM_MAX_RATIO
        for kind, severity in (("brightness", 8), ("colour", 16)):
            damage = seam_damage.plant(rgb, kind, severity, SEAM_STRIDE, seed=i)
            found = seam_filter.inspect(damage.rgb)
            assert found.ratio > SEAM_MAX_RATIO
            assert found.top - damage.top in (0, SEAM_STRIDE) and found.left - damage.left in (0, SEAM_STRIDE)


def test_segments_lie_on_the_grid_and_crumbs_at_the_border_are_left_out():
    rgb = np.random.default_rng(0).integers(0, 256, (800, 2 * 384 + 20, 3), dtype=np.uint8)
    found = seam_filter.segments(rgb)
    horizontal, vertical = (found[found.direction == d] for d in ("horizontal", "vertical"))
    assert set(horizontal.y0) == {384, 768} and set(horizontal.x1 - horizontal.x0) == {384}  # not the 20 px at 768
    assert set(vertical.x0) == {384, 768} and set(vertical.y1) == {384, 768}


def test_a_tiled_file_is_read_beside_its_seams_only_and_scores_as_in_memory(pictures, tmp_path, monkeypatch):
    damaged = seam_damage.plant(pictures["street 5002"], "brightness", 8, SEAM_STRIDE).rgb
    large.write_tiled(tmp_path / "a.tif", *damaged.shape[:2], [damaged])
    areas, read_crop = [], large.read_crop
    monkeypatch.setattr(large, "read_crop", lambda *place: areas.append(place[3] * place[4]) or read_crop(*place))
    assert seam_filter.inspect(tmp_path / "a.tif") == seam_filter.inspect(damaged)
    assert areas and sum(areas) < 0.15 * damaged[..., 0].size


def test_a_picture_in_an_ordinary_file_is_inspected_too(pictures, tmp_path):
    write_jpeg(tmp_path / "a.jpg", pictures["street 5002"], 100, "444")
    found = seam_filter.inspect(tmp_path / "a.jpg").ratio
    assert found == pytest.approx(seam_filter.inspect(pictures["street 5002"]).ratio, abs=0.3)


def test_a_ratio_of_exactly_the_limit_is_kept_and_a_missing_one_is_not_decided():
    decided = seam_filter.decide(pd.Series([2.5, 2.5001, np.nan], index=["a", "b", "c"]))
    assert dict(decided) == {"a": "kept", "b": "rejected", "c": "undecided"}
    without_seams = seam_filter.inspect(np.zeros((384, 384, 3), np.uint8))
    assert np.isnan(without_seams.ratio)


def test_stronger_defects_are_found_more_often_and_the_curves_go_from_none_to_all(studied):
    rates = seam_filter.rates(studied).set_index(["kind", "severity"])
    assert rates.clean.eq(0).all()
    for kind, severities in seam_damage.KINDS.items():
        assert rates.detected[kind].loc[list(severities)].is_monotonic_increasing
    assert rates.detected["brightness", 8] == 1 and rates.detected["colour", 16] == 1
    for _, curve in seam_filter.roc(studied).groupby("label"):
        assert curve.false_positives.is_monotonic_increasing and curve.detected.is_monotonic_increasing
        assert curve[["false_positives", "detected"]].iloc[0].max() <= 0.25 and curve.detected.iloc[-1] == 1


def test_the_rates_are_shares_of_pictures():
    studied = pd.DataFrame({"kind": ["clean"] * 4 + ["shift"] * 2, "severity": [0] * 4 + [1] * 2,
                            "picture": list("abcdab"), "ratio": [1, 1, 1, 3, 2, 4]})
    assert seam_filter.rates(studied).to_dict("records") == [
        {"kind": "shift", "severity": 1, "unit": "px", "detected": 0.5, "clean": 0.25}]
    curve = seam_filter.roc(studied)
    assert list(curve.limit) == [4, 3, 2, 1, -np.inf] and list(curve.detected) == [0, 0.5, 0.5, 1, 1]
    assert list(curve.false_positives) == [0, 0, 0.25, 0.25, 1]

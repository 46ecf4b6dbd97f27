"""Screen, detectors and decisions of Sec. 3.1.1-3.1.2, from files to candidate pool."""
import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation import builtin_pool, examples, inspection, purification, raw_pool, screening
from pixverve_lib.imaging.reading import read_rgb, write_jpeg
from pixverve_lib.kit.parallel import map_pictures
from pixverve_lib.kit.run import start
from pixverve_lib.scenes import layouts, render

PREDICTORS = ("classical-colour", "classical-composition")


@pytest.mark.parametrize("height, width, expected", [
    (2250, 4000, ""),  # 9.0 MP: below 10 MP
    (2500, 4000, "4x"),  # 10.0 MP exactly
    (4096, 4096, "4x"),
    (1499, 8000, ""),  # 12.0 MP, shorter side below 1,500
    (5000, 5000, "4x"),  # 25.0 MP exactly is not "exceeding"
    (5000, 5001, "2x"),
    (2999, 9000, ""),  # 27 MP, shorter side below 3,000
    (10000, 10000, "native"),
])
def test_the_screen_and_the_tier_follow_section_3_1_1_and_3_1_3(height, width, expected):
    assert screening.tier(height, width) == expected
    assert bool(screening.why_too_small(height, width)) == (expected == "")


def _pool(**columns):
    n = len(next(iter(columns.values())))
    good = {"exposure": 0.0, "sharpness": 100.0, "flatness": 0.1, "flatness_800": 0.1, "entropy": 7.5,
            "aesthetics_l": 5.0,
            "aesthetics_a": 5.0}
    return pd.DataFrame({name: columns.get(name, [value] * n) for name, value in good.items()})


def test_absolute_bounds_keep_their_own_value():
    pool = _pool(exposure=[0.2, 0.2001, 0, 0, 0, 0], sharpness=[99, 99, 10, 9.99, 99, 99], flatness=[0, 0, 0, 0, 0.975,
                                                                                                     0.976])
    kept = purification.decide(pool)
    assert list(kept.exposure) == [True, False, True, True, True, True]
    assert list(kept.sharpness) == [True, True, True, False, True, True]
    assert list(kept.flatness) == [True, True, True, True, True, False]


def test_the_top_sixty_percent_by_entropy_stay_and_ties_stay_with_them():
    assert list(purification.decide(_pool(entropy=[1, 2, 3, 4, 5]))["content richness"]) == [False, False, True, True,
                                                                                             True]
    assert purification.decide(_pool(entropy=[1, 3, 3, 3, 5]))["content richness"].sum() == 4


def test_either_aesthetic_score_is_enough():
    pool = _pool(aesthetics_l=[1, 2, 3, 4, 5], aesthetics_a=[5, 1, 2, 3, 4])
    assert list(purification.decide(pool).aesthetics) == [True, False, True, True, True]


def test_the_candidates_are_the_intersection_and_the_waterfall_ends_with_them():
    pool = _pool(exposure=[0.5, 0, 0, 0, 0], sharpness=[1, 1, 50, 50, 50], entropy=[7, 7, 1, 7, 7])
    kept = purification.decide(pool)
    waterfall = purification.attrition(kept)
    assert list(kept.candidate) == [False, False, False, True, True]
    assert list(waterfall.left) == [4, 3, 3, 2, 2]
    assert list(waterfall["only here"]) == [0, 1, 0, 1, 0]
    assert purification.overlaps(kept).loc["exposure", "sharpness"] == 1


def test_a_picture_without_a_whole_flatness_patch_is_no_candidate():
    assert not purification.decide(_pool(flatness=[np.nan, 0.1])).candidate[0]


def test_ultraflux_uses_its_own_thresholds():
    pool = _pool(flatness_800=[0.5, 0.51, 0.1, 0.1], entropy=[7.0, 7.5, 6.99, 7.5], sharpness=[1, 1, 1, 1])
    kept = purification.decide(pool, "ultraflux")
    assert list(kept.flatness) == [True, False, True, True]
    assert list(kept["content richness"]) == [True, True, False, True]
    assert kept.sharpness.all()


def test_an_empty_pool_gives_an_empty_candidate_pool():
    assert purification.decide(_pool(entropy=[])).empty


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three pictures that just pass the screen, and all that goes wrong in real folders."""
    pictures = tmp_path_factory.mktemp("home") / "bilder ü"
    pictures.mkdir()
    for seed in range(3):
        small = render.draw(layouts.compose("foliage", seed, 1.6), 625, 1000)
        write_jpeg(pictures / f"günther {seed}.jpg", cv2.resize(small, (4000, 2500)), 90)
    (pictures / "zero.jpg").write_bytes(b"")
    (pictures / "page.jpg").write_text("<html>404</html>")
    (pictures / "cut.jpg").write_bytes((pictures / "günther 0.jpg").read_bytes()[:100_000])
    (pictures / "twin.jpg").write_bytes((pictures / "günther 1.jpg").read_bytes())
    (pictures / "absurd.ppm").write_bytes(b"P6 100000 100000 255\n")
    write_jpeg(pictures / "small.jpg", render.draw(layouts.compose("street", 1), 200, 300), 90)
    return pictures


def test_a_folder_with_bad_files_ends_with_a_pool_and_a_reason_for_each_of_the_others(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    run = start("01_curation", "smoke", str(folder))
    pictures, _ = raw_pool.collect(run)
    inspected = raw_pool.inspect(run, pictures, PREDICTORS)
    pool, rejected, _ = raw_pool.assemble(pictures, inspected, PREDICTORS)
    assert len(pool) == 3 and set(pool.tier) == {"4x"}
    assert inspected.hash_0[inspected.path == pictures.path[pictures.path.str.contains("günther 0")].iloc[0]].iloc[0] \
        == inspection.inspect(folder / "günther 0.jpg", *PREDICTORS)["hash_0"]
    reasons = {os.path.basename(row.path): f"{row.step}: {row.reason}" for row in rejected.itertuples()}
    assert set(reasons) == {"zero.jpg", "page.jpg", "cut.jpg", "twin.jpg", "absurd.ppm", "small.jpg"}
    assert all("\n" not in reason for reason in reasons.values())
    for name, word in {"zero.jpg": "empty", "page.jpg": "not an image", "cut.jpg": "truncated",
                       "twin.jpg": "exact copy of",
                       "absurd.ppm": "absurd", "small.jpg": "resolution screen: too small"}.items():
        assert word in reasons[name]


def test_a_folder_of_only_bad_files_gives_an_empty_pool_and_no_crash(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"")
    run = start("01_curation", "smoke", str(tmp_path / "bad"))
    pictures, _ = raw_pool.collect(run)
    pool, rejected, _ = raw_pool.assemble(pictures, raw_pool.inspect(run, pictures, PREDICTORS), PREDICTORS)
    assert pool.empty and len(rejected) == 1
    assert purification.decide(pool).empty


def test_kill_9_in_the_middle_of_the_stage_loses_at_most_what_was_in_flight(folder, tmp_path):
    paths = [str(folder / name) for name in ("cut.jpg", "günther 0.jpg", "günther 1.jpg", "page.jpg", "zero.jpg")]
    script = ("import sys; from pixverve_lib.kit.parallel import map_pictures;"
              "from pixverve_lib.curation import inspection;"
              "map_pictures(inspection.inspect, sys.argv[2:], sys.argv[1], options=dict(predictor_l='classical-colour',"
              "predictor_a='classical-composition'), shard_size=2, n_jobs=1)")
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "work"), *paths], stdout=subprocess.DEVNULL)
    while child.poll() is None and not _finished(tmp_path):
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    done = _finished(tmp_path)
    options = dict(zip(("predictor_l", "predictor_a"), PREDICTORS, strict=True))
    frame = map_pictures(inspection.inspect, paths, tmp_path / "work", options=options, shard_size=2, n_jobs=1)
    assert done and list(frame.path) == paths
    assert (frame.status == "ok").sum() == 2


def _finished(tmp_path):
    lines = [line for file in tmp_path.glob("work/*/shard-*.jsonl") for line in file.read_text().splitlines()]
    for line in lines[:-1]:
        json.loads(line)
    return lines or list(tmp_path.glob("work/*/shard-*.parquet"))


def test_a_name_in_the_built_in_pool_says_how_to_draw_it(tmp_path):
    recipe = builtin_pool.Recipe("still life", 7, 60, 90, "good")
    assert builtin_pool.parse(tmp_path / recipe.name) == recipe
    builtin_pool.draw_file(tmp_path / recipe.name)
    assert read_rgb(tmp_path / recipe.name).shape == (60, 90, 3)
    assert builtin_pool.parse("holiday-0001.jpg") is None


def test_only_what_is_missing_of_the_built_in_pool_is_drawn(tmp_path, monkeypatch):
    tiny = [builtin_pool.Recipe("street", n, 60, 90, kind) for n in (1, 2) for kind in ("good", "cropped", "empty")]
    monkeypatch.setattr(builtin_pool, "plan", lambda budget, seed: tiny)
    paths = [picture.path for picture in builtin_pool.open_builtin("smoke", 0, tmp_path)]
    before = {path: os.stat(path).st_mtime_ns for path in paths}
    os.unlink(paths[0])
    again = list(builtin_pool.open_builtin("smoke", 0, tmp_path))
    assert [path for path in paths if os.stat(path).st_mtime_ns != before[path]] == paths[:1]
    assert all(picture.licence.startswith("Apache") for picture in again)
    assert all(bool(picture.caption) == ("empty" not in picture.path) for picture in again)


@pytest.mark.parametrize("budget", ["smoke", "laptop"])
def test_the_built_in_pool_holds_every_kind_of_fault_and_every_tier_it_promises(budget):
    recipes = builtin_pool.plan(budget)
    assert {r.kind for r in recipes} == {"good", *builtin_pool.SPOILED, *builtin_pool.COPIES, *builtin_pool.BROKEN}
    tiers = {screening.tier(r.height, r.width) for r in recipes if r.kind == "good"}
    assert tiers == ({"2x", "4x"} if budget == "smoke" else {"native", "2x", "4x"})
    assert len({r.name for r in recipes}) == len(recipes)


def test_fig_4_shows_a_picture_that_only_this_detector_flags_and_none_twice(tmp_path):
    paths = [str(tmp_path / f"{i}.jpg") for i in range(4)]
    for i, path in enumerate(paths):
        write_jpeg(path, render.draw(layouts.compose("landscape", i), 400, 600))
    pool = _pool(exposure=[0.9, 0.3, 0, 0], sharpness=[1, 99, 99, 99], entropy=[7.5, 7.4, 7.6, 7.7]).assign(path=paths)
    kept, bounds = purification.decide(pool), purification.thresholds(pool, "pixverve")
    rows = examples.for_detectors(pool, kept, bounds).set_index(["dimension", "verdict"])
    assert rows.path["exposure", "discarded"] == paths[1] and rows.path["sharpness", "discarded"] == paths[0]
    assert rows.path["exposure", "qualified"] != rows.path["sharpness", "qualified"]
    assert rows.column["flatness", "qualified"] == "flatness"
    assert ("aesthetics", "discarded") not in rows.index
    assert rows.thumb["sharpness", "discarded"].shape == (examples.SIDE, examples.SIDE, 3)

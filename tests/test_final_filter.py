"""From candidates to a filtered 100 MP pool: notebook 02 in small."""
import json

import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation import candidates, close_ups, consistency, final_filter, spectra, super_resolution
from pixverve_lib.imaging import large, reading
from pixverve_lib.kit.run import start
from pixverve_lib.models import upscalers
from pixverve_lib.scenes import camera, layouts, render


@pytest.fixture(scope="module")
def bicubic():
    return upscalers.load("bicubic")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    return start("02_super_resolution", "smoke")


def pool_of(folder, count):
    rows = []
    for i in range(count):
        rgb = render.draw(layouts.compose("street", i, 1.2), 400, 480)
        reading.write_jpeg(folder / f"{i}.jpg", np.concatenate(list(camera.record(rgb, i))))
        rows.append((f"{i:016x}", str(folder / f"{i}.jpg"), "4x", 400, 480, ""))
    return pd.DataFrame(rows, columns=["id", "path", "tier", "height", "width", "caption"])


def test_good_pictures_pass_and_one_of_another_motif_is_rejected_with_its_numbers(run, tmp_path):
    uhr, failures = super_resolution.produce(run, pool_of(tmp_path, 2), "bicubic")
    assert failures.empty and (uhr.height == 1600).all()
    measured, unread = final_filter.measure(run, uhr.assign(source_path=uhr.source_path.iloc[0]))
    decided = final_filter.decide(measured, consistency.Thresholds(35, 0.98, 0.05))
    assert decided.consistency.tolist() == ["kept", "rejected"] and decided.kept.tolist() == [True, False]
    rejected = final_filter.rejected(decided, unread)
    assert rejected.step.tolist() == ["consistency"] and "PSNR" in rejected.reason[0]


def test_a_damaged_result_is_named_and_the_others_go_on(run, tmp_path):
    uhr, _ = super_resolution.produce(run, pool_of(tmp_path, 2), "bicubic")
    with open(uhr.path[0], "r+b") as file:
        file.truncate(1000)
    measured, failures = final_filter.measure(run, uhr)
    assert measured.path.tolist() == [uhr.path[1]]
    assert failures.path.tolist() == [uhr.path[0]] and failures.reason.str.len().gt(10).all()


def test_native_pictures_are_neither_inspected_nor_rejected(run, tmp_path):
    uhr, _ = super_resolution.produce(run, pool_of(tmp_path, 1).assign(tier="native"), "bicubic")
    measured, failures = final_filter.measure(run, uhr)
    decided = final_filter.decide(measured, consistency.Thresholds(35, 0.98, 0.05))
    assert failures.empty and decided.kept.all() and decided.seam.tolist() == ["native"]
    assert uhr.path[0] == uhr.source_path[0] and final_filter.region_patches(decided, 0).empty


def test_a_window_of_a_built_in_picture_is_cut_from_its_native_version_and_its_input_is_the_average(tmp_path, bicubic):
    view = spectra.window(tmp_path / "street-0001-2600x3900-good.jpg", bicubic.margin)
    scene = layouts.compose("street", 1, 1.5)
    native = render.window(scene, 10400, 15600, (10400 - 2048) // 2, (15600 - 2048) // 2, 2048, 2048)
    assert np.array_equal(view.native, native)
    inner = view.low[view.margin:-view.margin, view.margin:-view.margin]
    average = native.reshape(512, 4, 512, 4, 3).mean(axis=(1, 3))
    assert np.abs(inner - average).max() <= 0.5 + 1e-6


def test_interpolation_loses_fine_energy_and_the_study_measures_it(tmp_path, bicubic):
    rgb = np.random.default_rng(0).integers(0, 256, (2200, 2300, 3), dtype=np.uint8)
    reading.write_jpeg(tmp_path / "noise.jpg", rgb, 100)
    curves, scores = spectra.study([str(tmp_path / "noise.jpg")], [bicubic])
    assert scores["fine energy / native"][0] < 0.01 and set(curves.curve) == {"native", "LR original", "bicubic"}
    (row,) = close_ups.crops([str(tmp_path / "noise.jpg")], [bicubic])
    assert {rgb.shape for rgb in row.values()} == {(96, 96, 3)}


def test_a_spoiled_tile_stands_out_and_the_region_patches_are_cut_where_they_lie(run, tmp_path):
    uhr, _ = super_resolution.produce(run, pool_of(tmp_path, 1), "bicubic")
    _, segments, planted = close_ups.spoiled(uhr.path[0], severity=8)
    loudest = segments.loc[segments.ratio.idxmax()]
    assert loudest.ratio > 2.5
    assert planted[0] - 1 <= loudest.y0 <= planted[0] + planted[2] + 1
    boxes = final_filter.region_patches(uhr, 0)
    small, shown, patches = close_ups.region_patches(uhr.path[0], boxes)
    assert len(patches) == len(boxes) == 4  # 1600 x 1920 holds 2 x 2 patches of 768
    first = large.read_crop(uhr.path[0], boxes.top[0], boxes.left[0], 768, 768)
    assert np.array_equal(patches[0], reading.thumbnail(first, 256))


def test_a_budget_takes_a_handful_and_paper_takes_all(run):
    rows = [("a", "4x", 4000, 4000), ("b", "4x", 3000, 4000), ("c", "native", 10000, 10000), ("d", "2x", 6000, 6000)]
    pool = pd.DataFrame(rows, columns=["path", "tier", "height", "width"])
    assert candidates.handful(pool, run).path.tolist() == ["b"]
    assert candidates.handful(pool, start("02_super_resolution", "laptop")).path.tolist() == ["c", "d", "b"]
    assert len(candidates.handful(pool, start("02_super_resolution", "paper"))) == 4


def test_the_sidecar_of_a_result_says_how_it_was_made(run, tmp_path):
    uhr, _ = super_resolution.produce(run, pool_of(tmp_path, 1), "bicubic")
    about = json.loads(next(run.folder.rglob("*.json")).read_text())
    assert "bicubic" in json.dumps(about) and uhr.upscaler[0] == "bicubic"

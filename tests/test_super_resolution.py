"""Super-resolution to 100 MP: tiers, seams, bounded memory, up-scalers that misbehave, and runs that are killed."""
import re
import resource
import signal
import sys
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image, ImageCms

from pixverve_lib.curation import super_resolution
from pixverve_lib.curation.screening import tier
from pixverve_lib.imaging import large
from pixverve_lib.imaging.reading import read_rgb
from pixverve_lib.kit.artefacts import DiskFull
from pixverve_lib.kit.run import start
from pixverve_lib.paper import constants


class Cubic:
    """OpenCV's bicubic, with as much margin as its kernel reaches; slowed down to be killed in time."""

    name, margin = "cubic:test", 4

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def __call__(self, tile, scale, prompt):
        time.sleep(self.seconds)
        size = tile.shape[1] * scale, tile.shape[0] * scale
        return cv2.resize(tile.astype(np.float32), size, interpolation=cv2.INTER_CUBIC).clip(0, 255)


class Bad(Cubic):
    """Spoils what Cubic returns."""

    def __init__(self, spoil):
        super().__init__()
        self.spoil = spoil

    def __call__(self, tile, scale, prompt):
        return self.spoil(super().__call__(tile, scale, prompt))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path / "home"))
    return tmp_path


def picture(path, height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    Image.fromarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)).save(path)
    return path


def pool_of(folder, sizes, tiers):
    """A pool of pictures as small as a test needs; their tiers are what is asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(f"{i:016x}", str(picture(folder / f"{i}.png", *size, i)), which, None, *size)
            for i, (size, which) in enumerate(zip(sizes, tiers, strict=True))]
    return pd.DataFrame(rows, columns=["id", "path", "tier", "caption", "height", "width"])


def produce(pool, upscaler, monkeypatch, notebook="02_super_resolution"):
    monkeypatch.setattr(super_resolution, "_load", lambda name: upscaler)
    return super_resolution.produce(start(notebook, "smoke"), pool, upscaler.name)


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).rglob("*.tif")}


def test_every_picture_that_is_super_resolved_reaches_100_mp():
    smallest = {"4x": constants.MEDIUM_PIXELS, "2x": constants.LARGE_PIXELS + 1}
    for name, pixels in smallest.items():
        assert pixels * super_resolution.SCALES[name] ** 2 >= constants.TARGET_PIXELS
    assert tier(2500, 4000) == "4x" and tier(4001, 6250) == "2x" and tier(10000, 10000) == "native"


@pytest.mark.parametrize("height, width, scale", [(1, 1, 4), (40, 300, 4), (127, 129, 4), (128, 257, 2), (225, 449, 2)])
def test_tiles_with_a_margin_leave_no_trace(home, height, width, scale):
    source = picture(home / "source.png", height, width)
    done = super_resolution.upscale(source, home / "out.tif", Cubic(), scale)
    assert done[:2] == large.size(home / "out.tif") == (height * scale, width * scale)
    edge = cv2.copyMakeBorder(read_rgb(source), 4, 4, 4, 4, cv2.BORDER_REFLECT)
    whole = Cubic()(edge, scale, "")[4 * scale : -4 * scale, 4 * scale : -4 * scale]
    off = large.read_crop(home / "out.tif", 0, 0, *done[:2]) - whole
    assert np.abs(off).max() <= 0.51


def test_up_to_as_many_tiles_as_the_upscaler_allows_are_made_at_once_and_it_gets_the_prompt(home):
    source, seen = picture(home / "source.png", 300, 300), []

    class Watched(Cubic):
        threads = 3

        def __call__(self, tile, scale, prompt):
            seen.append((tile.shape, prompt, threading.get_ident()))
            time.sleep(0.01)
            return super().__call__(tile, scale, prompt)

    *_, tiles = super_resolution.upscale(source, home / "out.tif", Watched(), 4, "a hill")
    assert tiles == len(seen) == 9 and {shape for shape, *_ in seen} == {(136, 136, 3)}
    assert {prompt for _, prompt, _ in seen} == {"a hill"} and len({thread for *_, thread in seen}) == 3


def test_the_colour_profile_of_the_source_is_kept(home):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(home / "source.png", icc_profile=profile)
    super_resolution.upscale(home / "source.png", home / "out.tif", Cubic(), 2)
    assert large.icc_profile(home / "out.tif") == profile


@pytest.mark.parametrize("spoil, words", [
    (lambda out: out[:-1], r"a tile of shape \(543, 448, 3\) instead of \(544, 448, 3\)"),
    (lambda out: out[..., 0], r"of shape \(544, 448\)"),
    (lambda out: out.astype(np.uint8), "a tile of uint8 instead of float32"),
    (lambda out: Image.new("RGB", (4, 4)), "a tile of Image instead of float32"),
    (lambda out: np.where(out > 100, np.nan, out).astype(np.float32), "NaN or infinite values"),
    (lambda out: np.where(out > 100, np.inf, out).astype(np.float32), "NaN or infinite values"),
    (lambda out: out / np.float32(255) - 1, r"values from -1 to -?[\d.e-]+, outside 0 to 255"),
])
def test_an_upscaler_that_returns_something_else_is_named(home, spoil, words):
    source = picture(home / "source.png", 154, 104)
    with pytest.raises(super_resolution.BadTile, match=f"^up-scaler cubic:test returned .*{words}"):
        super_resolution.upscale(source, home / "out.tif", Bad(spoil), 4)
    assert [path.name for path in home.iterdir()] == ["source.png"]


def test_the_pool_becomes_100_mp_pictures_and_native_ones_stay_untouched(home, monkeypatch, capsys):
    pool = pool_of(home / "in", [(200, 150), (90, 80), (60, 140)], ["2x", "native", "4x"])
    uhr, failures = produce(pool, Cubic(), monkeypatch)
    assert failures.empty and list(uhr.columns) == list(super_resolution.UHR) and list(uhr.id) == list(pool.id)
    assert uhr[["tier", "scale", "upscaler", "height", "width", "tiles"]].to_numpy().tolist() == [
        ["2x", 2, "cubic:test", 400, 300, 1], ["native", 1, "", 90, 80, 0], ["4x", 4, "cubic:test", 240, 560, 2]]
    assert uhr.path[1] == uhr.source_path[1] == pool.path[1]
    assert [large.size(path) for path in uhr.path] == list(zip(uhr.height, uhr.width, strict=True))
    assert "super-resolution by cubic:test: 3 pictures" in capsys.readouterr().out


def test_what_is_finished_is_not_made_again_unless_it_would_become_another_picture(home, monkeypatch):
    pool = pool_of(home / "in", [(50, 60), (30, 40)], ["4x", "4x"])
    uhr, _ = produce(pool, Cubic(), monkeypatch)
    never = Bad(lambda out: 1 / 0)
    again, failures = produce(pool, never, monkeypatch)
    assert failures.empty and again.equals(uhr)
    Path(uhr.path[0]).write_bytes(b"cut short")
    assert list(produce(pool, never, monkeypatch)[1].path) == [pool.path[0]]
    assert list(produce(pool.assign(tier=["4x", "2x"]), never, monkeypatch)[1].path) == list(pool.path)
    never.version = "retrained"
    assert len(produce(pool, never, monkeypatch)[1]) == 2
    never.version, never.name = "", "cubic-test"  # the same folder
    assert len(produce(pool, never, monkeypatch)[1]) == 2


def test_a_picture_that_fails_leaves_its_input_and_one_line_and_the_rest_goes_on(home, monkeypatch, capsys):
    pool = pool_of(home / "in", [(200, 200), (160, 160), (50, 60), (50, 60)], ["4x"] * 4)
    Path(pool.path[3]).write_bytes(Path(pool.path[3]).read_bytes()[:99])
    pool.loc[2, "height"] = 51

    class Moody(Cubic):
        def __call__(self, tile, scale, prompt):
            if tile.shape == (136, 136, 3) and tile[0, 0].tolist() == corner:
                raise RuntimeError("out of\nmood")
            return super().__call__(tile, scale, prompt)

    corner = cv2.copyMakeBorder(read_rgb(pool.path[1]), 4, 4, 4, 4, cv2.BORDER_REFLECT)[32, 32].tolist()  # a later tile
    uhr, failures = produce(pool, Moody(), monkeypatch)
    assert list(uhr.id) == [pool.id[0]] and list(failures.step) == ["super-resolution"] * 3
    assert failures.reason[0] == "RuntimeError: out of mood" and "the pool says 51 x 60" in failures.reason[1]
    assert "truncated" in failures.reason[2] and all(Path(path).exists() for path in pool.path)
    out = capsys.readouterr().out
    assert f"{pool.id[1]}: {pool.path[1]}: RuntimeError: out of mood\n" in out and "3 rejected" in out
    assert len(list((home / "home").rglob("*.*"))) == 2  # the finished picture and how it was made


def in_a_child(function, *arguments):
    """A forked process, for it has the imports already; OpenCV's threads do not survive a fork, so it uses none."""
    here, there = get_context("fork").Pipe(duplex=False)

    def run():
        cv2.setNumThreads(0)
        there.send(function(*arguments))

    child = get_context("fork").Process(target=run)
    child.start()
    there.close()
    return child, here


def test_a_run_killed_in_the_middle_of_a_picture_goes_on_to_the_same_bytes(home, monkeypatch):
    pool = pool_of(home / "in", [(150, 150), (500, 300), (150, 100)], ["4x"] * 3)
    folder = home / "home/runs/smoke/02_super_resolution/uhr/cubic-test"
    first, second = (folder / f"{i:016x}.tif" for i in range(2))
    child, _ = in_a_child(produce, pool, Cubic(seconds=0.03), monkeypatch)
    while child.is_alive() and not any(path.stat().st_size > 200_000 for path in folder.glob(f".*{second.stem}.*")):
        time.sleep(0.01)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL and first.exists() and not second.exists()
    assert any(path.name.startswith(".") for path in folder.iterdir())
    before = first.stat().st_mtime_ns
    uhr, failures = produce(pool, Cubic(), monkeypatch)
    assert len(uhr) == 3 and failures.empty and first.stat().st_mtime_ns == before
    whole, _ = produce(pool, Cubic(), monkeypatch, notebook="03_never_killed")
    assert contents(folder) == contents(Path(whole.path[0]).parent) and len(contents(folder)) == 3
    assert not any(path.name.startswith(".") for path in folder.iterdir())


def test_a_full_disk_stops_cleanly_and_keeps_what_is_finished(home, monkeypatch):
    pool = pool_of(home / "in", [(40, 50), (400, 400), (40, 50)], ["4x"] * 3)

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
        with pytest.raises(DiskFull) as full:
            produce(pool, Cubic(), monkeypatch)
        return str(full.value)

    child, answer = in_a_child(limited)
    assert re.fullmatch(r"no room to write .*0000000000000001.tif: free some space there, .*", answer.recv())
    child.join()
    folder = home / "home/runs/smoke/02_super_resolution/uhr/cubic-test"
    assert sorted(path.name for path in folder.iterdir()) == [f"{0:016x}.json", f"{0:016x}.tif"]


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_memory_is_some_rows_of_tiles_and_not_the_picture(home):
    source = picture(home / "source.png", 1500, 1500)
    super_resolution.upscale(source, home / "warm.tif", Cubic(), 1)  # what is compiled and loaded once

    def peak_mb():
        before = psutil.Process().memory_info().rss
        super_resolution.upscale(source, home / "out.tif", Cubic(), 4)
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / 1e6

    child, answer = in_a_child(peak_mb)
    peak = answer.recv()
    child.join()
    assert 5 < peak < 300 * 6000 / 10240  # MB; grows with the width alone; one float32 frame would be 432

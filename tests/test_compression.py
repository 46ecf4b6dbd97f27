"""The compression bench: verified measurements that resume, rankings with known answers, crops that read few bytes."""
import dataclasses

import numpy as np
import pandas as pd
import pytest

from pixverve_lib.codecs import measure, pictures, random_access, ranking
from pixverve_lib.imaging.reading import read_rgb
from pixverve_lib.kit.run import start
from pixverve_lib.paper.published import numbers
from pixverve_lib.scenes import camera, layouts, render


@pytest.fixture
def picture(tmp_path):
    rgb = render.draw(layouts.compose("street", 1), 200, 300)
    pictures.write_pnm(tmp_path / "street.ppm", 200, 300, [rgb[:90], rgb[90:]])
    return tmp_path / "street.ppm"


def test_a_pnm_written_in_bands_is_the_picture(picture):
    assert np.array_equal(read_rgb(picture), render.draw(layouts.compose("street", 1), 200, 300))


def test_every_codec_is_verified_and_a_second_call_measures_nothing_again(picture, tmp_path, capsys):
    jobs = [measure.job(codec, picture) for codec in ("qoi", "zpng", "jxl-e1")] + [measure.job("qoi", picture, side=64)]
    frame = measure.run_jobs(jobs, tmp_path / "jobs", repeats=2)
    assert list(frame.status) == ["ok"] * 4 and frame.verified.all()
    assert list(frame.width) == [300, 300, 300, 64] and (frame.bytes < frame.raw_bytes).all()
    assert (frame[["encode_s", "decode_s", "encode_wall_s"]] > 0).all(axis=None)
    capsys.readouterr()
    again = measure.run_jobs(jobs, tmp_path / "jobs", repeats=2)
    assert "4 kept from an earlier run" in capsys.readouterr().out and again.equals(frame)


def test_a_picture_that_a_codec_cannot_take_is_a_row_with_the_reason(tmp_path):
    pictures.write_pnm(tmp_path / "wide.ppm", 2, 16384, [np.zeros((2, 16384, 3), np.uint8)])
    frame = measure.run_jobs([measure.job(c, tmp_path / "wide.ppm") for c in ("webp-m1", "qoi")], tmp_path / "jobs")
    assert list(frame.status) == ["rejected", "ok"] and "16383" in frame.reason[0]
    assert ranking.per_pixel(frame).bits_per_pixel.isna().tolist() == [True, False]


def test_an_unverified_row_is_never_ranked():
    frame = pd.DataFrame({"status": ["ok", "ok"], "verified": [True, False], "bytes": [10, 1], "height": 2, "width": 2,
                          "encode_s": 1.0, "decode_s": 1.0})
    assert ranking.per_pixel(frame).bits_per_pixel.tolist()[0] == 20
    assert np.isnan(ranking.per_pixel(frame).bits_per_pixel[1])


def test_the_front_is_what_nobody_beats_in_both():
    assert ranking.front([1, 2, 3, 3, np.nan], [3, 2, 1, 2, 0]).tolist() == [True, True, True, False, False]


def test_the_published_fronts_are_those_of_the_table():
    table = numbers("tab_a5")
    names = {what: set(table.compressed_format[ranking.front(table.compressed_size_bytes, table[column])])
             for what, column in (("encode", "compression_time_s"), ("decode", "decompression_time_s"))}
    assert names["encode"] == {"HALICfast", "HALIC", "fNBLI", "NBLI (-g)", "LEA"}
    assert names["decode"] == names["encode"] | {"QOI"}


def test_measurements_equal_to_the_table_agree_with_it_perfectly():
    table, codecs = numbers("tab_a5"), measure.known()
    rows = [(codec.id, table.set_index("compressed_format").loc[codec.row]) for codec in codecs.values() if codec.row]
    frame = pd.DataFrame({
        "codec": [name for name, _ in rows], "status": "ok", "verified": True, "side": 0, "peak_mb": 1.0, "reason": "",
        "bytes": [row.compressed_size_bytes for _, row in rows], "height": 10240 * 25, "width": 10240,
        "encode_s": [row.compression_time_s for _, row in rows], "decode_s": [row.decompression_time_s for _,
                                                                              row in rows],
    })
    beside = ranking.beside(table, ranking.per_pixel(frame), codecs)
    assert len(beside) == 20 and ranking.correlations(beside).rho.tolist() == pytest.approx([1, 1, 1])
    assert ranking.correlations(beside).rows.tolist() == [9, 9, 9]
    assert beside.size_difference.abs().max() < 1e-9
    assert beside.bits_per_pixel.dropna().to_numpy() == pytest.approx(
        beside.bits_per_pixel_published[beside.bits_per_pixel.notna()].to_numpy())


def test_a_crop_across_tiles_and_at_the_edge_is_exact_and_reads_only_its_tiles(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    random_access.write_tiled(tmp_path / "t.tif", rgb, tile=128)
    for top, left in ((0, 0), (100, 120), (600, 800)):
        crop, read = random_access.read_crop(tmp_path / "t.tif", top, left, 100)
        assert np.array_equal(crop, rgb[top:top + 100, left:left + 100])
        assert 0 < read < 0.15 * (tmp_path / "t.tif").stat().st_size


def test_the_camera_blurs_a_little_and_adds_grain_in_light_and_colour():
    gray = np.full((300, 300, 3), 120, np.uint8)
    photo = np.concatenate(list(camera.record(gray.copy()))).astype(float)
    assert photo.std() == pytest.approx(np.hypot(np.hypot(0.7, 0.5), 1 / 12**0.5), rel=0.05)  # and rounding
    assert 0.4 < np.corrcoef(photo[..., 0].ravel(), photo[..., 1].ravel())[0, 1] < 0.7
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 200
    assert 20 < np.concatenate(list(camera.record(edge)))[:, 15].mean() < 80


def test_users_pictures_that_cannot_be_read_are_listed_with_the_reason(tmp_path, monkeypatch, picture):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "bad.png").write_bytes(b"")
    table = pictures.prepare(start("09_compression_bench", "smoke", str(tmp_path)))
    assert dict(zip(table.role, table.picture, strict=True)) == {"rejected": "bad.png", "content": "street",
                                                                 "large": "street"}
    assert "empty" in table.file[table.role == "rejected"].iloc[0]


def test_a_codec_says_so_when_it_is_asked_for_threads_it_cannot_use(picture, tmp_path):
    frame = measure.run_jobs([measure.job("qoi", picture)], tmp_path / "jobs", threads=2)
    assert frame.status[0] == "rejected" and "thread" in frame.reason[0]


def test_a_picture_that_does_not_fit_into_memory_is_refused_with_the_numbers():
    greedy = dataclasses.replace(measure.known()["qoi"], memory=1e6)
    with pytest.raises(measure.codecs.Unsuitable, match="GB are free"):
        measure._refuse_what_does_not_fit(greedy, 315_000_000)

"""Every codec of the wheels brings every sort of picture back, or says in one line why it cannot take it."""

import functools
import pickle
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
from PIL import features

from pixverve_lib.codecs import codec, executables, wheels
from pixverve_lib.paper import published

CODECS = {one.id: one for one in wheels.wheel_codecs()}
SIDES = [(1, 1), (3, 5), (257, 129)]
OURS = {"jxl-e5", "jxl-e7", "jpegls-subtract-green", "htj2k", "tiff-zstd", "webp-m0"}
FILLS = {
    "all 0": lambda shape: np.zeros(shape, np.uint8),
    "all 255": lambda shape: np.full(shape, 255, np.uint8),
    "noise": lambda shape: np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8),
    "saturated": lambda shape: np.random.default_rng(1).integers(0, 2, shape, dtype=np.uint8) * np.uint8(255),
}


@pytest.fixture
def fresh_offer():
    """The codecs are looked for again, before and after."""
    wheels._offer.cache_clear()
    yield
    wheels._offer.cache_clear()


def test_nothing_is_missing_from_the_pinned_wheels():
    assert wheels.missing() == {}


def test_wheels_and_executables_are_the_rows_of_the_table_in_its_order():
    table = list(published.table("tab_a5")["compressed_format"])
    ours_of_wheels = [one.row for one in CODECS.values()]
    assert len(table) == 20
    assert sorted(executables.rows() + [row for row in ours_of_wheels if row]) == sorted(table)
    assert executables.rows() == [row for row in table if row in executables.rows()]
    assert ours_of_wheels == [row for row in table if row in ours_of_wheels] + [""] * len(OURS)
    assert {one.id for one in CODECS.values() if not one.row} == OURS


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("id", CODECS)
def test_every_codec_brings_every_picture_back(id, fill):
    one = CODECS[id]
    for height, width in SIDES:
        for mode, shape in (("RGB", (height, width, 3)), ("gray", (height, width))):
            picture = FILLS[fill](shape)
            if mode in one.modes:
                codec.check(one, picture)
                codec.verify(one, picture, one.encode(picture))
            else:
                with pytest.raises(codec.Unsuitable, match=f"{id} takes RGB pictures, not gray"):
                    codec.check(one, picture)


@pytest.mark.parametrize("id", CODECS)
def test_a_view_that_is_not_contiguous_is_encoded_as_it_looks_and_left_alone(id):
    base = FILLS["noise"]((40, 60, 3))
    for view in (base[::2, ::-3], base.transpose(1, 0, 2), base[..., ::-1]):
        before = view.copy()
        data = CODECS[id].encode(view)
        assert data == CODECS[id].encode(before)
        codec.verify(CODECS[id], before, data)
        assert np.array_equal(view, before)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.zeros((4, 4, 4), np.uint8), "not RGBA"),
        (np.zeros((4, 4, 2), np.uint8), r"not \(4, 4, 2\) array"),
        (np.zeros((4, 4, 3), np.uint16), "8-bit samples, not on uint16"),
        (np.zeros((0, 4, 3), np.uint8), "0 x 4 px is empty"),
    ],
)
def test_what_no_codec_takes_is_said_in_one_line(picture, reason):
    for one in CODECS.values():
        with pytest.raises(codec.Unsuitable, match=reason):
            codec.check(one, picture)


def test_webp_ends_at_16383_px_where_its_encoder_does():
    webp, strip = CODECS["webp-m0"], np.zeros((1, 16384, 3), np.uint8)
    with pytest.raises(codec.Unsuitable, match="webp-m0 ends at 16383 px a side, the picture has 1 x 16384"):
        codec.check(webp, strip)
    codec.check(webp, strip[:, 1:])
    codec.verify(webp, strip[:, 1:], webp.encode(strip[:, 1:]))


def test_a_setting_that_only_looks_lossless_is_caught():
    lossy = functools.partial(imagecodecs.jpegxl_encode, level=100, effort=3, numthreads=1)  # no lossless=True
    pretender = codec.Codec("jxl-100", "", "JPEG XL level 100", lossy, imagecodecs.jpegxl_decode)
    picture = FILLS["noise"]((64, 64, 3))
    with pytest.raises(codec.NotLossless, match="jxl-100 is not lossless: .* of 12288 samples differ"):
        codec.verify(pretender, picture, pretender.encode(picture))


def test_one_wrong_sample_another_shape_and_another_type_are_differences():
    picture = FILLS["noise"]((codec.BAND + 3, 5, 3))
    other = picture.copy()
    other[-1, -1, -1] ^= 1
    assert codec.difference(picture, other) == f"1 of {picture.size} samples differ"
    assert "came back as" in codec.difference(picture, picture.transpose(1, 0, 2))
    assert "came back as" in codec.difference(picture, picture.astype(np.int16))
    assert codec.difference(picture, picture.copy()) == ""


def test_threads_change_the_id_and_not_the_picture():
    picture = FILLS["noise"]((1100, 600, 3))
    for id in ("jxl-e1", "jxl-e5", "tiff-zstd"):
        two = wheels.with_threads(id, 2)
        assert (two.id, two.row, two.label) == (f"{id}-t2", "", f"{CODECS[id].label}, 2 threads")
        codec.verify(two, picture, two.encode(picture))
    with pytest.raises(codec.Unsuitable, match="htj2k runs on one thread only"):
        wheels.with_threads("htj2k", 2)
    with pytest.raises(codec.Unsuitable, match="fnbli runs on one thread only"):
        wheels.with_threads("fnbli", 2)


def test_a_codec_can_be_sent_to_a_child_process():
    for one in CODECS.values():
        assert pickle.loads(pickle.dumps(one)).id == one.id


def test_an_imagecodecs_that_maps_efforts_to_one_another_offers_no_jpeg_xl(fresh_offer, monkeypatch):
    encode = imagecodecs.jpegxl_encode
    monkeypatch.setattr(
        imagecodecs, "jpegxl_encode", lambda picture, effort, **more: encode(picture, effort=max(3, effort), **more)
    )
    assert set(wheels.missing()) == {"jxl-e1", "jxl-e2", "jxl-e3", "jxl-e5", "jxl-e7"}
    assert "mixes up the efforts of JPEG XL: run `pip install" in wheels.missing()["jxl-e1"]
    with pytest.raises(codec.CodecMissing, match="mixes up the efforts"):
        wheels.with_threads("jxl-e1", 2)


def test_a_wheel_without_a_library_or_with_a_broken_one_leaves_only_its_codecs_out(fresh_offer, monkeypatch):
    monkeypatch.setattr(features, "check_module", lambda name: name != "webp")
    monkeypatch.setattr(imagecodecs, "qoi_decode", lambda data: np.zeros((1, 1, 3), np.uint8))
    assert set(wheels.missing()) == {"webp-m1", "webp-m0", "qoi"}
    assert "comes without WebP" in wheels.missing()["webp-m1"]
    assert "qoi failed on a small picture: qoi is not lossless" in wheels.missing()["qoi"]
    assert [one.id for one in wheels.wheel_codecs()] == [id for id in CODECS if id not in wheels.missing()]


def test_a_picture_of_more_than_179_mp_is_decoded_without_a_word_from_pillow():
    code = "from PIL import Image; from pixverve_lib.codecs import wheels; print(Image.MAX_IMAGE_PIXELS)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 2 * 178_956_970 and not done.stderr

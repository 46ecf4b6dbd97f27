"""Reading: every ordinary kind of picture in its stated way, every bad one with its reason."""

import pickle
import struct
import warnings
import zlib

import cv2
import fsspec
import numpy as np
import pytest
import simplejpeg
import tifffile
from PIL import Image, ImageFile, ImageOps

from pixverve_lib.imaging import reading
from pixverve_lib.imaging.reading import UnreadableImage, probe, read_rgb

LOSSLESS = {"PNG": {}, "TIFF": {"compression": "tiff_lzw"}, "WEBP": {"lossless": True}, "BMP": {}, "PPM": {}}


@pytest.fixture
def rgb():  # 67 x 300: two bands of rows when turned upright, no side a multiple of a JPEG block
    coarse = np.random.default_rng(0).integers(0, 256, (12, 40, 3), dtype=np.uint8)
    return cv2.resize(coarse, (300, 67), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def rgb16(rgb):
    return rgb.astype(np.uint16) * 251 + np.arange(300, dtype=np.uint16)[:, None]  # no low byte predicts its high byte


def reason(path) -> str:
    with pytest.raises(UnreadableImage) as caught:
        read_rgb(path)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def png_header_only(height: int, width: int) -> bytes:
    chunks = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(99)))
    body = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


# What is read, and how


@pytest.mark.parametrize("form", LOSSLESS)
def test_a_lossless_file_gives_back_its_pixels(tmp_path, rgb, form):
    Image.fromarray(rgb).save(tmp_path / "picture", form, **LOSSLESS[form])
    assert np.array_equal(read_rgb(tmp_path / "picture"), rgb)
    assert probe(tmp_path / "picture") == (67, 300, form, "RGB", 1, 1)


@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2, "progressive": True}])
def test_the_fast_jpeg_path_equals_pillow(tmp_path, rgb, options):
    Image.fromarray(rgb).save(tmp_path / "a.jpg", quality=80, **options)
    assert np.array_equal(read_rgb(tmp_path / "a.jpg"), np.asarray(Image.open(tmp_path / "a.jpg")))


def test_a_jpeg_with_a_subsampling_unknown_to_simplejpeg_goes_to_pillow(tmp_path, rgb, monkeypatch):
    reading.write_jpeg(tmp_path / "a.jpg", rgb)
    expected = read_rgb(tmp_path / "a.jpg")

    def unknown(data):
        raise ValueError("Could not determine subsampling level of JPEG image")

    monkeypatch.setattr(simplejpeg, "decode_jpeg_header", unknown)
    assert np.array_equal(read_rgb(tmp_path / "a.jpg"), expected)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, rgb, form, orientation):
    exif = Image.Exif()
    exif[reading.ORIENTATION] = orientation
    path = tmp_path / "turned"
    Image.fromarray(rgb).save(path, form, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    header = probe(path)
    assert np.array_equal(read_rgb(path), upright)
    assert (header.height, header.width, header.orientation) == (*upright.shape[:2], orientation)


def test_broken_exif_counts_as_none(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "a.png", exif=b"Exif\0\0garbage garbage")
    assert np.array_equal(read_rgb(tmp_path / "a.png"), rgb)


def test_gray_becomes_three_equal_channels(tmp_path, rgb):
    gray = Image.fromarray(rgb).convert("L")
    for name in ("a.png", "a.jpg"):
        gray.save(tmp_path / name)
        stored = np.asarray(Image.open(tmp_path / name))
        assert np.array_equal(read_rgb(tmp_path / name), np.dstack([stored] * 3))


def test_a_palette_becomes_its_colours(tmp_path, rgb):
    indexed = Image.fromarray(rgb).quantize(32)
    indexed.save(tmp_path / "a.png")
    assert np.array_equal(read_rgb(tmp_path / "a.png"), np.asarray(indexed.convert("RGB")))


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_16_bits_become_their_high_byte_in_gray_and_in_colour(tmp_path, rgb16, name):
    cv2.imwrite(str(tmp_path / name), rgb16[..., ::-1])
    assert np.array_equal(read_rgb(tmp_path / name), rgb16 >> 8)
    cv2.imwrite(str(tmp_path / name), rgb16[..., 0])
    assert np.array_equal(read_rgb(tmp_path / name), np.dstack([rgb16[..., 0] >> 8] * 3))


def test_big_endian_16_bit_gray_becomes_its_high_byte(tmp_path, rgb16):
    tifffile.imwrite(tmp_path / "a.tif", rgb16[..., 0], byteorder=">")
    assert np.array_equal(read_rgb(tmp_path / "a.tif")[..., 0], rgb16[..., 0] >> 8)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_composited_on_white(tmp_path, mode):
    picture = Image.new("RGBA", (300, 67), (100, 100, 100, 255))
    picture.paste((100, 100, 100, 0), (0, 0, 150, 67))
    picture.convert(mode).save(tmp_path / "a.png")
    found = read_rgb(tmp_path / "a.png")
    assert (found[:, :150] == 255).all() and (found[:, 150:] == 100).all()


def test_half_transparent_black_on_white_is_middle_gray(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(tmp_path / "a.png")
    assert (read_rgb(tmp_path / "a.png") == 127).all()


def test_cmyk_jpegs_are_read_as_photoshop_inverts_them(tmp_path, rgb):
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    assert Image.open(tmp_path / "a.jpg").info["adobe"]  # Pillow writes as Adobe does: marked, and inverted
    stored = simplejpeg.decode_jpeg((tmp_path / "a.jpg").read_bytes(), "CMYK").astype(int)
    assert np.abs(255 - stored[..., :3] - (255 - rgb.astype(int))).mean() < 3
    assert np.abs(read_rgb(tmp_path / "a.jpg").astype(int) - rgb).mean() < 3


def test_the_previews_behind_a_camera_jpeg_do_not_make_it_an_animation(tmp_path, rgb):
    preview = Image.fromarray(rgb[::4, ::4])
    Image.fromarray(rgb).save(tmp_path / "drone.jpg", "MPO", save_all=True, append_images=[preview])
    assert probe(tmp_path / "drone.jpg")[:5] == (67, 300, "MPO", "RGB", 1)
    assert read_rgb(tmp_path / "drone.jpg").shape == rgb.shape


def test_non_ascii_names_and_urls_are_read(tmp_path, rgb):
    path = tmp_path / "写真 é.png"
    Image.fromarray(rgb).save(path)
    fsspec.filesystem("memory").pipe("/folder/写真.png", path.read_bytes())
    assert np.array_equal(read_rgb(path), rgb)
    assert np.array_equal(read_rgb("memory://folder/写真.png"), rgb)
    assert reason("memory://folder/none.png") == "no such file"


def test_200_megapixels_are_probed_without_a_warning_and_without_decoding(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png_header_only(13031, 15348))
    decoded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert probe(tmp_path / "a.png")[:2] == (13031, 15348)
    assert not decoded


# What is not read, and why


def test_an_empty_file_is_reported(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert reason(tmp_path / "a.jpg") == "empty file (0 bytes)"


@pytest.mark.parametrize("data", [b"<html>404</html>", pickle.dumps([1]), b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(5000)])
def test_what_is_not_an_image_is_reported(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    assert reason(tmp_path / "a.jpg") == "not an image of a known format"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "JPEG2000", "GIF", "BMP", "PPM"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_reported(tmp_path, rgb, form, share):
    path = tmp_path / "a"
    Image.fromarray(rgb).save(path, form)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert reason(path).startswith(("truncated", "damaged"))


def test_a_jpeg_cut_by_a_few_bytes_or_flipped_inside_is_not_patched_up(tmp_path, rgb):
    reading.write_jpeg(tmp_path / "a.jpg", rgb)
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:-2])
    assert reason(tmp_path / "a.jpg").startswith("truncated: the file ends before the picture does")
    (tmp_path / "a.jpg").write_bytes(data[:-400] + bytes(b ^ 0x55 for b in data[-400:-2]) + data[-2:])
    assert reason(tmp_path / "a.jpg").startswith("damaged: Corrupt JPEG data")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # reading ignores it, pytest forgets that
@pytest.mark.parametrize("size", [(100_000, 100_000), (40_000, 40_000)])  # Pillow raises, Pillow only warns
def test_an_absurd_header_is_refused_before_anything_is_allocated(tmp_path, size):
    (tmp_path / "a.png").write_bytes(png_header_only(*size))
    assert reason(tmp_path / "a.png").startswith("absurd header")
    with pytest.raises(UnreadableImage, match="absurd header"):
        probe(tmp_path / "a.png")


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_are_refused_and_counted(tmp_path, rgb, form):
    frames = [Image.fromarray(np.roll(rgb, 20 * k, axis=1)) for k in range(3)]
    frames[0].save(tmp_path / "a", form, save_all=True, append_images=frames[1:])
    assert reason(tmp_path / "a") == "animated or paged: 3 frames where one picture is expected"
    assert probe(tmp_path / "a").frames == 3


def test_samples_without_an_agreed_way_to_8_bits_are_refused(tmp_path, rgb, rgb16):
    tifffile.imwrite(tmp_path / "float.tif", rgb[..., 0].astype(np.float32))
    assert reason(tmp_path / "float.tif") == "samples of mode F have no agreed way to 8-bit RGB"
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(rgb16, -1, 0), photometric="rgb", planarconfig="separate")
    assert reason(tmp_path / "planes.tif").startswith("16-bit TIFF with separate colour planes")


def test_a_missing_file_and_a_folder_are_reported(tmp_path):
    assert reason(tmp_path / "none.jpg") == "no such file"
    assert reason(tmp_path) == "cannot be opened: Is a directory"


def test_a_denied_permission_is_reported(tmp_path, rgb, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)  # root, as in containers, may read what chmod forbids
    assert reason(tmp_path / "a.jpg").startswith("permission denied")


def test_running_out_of_memory_is_not_blamed_on_the_file(tmp_path, rgb, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    reading.write_jpeg(tmp_path / "a.jpg", rgb)
    monkeypatch.setattr(simplejpeg, "decode_jpeg", exhausted)
    with pytest.raises(MemoryError):
        read_rgb(tmp_path / "a.jpg")


def test_the_reason_survives_the_way_back_from_a_worker():
    assert pickle.loads(pickle.dumps(UnreadableImage("empty file"))).reason == "empty file"


# What is written


def test_a_jpeg_is_written_completely_or_not_at_all(tmp_path, rgb, monkeypatch):
    reading.write_jpeg(tmp_path / "a.jpg", rgb[:, ::-1], quality=95, subsampling="444")
    before = (tmp_path / "a.jpg").read_bytes()
    assert np.abs(read_rgb(tmp_path / "a.jpg").astype(int) - rgb[:, ::-1]).mean() < 2

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reading.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        reading.write_jpeg(tmp_path / "a.jpg", rgb)
    assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]
    assert (tmp_path / "a.jpg").read_bytes() == before


def test_a_thumbnail_averages_areas_and_never_enlarges(rgb):
    blocks = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3), np.ones((4, 4), np.uint8)) * 10
    assert np.array_equal(reading.thumbnail(blocks, 3), np.arange(6).reshape(2, 3) * 10)
    assert reading.thumbnail(rgb, 150).shape == (34, 150, 3)
    assert reading.thumbnail(rgb, 1000) is rgb

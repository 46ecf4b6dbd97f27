"""Very large pictures: what is written band by band comes back by the crop, at every level, and damage is named."""
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from pixverve_lib.imaging import large, reading
from pixverve_lib.imaging.reading import UnreadableImage

HEIGHT, WIDTH = 301, 437  # odd, and no multiple of a tile


@pytest.fixture(scope="module")
def rgb():
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT // 5 + 1, WIDTH // 5 + 1, 3), dtype=np.uint8)
    return cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def tiled(rgb, tmp_path):
    large.write_tiled(tmp_path / "tiled.tif", HEIGHT, WIDTH, cut(rgb, 70), tile=64)
    return tmp_path / "tiled.tif"


def cut(rgb, rows):
    return (rgb[top : top + rows] for top in range(0, len(rgb), rows))


def halved(rgb):
    """The 2 x 2 average, half levels up; an odd last row or column counts twice."""
    even = np.pad(rgb, [(0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)], mode="edge").astype(int)
    return ((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2] + 2) // 4).astype(np.uint8)


def test_crops_and_bands_of_every_level_are_exact(rgb, tiled):
    level, due = 0, rgb
    while True:
        height, width = large.size(tiled, level)
        assert np.array_equal(np.concatenate(list(large.read_bands(tiled, level))), due)
        for top, left in ((0, 0), (height // 3, width // 4), (height - 9, width - 7)):
            crop = large.read_crop(tiled, top, left, 9, 7, level)
            assert np.array_equal(crop, due[top : top + 9, left : left + 7])
        if max(height, width) <= 64:
            break
        level, due = level + 1, halved(due)
    assert level == 3
    with pytest.raises(IndexError, match="levels 0 to 3, not 4"):
        large.size(tiled, 4)
    with pytest.raises(IndexError, match=r"9 x 9 px at \(0, 430\) are not inside 301 x 437 px"):
        large.read_crop(tiled, 0, 430, 9, 9)


def test_an_independent_reader_sees_the_same_picture(rgb, tiled):
    assert np.array_equal(reading.read_rgb(tiled), rgb)


def test_equal_pictures_are_equal_bytes_however_the_bands_are_cut(rgb, tiled, tmp_path):
    large.write_tiled(tmp_path / "again.tif", HEIGHT, WIDTH, cut(rgb, 1), tile=64)
    assert (tmp_path / "again.tif").read_bytes() == tiled.read_bytes()


def test_jpeg_tiles_are_smaller_and_near_up_to_the_border(rgb, tiled, tmp_path):
    large.write_tiled(tmp_path / "jpeg.tif", HEIGHT, WIDTH, [rgb], tile=64, quality=95)
    assert (tmp_path / "jpeg.tif").stat().st_size < 0.5 * tiled.stat().st_size
    off = np.abs(large.read_crop(tmp_path / "jpeg.tif", 0, 0, HEIGHT, WIDTH).astype(int) - rgb)
    assert off.mean() < 8 and off[-1].mean() < 10 and off[:, -1].mean() < 10  # colour noise is hard for JPEG


@pytest.mark.parametrize("spoil, words", [
    (lambda rgb: [rgb, rgb[:1]], "exceeds the uint8 picture"),
    (lambda rgb: [np.concatenate([rgb, rgb])], "exceeds"),
    (lambda rgb: [rgb[:-1]], "300 rows in all, the picture has 301"),
    (lambda rgb: [rgb.astype(np.float32)], "float32"),
    (lambda rgb: [rgb[:, :-1]], "exceeds"),
    (lambda rgb: (1 / 0 for _ in range(3)), "division by zero"),
])
def test_bands_that_do_not_make_the_picture_leave_the_old_file_alone(rgb, tiled, spoil, words):
    before = tiled.read_bytes()
    with pytest.raises((ValueError, ZeroDivisionError), match=words):
        large.write_tiled(tiled, HEIGHT, WIDTH, spoil(rgb), tile=64)
    assert tiled.read_bytes() == before and [path.name for path in tiled.parent.iterdir()] == ["tiled.tif"]


def test_shrinking_averages_areas_as_if_the_picture_were_held_whole(rgb, tiled, monkeypatch):
    monkeypatch.setattr(large, "SLICE", 37)  # parts that end within a new row
    whole = rgb.astype(np.float64)
    for height, width in ((HEIGHT, WIDTH), (43, 19), (150, 218), (300, 436), (2, 5), (1, 1)):
        due = area(area(whole, height).swapaxes(0, 1), width).swapaxes(0, 1)
        assert np.abs(large.shrunk(tiled, height, width) - due).max() <= 0.51
    with pytest.raises(ValueError, match="cannot be shrunk to 302 x 437"):
        large.shrunk(tiled, HEIGHT + 1, WIDTH)


def area(array, new):
    """Averages along the first axis from differences of a running sum, which is linear inside a pixel."""
    edges = np.linspace(0, len(array), new + 1)
    sums = np.concatenate([np.zeros_like(array[:1]), np.cumsum(array, axis=0)])
    low = np.minimum(edges.astype(int), len(array) - 1)
    at_edges = sums[low] + (edges - low)[:, None, None] * (sums[low + 1] - sums[low])
    return np.diff(at_edges, axis=0) * new / len(array)


def test_a_thumbnail_comes_from_the_smallest_level_that_has_its_pixels(rgb, tiled, monkeypatch):
    read, crop = [], large.read_crop
    monkeypatch.setattr(large, "read_crop", lambda path, *place: read.append(place[-1]) or crop(path, *place))
    assert np.array_equal(large.thumbnail(tiled, 219), halved(rgb))
    assert large.thumbnail(tiled, 100).shape == (69, 100, 3)
    assert large.thumbnail(tiled, 220).shape == (152, 220, 3) and large.thumbnail(tiled, 9999).shape == rgb.shape
    assert read == [1, 2, 0, 0]


def test_ordinary_pictures_are_read_upright_by_the_same_functions(rgb, tmp_path):
    path, exif = tmp_path / "turned.png", Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(path, exif=exif)
    upright = np.rot90(rgb, -1)
    assert large.size(path) == upright.shape[:2]
    assert np.array_equal(large.read_crop(path, 5, 6, 70, 80), upright[5:75, 6:86])
    assert np.array_equal(np.concatenate(list(large.read_bands(path))), upright)
    assert np.array_equal(large.shrunk(path, WIDTH, HEIGHT), upright)
    with pytest.raises(IndexError, match="levels 0 to 0, not 1"):
        large.read_crop(path, 0, 0, 1, 1, level=1)


def test_the_colour_profile_is_handed_on_unless_it_is_not_of_rgb_values(rgb, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(rgb).save(tmp_path / "source.jpg", icc_profile=profile)
    large.write_tiled(tmp_path / "t.tif", HEIGHT, WIDTH, [rgb], icc=large.icc_profile(tmp_path / "source.jpg"))
    assert large.icc_profile(tmp_path / "t.tif") == profile
    gray = profile[:16] + b"GRAY" + profile[20:]
    Image.fromarray(rgb[..., 0]).save(tmp_path / "gray.png", icc_profile=gray)
    assert large.icc_profile(tmp_path / "gray.png") is None


def test_a_black_picture_is_black(tmp_path):
    large.write_tiled(tmp_path / "black.tif", 100, 90, [np.zeros((100, 90, 3), np.uint8)], tile=32)
    assert not large.read_crop(tmp_path / "black.tif", 0, 0, 100, 90).any()


@pytest.mark.parametrize("spoil", [
    lambda data: data[: len(data) // 4],
    lambda data: data[:1000] + b"U" * (len(data) - 1000),
    lambda data: data[:30],
    lambda data: b"",
])
def test_a_damaged_file_is_named_as_such(tiled, spoil):
    tiled.write_bytes(spoil(tiled.read_bytes()))
    with pytest.raises(UnreadableImage, match="damaged|truncated|empty"):
        list(large.read_bands(tiled))
    tiled.unlink()
    with pytest.raises(UnreadableImage, match="no such file"):
        large.size(tiled)

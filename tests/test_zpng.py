"""ZPNG over zstandard: the stream that catid/Zpng's source describes, worked out by hand, and damaged streams."""

import numpy as np
import pytest
import zstandard

from pixverve_lib.codecs import codec, zpng

PICTURE = np.array([[[10, 20, 30], [13, 22, 31]], [[0, 255, 1], [255, 0, 0]]], np.uint8)
# Row 1: differences to the left (10, 20, 30), (3, 2, 1); row 2, from 0 again: (0, 255, 1), (255, 1, 255), modulo 256.
BLUE = [30, 1, 1, 255]
GREEN_MINUS_BLUE = [246, 1, 254, 2]
GREEN_MINUS_RED = [10, 255, 255, 2]
FILTERED = bytes(BLUE + GREEN_MINUS_BLUE + GREEN_MINUS_RED)
HEADER = bytes([0xF8, 0xFB, 2, 0, 2, 0, 3, 1])  # magic, width and height little-endian, 3 channels, 1 byte each
# A zstd frame (RFC 8878) of the 12 bytes as they are: magic, single segment with a size of one byte, one raw block.
RAW_FRAME = bytes.fromhex("28b52ffd 20 0c") + (12 << 3 | 1).to_bytes(3, "little") + FILTERED


def test_the_header_is_eight_bytes_little_endian_as_in_the_original():
    picture = np.zeros((0x0102, 0x0304, 3), np.uint8)
    assert zpng.encode(picture)[:8] == bytes([0xF8, 0xFB, 0x04, 0x03, 0x02, 0x01, 3, 1])
    assert zpng.encode(picture[..., 0])[6:8] == bytes([1, 1])


def test_two_by_two_pixels_are_filtered_as_computed_by_hand():
    data = zpng.encode(PICTURE)
    assert data[:8] == HEADER
    assert zstandard.decompress(data[8:]) == FILTERED


def test_a_stream_written_by_hand_is_read():
    assert np.array_equal(zpng.decode(HEADER + RAW_FRAME), PICTURE)


def test_gray_is_the_difference_to_the_left_in_one_plane():
    gray = np.array([[5, 3], [7, 7]], np.uint8)
    assert zstandard.decompress(zpng.encode(gray)[8:]) == bytes([5, 254, 7, 0])


def test_bands_leave_no_seam():
    noise = np.random.default_rng(0).integers(0, 256, (2 * zpng.BAND + 1, 7, 3), dtype=np.uint8)
    assert np.array_equal(zpng.decode(zpng.encode(noise)), noise)


def test_a_side_of_65536_px_is_unsuitable_and_one_less_is_not():
    too_wide = np.zeros((1, 65536, 3), np.uint8)
    with pytest.raises(codec.Unsuitable, match="zpng ends at 65535 px a side, the picture has 1 x 65536"):
        codec.check(zpng.codec(), too_wide)
    codec.check(zpng.codec(), too_wide[:, 1:])
    codec.verify(zpng.codec(), too_wide[:, 1:], zpng.encode(too_wide[:, 1:]))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are less than its header"),
        (b"\x89PNG\r\n\x1a\n", "begins with 0x5089, not with 0xfbf8"),
        (HEADER[:6] + b"\x04\x01" + RAW_FRAME, "4 channels of 1 bytes"),
        (HEADER[:6] + b"\x01\x02" + RAW_FRAME, "1 channels of 2 bytes"),
        (HEADER[:2] + b"\xff\xff\xff\xff\x03\x01" + RAW_FRAME, "asks for 12884508675 bytes, its zstd frame has 12"),
        (HEADER + RAW_FRAME[:-1], "damaged ZPNG stream"),
        (HEADER + b"no zstd frame", "damaged ZPNG stream"),
    ],
)
def test_a_damaged_stream_is_one_line(data, reason):
    with pytest.raises(codec.CodecFailed, match=reason) as caught:
        zpng.decode(data)
    assert "\n" not in str(caught.value)

"""ZPNG (Tab. A5) over zstandard: streams that catid/Zpng reads and writes, for 8-bit gray and RGB.

The format, as its source has it (zpng.cpp; the code here is our own):
    header   8 bytes, little-endian: magic 0xFBF8, width, height (16 bits each), channels,
    bytes per channel (8 bits each).
    payload  one zstd frame (level 1) of the filtered samples.
    filter   difference to the left pixel modulo 256, starting from 0 in every row; RGB differences (r, g,
                                                                                                     b) then become
             (b, g - b, g - r), each a plane of its own, one after the other.
"""

import struct

import numpy as np
import zstandard

from pixverve_lib.codecs.codec import Codec, CodecFailed

HEADER = struct.Struct("<HHHBB")
MAGIC = 0xFBF8
MAX_SIDE = 65535  # what 16 bits hold
LEVEL = 1  # kCompressionLevel of zpng.cpp
BAND = 128  # rows filtered at a time: temporaries stay in the cache


def codec() -> Codec:
    """ZPNG as Tab. A5 has it."""
    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    return Codec("zpng", "ZPNG", f"ZPNG (ours over zstd {version})", encode, decode, max_side=MAX_SIDE, memory=2.5)


def encode(picture: np.ndarray) -> bytes:
    """The ZPNG stream of picture (H W or H W 3 uint8, sides up to MAX_SIDE)."""
    height, width = picture.shape[:2]
    channels = picture.size // (height * width)
    planes = np.empty((channels, height, width), np.uint8)
    samples = picture.reshape(height, width, channels)
    for top in range(0, height, BAND):
        _filter(samples[top : top + BAND], planes[:, top : top + BAND])
    payload = zstandard.ZstdCompressor(level=LEVEL).compress(planes)
    return HEADER.pack(MAGIC, width, height, channels, 1) + payload


def decode(data: bytes) -> np.ndarray:
    """The picture (H W or H W 3 uint8) of a ZPNG stream. Raises CodecFailed."""
    height, width, channels = _shape(data)
    planes = _payload(data, height * width * channels).reshape(channels, height, width)
    samples = np.empty((height, width, channels), np.uint8)
    for top in range(0, height, BAND):
        _unfilter(planes[:, top : top + BAND], samples[top : top + BAND])
    return samples if channels == 3 else samples[..., 0]


def _shape(data: bytes) -> tuple[int, int, int]:
    if len(data) < HEADER.size:
        raise CodecFailed(f"no ZPNG stream: {len(data)} bytes are less than its header")
    magic, width, height, channels, sample_bytes = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise CodecFailed(f"no ZPNG stream: it begins with {magic:#06x}, not with {MAGIC:#06x}")
    if channels not in (1, 3) or sample_bytes != 1:
        kind = f"{channels} channels of {sample_bytes} bytes"
        raise CodecFailed(f"a ZPNG stream of {kind}: only 8-bit gray and RGB are read")
    return height, width, channels


def _payload(data: bytes, size: int) -> np.ndarray:
    frame = memoryview(data)[HEADER.size :]
    try:
        declared = zstandard.get_frame_parameters(frame).content_size
        if declared != size:  # before anything is allocated for it
            raise CodecFailed(f"a damaged ZPNG stream: its header asks for {size} bytes, its zstd frame has {declared}")
        return np.frombuffer(zstandard.ZstdDecompressor().decompress(frame), np.uint8)
    except zstandard.ZstdError as error:
        raise CodecFailed(f"a damaged ZPNG stream: {error}") from error


def _filter(samples: np.ndarray, planes: np.ndarray) -> None:  # h w C -> C h w, modulo 256
    delta = samples.copy()
    delta[:, 1:] -= samples[:, :-1]
    if len(planes) == 1:
        planes[0] = delta[..., 0]
        return
    red, green, blue = np.moveaxis(delta, 2, 0)
    planes[0] = blue
    np.subtract(green, blue, out=planes[1])
    np.subtract(green, red, out=planes[2])


def _unfilter(planes: np.ndarray, samples: np.ndarray) -> None:  # C h w -> h w C, modulo 256
    if len(planes) == 1:
        deltas = planes
    else:
        blue, green_blue, green_red = planes
        green = green_blue + blue
        deltas = green - green_red, green, blue
    for channel, delta in enumerate(deltas):
        samples[..., channel] = np.cumsum(delta, axis=1, dtype=np.uint8)

"""What a codec is here, which pictures it takes, and whether a stream gives the same pixels back.

Encoders and decoders are module functions or `functools.partial`s of them: a Codec can be pickled to a child process.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BAND = 256  # rows compared at a time, so that a comparison needs no third picture


class CodecMissing(RuntimeError):
    """A library or a program is not there; the message is one line with what to do."""


class Unsuitable(ValueError):
    """A picture that a codec cannot take; the message is one line."""


class CodecFailed(RuntimeError):
    """A codec broke on a picture or a stream; the message is one line."""


class NotLossless(CodecFailed):
    """A stream that decodes to other pixels; the message is one line."""


@dataclass(frozen=True)
class Codec:
    """One way to store a picture; both ways run on one thread unless the id says otherwise (`-t2`)."""

    id: str  # "jxl-e1"
    row: str  # the row of Tab. A5 as printed, or "" for one of ours
    label: str  # "JPEG XL effort 1 (libjxl 0.11.2)": with the version found at run time
    encode: Callable[[np.ndarray], bytes]  # H W 3 uint8, or H W uint8 if `modes` has gray
    decode: Callable[[bytes], np.ndarray]
    modes: tuple[str, ...] = ("RGB", "gray")
    max_side: int = 2**31 - 1  # px
    memory: float = 4.0  # expected peak beyond the picture, in multiples of its raw bytes
    slow: bool = False  # minutes for 100 MP


def check(codec: Codec, picture: np.ndarray) -> None:
    """Raise Unsuitable if codec cannot take picture."""
    if picture.dtype != np.uint8:
        raise Unsuitable(f"{codec.id} is measured on 8-bit samples, not on {picture.dtype}")
    mode = _mode(picture)
    if mode not in codec.modes:
        raise Unsuitable(f"{codec.id} takes {' and '.join(codec.modes)} pictures, not {mode}")
    height, width = picture.shape[:2]
    if not height or not width:
        raise Unsuitable(f"a picture of {height} x {width} px is empty")
    if max(height, width) > codec.max_side:
        raise Unsuitable(f"{codec.id} ends at {codec.max_side} px a side, the picture has {height} x {width}")


def verify(codec: Codec, picture: np.ndarray, data: bytes) -> None:
    """Decode data once and raise NotLossless unless that is picture again; what decode raises passes through."""
    if fault := difference(picture, codec.decode(data)):
        raise NotLossless(f"{codec.id} is not lossless: {fault}")


def difference(picture: np.ndarray, decoded: np.ndarray) -> str:
    """How two pictures differ, in one line; "" if shape, type and all samples are the same."""
    if (picture.shape, picture.dtype) != (decoded.shape, decoded.dtype):
        return f"{picture.shape} {picture.dtype} came back as {decoded.shape} {decoded.dtype}"
    tops = range(0, len(picture), BAND)
    wrong = sum(np.count_nonzero(picture[top : top + BAND] != decoded[top : top + BAND]) for top in tops)
    return f"{wrong} of {picture.size} samples differ" if wrong else ""


def _mode(picture: np.ndarray) -> str:
    if picture.ndim == 2:
        return "gray"
    named = {3: "RGB", 4: "RGBA"} if picture.ndim == 3 else {}
    return named.get(picture.shape[-1], f"{picture.shape} array")

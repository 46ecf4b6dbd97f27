"""The codecs that come with this kit's packages: nine rows of Tab. A5, and six of our own choice.

What each setting is:
    QOI, JPEG XL   imagecodecs; JPEG XL with `lossless=True` (level 100 or distance 0 alone is not lossless).
    JPEG-LS        imagecodecs (CharLS): one scan interleaved by sample, no colour transform. A component is predicted
                   from itself only, as in three scans of one component (on a 4-MP scene within 0.1 % of their size).
    PNG, WebP      Pillow, as the benchmark that Tab. A5 uses; WebP has no gray.
    HTJ2K          imagecodecs (OpenJPH), reversible transforms.
    TIFF           tifffile: 512-px tiles, horizontal predictor, zstd at ZPNG's level, so the two differ by the tiles.

A codec is offered only if it brings a small picture back exactly; `missing()` says why the others are not.
"""

import functools
import io
from dataclasses import replace

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, features
from PIL import __version__ as pillow_version

from pixverve_lib.codecs import zpng
from pixverve_lib.codecs.codec import Codec, CodecMissing, Unsuitable, verify
from pixverve_lib.imaging import reading

RGB_ONLY = ("RGB",)
WEBP_MAX_SIDE = 16383  # px; WebP writes 14 bits
TILE = 512  # px
CENTRE = np.uint8(128)  # keeps small colour differences clear of the jump from 0 to 255
INSTALL = "run `pip install -r requirements.lock`"
GRAY, RGB = "minisblack", "rgb"  # tifffile's words

Image.MAX_IMAGE_PIXELS = reading.MAX_PIXELS  # Pillow alone would refuse to decode 179 MP


def wheel_codecs() -> list[Codec]:
    """Every codec that works here: Tab. A5's rows in its order, then ours."""
    return list(_offer()[0].values())


def missing() -> dict[str, str]:
    """Ids of the codecs that do not work here -> one line why."""
    return dict(_offer()[1])


def with_threads(id: str, threads: int) -> Codec:
    """The codec `id` on several threads, as one of ours. Raises Unsuitable if it knows no threads, CodecMissing."""
    if id in missing():
        raise CodecMissing(missing()[id])
    codec = _offer()[0].get(id)
    if codec is None or "threads" not in getattr(codec.encode, "keywords", {}):
        raise Unsuitable(f"{id} runs on one thread only")
    encode, decode = (functools.partial(way, threads=threads) for way in (codec.encode, codec.decode))
    label = f"{codec.label}, {threads} threads"
    return replace(codec, id=f"{id}-t{threads}", row="", label=label, encode=encode, decode=decode)


@functools.cache
def _offer() -> tuple[dict[str, Codec], dict[str, str]]:
    there, missing = {}, {}
    for id, build in BUILDERS.items():
        try:
            codec = build()
            verify(codec, _probe(), codec.encode(_probe()))
        except Exception as error:  # whatever way a broken library fails, the other codecs go on
            missing[id] = str(error) if isinstance(error, CodecMissing) else f"{id} failed on a small picture: {error}"
        else:
            there[id] = codec
    return there, missing


def _probe() -> np.ndarray:
    """A picture on which the efforts of JPEG XL differ: ramps with noise, 96 x 128."""
    ramps = np.indices((96, 128)).sum(axis=0)[..., None] * [1, 2, 3] // 4
    noise = np.random.default_rng(0).integers(0, 6, ramps.shape)
    return (ramps + noise).astype(np.uint8)


def _version(name: str) -> str:
    """The version of one of imagecodecs' libraries. Raises CodecMissing."""
    if not getattr(imagecodecs, name.upper()).available:
        raise CodecMissing(f"imagecodecs {imagecodecs.__version__} comes without {name}: {INSTALL}")
    return getattr(imagecodecs, f"{name}_version")()


def _efforts_differ() -> bool:
    """Old versions of imagecodecs encode efforts 1 and 2 as 3."""
    return len({len(_encode_jxl(_probe(), effort, threads=1)) for effort in (1, 2, 3)}) == 3


def _jxl(effort: int, memory: float, row: str = "") -> Codec:
    label = f"JPEG XL effort {effort} ({_version('jpegxl')})"
    if not _efforts_differ():
        raise CodecMissing(f"imagecodecs {imagecodecs.__version__} mixes up the efforts of JPEG XL: {INSTALL}")
    encode = functools.partial(_encode_jxl, effort=effort, threads=1)
    decode = functools.partial(_decode_jxl, threads=1)
    return Codec(f"jxl-e{effort}", row, label, encode, decode, memory=memory, slow=effort > 3)


def _encode_jxl(picture: np.ndarray, effort: int, threads: int) -> bytes:
    return imagecodecs.jpegxl_encode(picture, lossless=True, effort=effort, numthreads=threads)


def _decode_jxl(data: bytes, threads: int) -> np.ndarray:
    return imagecodecs.jpegxl_decode(data, numthreads=threads)


def _qoi() -> Codec:
    label = f"QOI ({_version('qoi')})"
    return Codec("qoi", "QOI", label, _encode_qoi, _decode_qoi, RGB_ONLY, memory=2.0)


def _encode_qoi(picture: np.ndarray) -> bytes:
    return imagecodecs.qoi_encode(picture)


def _decode_qoi(data: bytes) -> np.ndarray:
    return imagecodecs.qoi_decode(data)


def _jpegls() -> Codec:
    label = f"JPEG-LS ({_version('jpegls')})"
    return Codec("jpegls", "JPEG-LS", label, _encode_jpegls, _decode_jpegls, memory=2.0)


def _encode_jpegls(picture: np.ndarray) -> bytes:
    # The room imagecodecs makes by itself is too small for noise; a sample takes up to 32 bits (LIMIT in T.87).
    return imagecodecs.jpegls_encode(picture, out=4 * picture.nbytes + 1024)


def _decode_jpegls(data: bytes) -> np.ndarray:
    return imagecodecs.jpegls_decode(data)


def _jpegls_subtract_green() -> Codec:
    label = f"JPEG-LS after R - G, B - G ({_version('jpegls')})"
    encode, decode = _encode_subtract_green, _decode_subtract_green
    return Codec("jpegls-subtract-green", "", label, encode, decode, RGB_ONLY, memory=2.0, slow=True)


def _encode_subtract_green(picture: np.ndarray) -> bytes:  # (R - G + 128, G, B - G + 128) modulo 256
    shifted = picture.copy()
    shifted[..., ::2] -= picture[..., 1:2] - CENTRE
    return _encode_jpegls(shifted)


def _decode_subtract_green(data: bytes) -> np.ndarray:
    picture = imagecodecs.jpegls_decode(data)
    picture[..., ::2] += picture[..., 1:2] - CENTRE
    return picture


def _htj2k() -> Codec:
    label = f"HTJ2K reversible ({_version('htj2k')})"
    return Codec("htj2k", "", label, _encode_htj2k, _decode_htj2k, memory=2.0)


def _encode_htj2k(picture: np.ndarray) -> bytes:
    return imagecodecs.htj2k_encode(picture, reversible=True)


def _decode_htj2k(data: bytes) -> np.ndarray:
    return imagecodecs.htj2k_decode(data)


def _tiff() -> Codec:
    label = f"TIFF, {TILE}-px tiles of zstd (tifffile {tifffile.__version__}, {_version('zstd')})"
    encode, decode = (functools.partial(way, threads=1) for way in (_encode_tiff, _decode_tiff))
    return Codec("tiff-zstd", "", label, encode, decode, memory=2.0)


def _encode_tiff(picture: np.ndarray, threads: int) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        picture,
        photometric=RGB if picture.ndim == 3 else GRAY,
        tile=(TILE, TILE),
        compression="zstd",
        compressionargs={"level": zpng.LEVEL},
        predictor=2,  # horizontal differences, as ZPNG's
        metadata=None,
        maxworkers=threads,
    )
    return file.getvalue()


def _decode_tiff(data: bytes, threads: int) -> np.ndarray:
    return tifffile.imread(io.BytesIO(data), maxworkers=threads)


def _png(optimize: bool) -> Codec:
    ng = features.version_feature("zlib_ng")
    zlib = f"zlib-ng {ng}" if ng else f"zlib {features.version_codec('zlib')}"
    label = f"PNG optimize={optimize} (Pillow {pillow_version}, {zlib})"
    encode = functools.partial(_encode_by_pillow, format="PNG", optimize=optimize)
    decode = functools.partial(_decode_by_pillow, format="PNG")
    row = f"PNG (optimizing={optimize})"
    return Codec("png-optimize" if optimize else "png", row, label, encode, decode, slow=True)


def _webp(method: int, memory: float, row: str = "") -> Codec:
    if not features.check_module("webp"):
        raise CodecMissing(f"Pillow {pillow_version} comes without WebP: {INSTALL}")
    label = f"WebP lossless method {method} (Pillow {pillow_version}, libwebp {features.version_module('webp')})"
    encode = functools.partial(_encode_by_pillow, format="WEBP", lossless=True, quality=100, method=method)
    decode = functools.partial(_decode_by_pillow, format="WEBP")
    limits = {"modes": RGB_ONLY, "max_side": WEBP_MAX_SIDE, "memory": memory}
    return Codec(f"webp-m{method}", row, label, encode, decode, slow=True, **limits)


def _encode_by_pillow(picture: np.ndarray, format: str, **settings: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format, **settings)
    return file.getvalue()


def _decode_by_pillow(data: bytes, format: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data), formats=(format,)))


# Memory, here and above: measured on 12 to 36 MP (encode or decode, whichever is more), rounded up.
BUILDERS = {  # id -> what makes it, in the order of Tab. A5
    "qoi": _qoi,
    "zpng": zpng.codec,
    "png": functools.partial(_png, optimize=False),
    "png-optimize": functools.partial(_png, optimize=True),
    "jxl-e1": functools.partial(_jxl, 1, 1.5, "JPEG-XL (-q 100 -e 1)"),
    "jxl-e2": functools.partial(_jxl, 2, 4.5, "JPEG-XL (-q 100 -e 2)"),
    "jxl-e3": functools.partial(_jxl, 3, 4.5, "JPEG-XL (-q 100 -e 3)"),
    "webp-m1": functools.partial(_webp, 1, 12.5, "WEBP (lossless m1)"),
    "jpegls": _jpegls,
    # not in paper: ours
    "jxl-e5": functools.partial(_jxl, 5, 4.5),
    "jxl-e7": functools.partial(_jxl, 7, 4.5),
    "jpegls-subtract-green": _jpegls_subtract_green,
    "htj2k": _htj2k,
    "tiff-zstd": _tiff,
    "webp-m0": functools.partial(_webp, 0, 6.5),
}

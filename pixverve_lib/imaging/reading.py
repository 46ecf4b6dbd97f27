"""Reading pictures of any ordinary kind as 8-bit RGB, and saying in one line why one cannot be read.

How each kind is read:
    JPEG            libjpeg-turbo (simplejpeg), strictly: data that it complains about is refused, never patched up.
    the rest        Pillow, of `FORMATS` only (no format that runs a program or another library's loader).
    EXIF rotation   applied; height and width are those after it. Broken EXIF counts as none.
    gray            three equal channels. Palettes become RGB.
    16 bit          the high byte, gray and RGB alike (colour in JPEG 2000 and PPM: Pillow rounds, at most 1 level off).
                    32-bit and float samples, and 12-bit TIFF, have no agreed way to 8 bits and are refused.
    alpha           composited on white.
    CMYK            Pillow's conversion, Adobe's inverted files included.
    ICC profile     not applied: statistics are of the file's own values.
    several frames  refused (animations, pages); a camera JPEG (MPO) with previews behind the picture is that picture.

A path is a local file (str or PathLike) or, with "://" in it, a URL that fsspec opens (`s3://`, `memory://`).
A missing fsspec driver or an unknown protocol is a mistake in the set-up, not a bad file: it raises as in fsspec.
"""

import contextlib
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import fsspec
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 2**30  # not in paper: OpenCV's own bound, and 5x the average of Tab. 2 (13031 x 15348)
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "JPEG2000", "GIF", "BMP", "PPM")  # JPEG brings MPO with it
# Names under which a folder is searched for pictures; what a file really is, its own first bytes say.
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".avif", ".jp2", ".gif", ".bmp", ".ppm")
MODES = {"1", "L", "P", "LA", "PA", "La", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B"}
TIFF_BITS, TIFF_PLANES = 258, 284  # tag numbers of TIFF 6.0
ORIENTATION = 0x0112  # EXIF
BAND = 256  # rows converted at a time, so that a picture is held twice only in small parts

# Pillow warns at 89 MP and refuses at 179 MP; here 100 MP is the ordinary case and `_header` draws the line.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# Whatever is wrong with a file is raised below in one line; Pillow's remarks on the way there would only repeat it.
warnings.filterwarnings("ignore", module=r"PIL\.")

UPRIGHT = {  # EXIF orientation -> what turns the stored rows upright
    2: lambda rgb: cv2.flip(rgb, 1),
    3: lambda rgb: cv2.rotate(rgb, cv2.ROTATE_180),
    4: lambda rgb: cv2.flip(rgb, 0),
    5: cv2.transpose,
    6: lambda rgb: cv2.rotate(rgb, cv2.ROTATE_90_CLOCKWISE),
    7: lambda rgb: cv2.rotate(cv2.transpose(rgb), cv2.ROTATE_180),
    8: lambda rgb: cv2.rotate(rgb, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


class UnreadableImage(Exception):
    """A file that is no usable picture; `reason` is one line for people."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Header(NamedTuple):
    """What a file says about its picture: pixels after EXIF rotation, Pillow's names for format and mode."""

    height: int
    width: int
    format: str
    mode: str
    frames: int  # > 1 for animations and pages; previews behind a camera JPEG are not counted
    orientation: int  # EXIF, 1 to 8, as stored


def probe(path) -> Header:
    """Header of a picture, without decoding it. Raises UnreadableImage."""
    with _opened(path) as (_, image):
        return _header(image)


def read_rgb(path) -> np.ndarray:  # H W C uint8
    """The upright picture. Raises UnreadableImage; MemoryError passes through, for it says nothing about the file."""
    with _opened(path) as (file, image):
        header = _header(image)
        _refuse_the_unreadable(image, header.frames)
        rgb = _decode_jpeg(file) if header.format in ("JPEG", "MPO") and header.mode in ("RGB", "L") else None
        if rgb is None:
            rgb = _decode_by_pillow(image)
    turned_already = header.format == "TIFF"  # by Pillow
    return rgb if turned_already or header.orientation == 1 else UPRIGHT[header.orientation](rgb)


def write_jpeg(path, rgb: np.ndarray, quality: int = 95, subsampling: str = "420") -> None:
    """Write rgb (H W C uint8) as a local JPEG, atomically; subsampling is 444, 422, 420, 440, 411 or Gray."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality, colorsubsampling=subsampling)
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def thumbnail(rgb: np.ndarray, long_side: int) -> np.ndarray:
    """The picture (H W or H W C uint8) shrunk to long_side px by area averaging; a smaller one comes back as it is."""
    height, width = rgb.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return rgb
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


@contextlib.contextmanager
def _opened(path):
    """The open file and its still undecoded Pillow picture; whatever fails inside becomes UnreadableImage."""
    with _open_binary(path) as file:
        head = file.read(32)
        if not head:
            raise UnreadableImage("empty file (0 bytes)")
        file.seek(0)
        try:
            with Image.open(file, formats=FORMATS) as image:
                yield file, image
        except (UnreadableImage, MemoryError):
            raise
        except Exception as error:  # Pillow's plugins raise nearly everything on damaged data
            raise UnreadableImage(_reason(error, head)) from error


def _open_binary(path):
    name = os.fspath(path)
    try:
        return fsspec.open(name, "rb").open() if "://" in name else open(name, "rb")
    except FileNotFoundError as error:
        raise UnreadableImage("no such file") from error
    except PermissionError as error:
        raise UnreadableImage("permission denied: make the file readable for the user who runs this") from error
    except OSError as error:
        raise UnreadableImage(f"cannot be opened: {error.strerror or error}") from error


def _reason(error: Exception, head: bytes) -> str:
    expected = isinstance(error, (OSError, ValueError, SyntaxError))
    words = str(error) if expected else f"{type(error).__name__}: {error}"
    if isinstance(error, Image.DecompressionBombError):
        return f"absurd header: more than the {MAX_PIXELS} px that are read here"
    if isinstance(error, UnidentifiedImageError):
        known = any(accept and accept(head[:16]) is True for _, accept in map(Image.OPEN.get, FORMATS))
        return "damaged or truncated: its header cannot be read" if known else "not an image of a known format"
    if any(hint in words.lower() for hint in ("truncat", "premature end of jpeg", "broken data stream")):
        return f"truncated: the file ends before the picture does ({words})"
    return f"damaged: {words}"


def _header(image: Image.Image) -> Header:
    orientation = 1
    with contextlib.suppress(Exception):  # broken EXIF counts as none
        # Unbound, because PNG's own getexif decodes the picture to look behind it.
        orientation = Image.Image.getexif(image).get(ORIENTATION, 1)
    orientation = orientation if orientation in UPRIGHT else 1
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadableImage(f"absurd header: {height} x {width} px, more than the {MAX_PIXELS} px that are read here")
    if orientation >= 5 and image.format != "TIFF":  # Pillow has exchanged a TIFF's sides already
        width, height = height, width
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    return Header(height, width, image.format, image.mode, frames, orientation)


def _refuse_the_unreadable(image: Image.Image, frames: int) -> None:
    if frames > 1:
        raise UnreadableImage(f"animated or paged: {frames} frames where one picture is expected")
    if image.mode not in MODES:
        raise UnreadableImage(f"samples of mode {image.mode} have no agreed way to 8-bit RGB")
    if image.format == "TIFF":
        bits = max(image.tag_v2.get(TIFF_BITS, (1,)))
        if bits not in (1, 2, 4, 8, 16):
            raise UnreadableImage(f"{bits}-bit samples have no agreed way to 8-bit RGB")
        if bits == 16 and image.tag_v2.get(TIFF_PLANES) == 2:  # Pillow 13 misreads them without a word
            raise UnreadableImage("16-bit TIFF with separate colour planes: save it with interleaved ones")


def _decode_jpeg(file) -> np.ndarray | None:
    """H W C uint8, or None for the rare subsamplings that simplejpeg does not know."""
    file.seek(0)
    data = file.read()
    try:
        simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return simplejpeg.decode_jpeg(data, strict=True)


def _decode_by_pillow(image: Image.Image) -> np.ndarray:
    image.load()
    width, height = image.size
    rgb = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        rgb[top:bottom] = _as_rgb(image.crop((0, top, width, bottom)))
    return rgb


def _as_rgb(band: Image.Image) -> np.ndarray:
    if band.mode.startswith("I;16"):
        return (np.asarray(band) >> 8)[..., None]  # high byte; one channel that broadcasts to three
    if band.has_transparency_data:
        white = Image.new("RGBA", band.size, "white")
        band = Image.alpha_composite(white, band.convert("RGBA"))
    return np.asarray(band.convert("RGB"))

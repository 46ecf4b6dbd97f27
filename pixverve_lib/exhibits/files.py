"""Figures as files that come out the same byte for byte."""
import io

import numpy as np
from PIL import Image

from pixverve_lib.kit.style import DPI, MUTED

MOST_BYTES = 500_000  # of a figure that goes into the repository
VISIBLE = 2  # levels that a picture may be off on average before its colours are dithered


def png(fig, footer="", most_bytes=MOST_BYTES):
    """The figure as PNG bytes; one full of photographs is reduced to 256 colours when it is above most_bytes."""
    if footer:
        fig.supxlabel(footer, x=0.995, ha="right", fontsize=7, color=MUTED)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    if buffer.tell() <= most_bytes:
        return buffer.getvalue()
    image = _reduced(Image.open(buffer).convert("RGB"))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _reduced(image):
    """The picture in 256 colours; they are dithered only where plain ones would be off: the dots look like texture."""
    palette = image.quantize(256)
    plain = image.quantize(palette=palette, dither=Image.Dither.NONE)
    off = np.abs(np.asarray(plain.convert("RGB"), np.int16) - np.asarray(image)).mean()
    return plain if off <= VISIBLE else image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)

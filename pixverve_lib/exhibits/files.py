"""Figures as files that come out the same byte for byte."""
import io

from PIL import Image

from pixverve_lib.kit.style import DPI, MUTED

MOST_BYTES = 900_000  # of a figure that goes into the repository


def png(fig, footer="", most_bytes=MOST_BYTES):
    """The figure as PNG bytes; one full of photographs is reduced to 256 colours when it is above most_bytes."""
    if footer:
        fig.supxlabel(footer, x=0.995, ha="right", fontsize=7, color=MUTED)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    if buffer.tell() <= most_bytes:
        return buffer.getvalue()
    image = Image.open(buffer).convert("RGB")
    whole = _saved(image)  # dots of dithering look like texture: only where it must be
    if len(whole) <= most_bytes:
        return whole
    return _saved(image.quantize(palette=image.quantize(256), dither=Image.Dither.FLOYDSTEINBERG))


def _saved(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

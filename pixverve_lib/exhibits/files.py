"""Figures as files that come out the same byte for byte."""
import io

from PIL import Image

from pixverve_lib.kit.style import DPI, MUTED

MOST_BYTES = 300_000  # of a figure that goes into the repository
DOTS = (DPI, 110, 90)  # an inch: fewer blur the text, so fewer colours are tried first
COLOURS = (256, 192, 128, 96, 64)
LOSSLESS = 0.6  # of the bytes that matplotlib writes: without its empty alpha channel it never gets below that
SAMPLED = 8  # every 8th pixel each way is enough to choose colours by
ROUNDS = 2  # of k-means; the median cut alone puts a small pink thing among the reds


def png(fig, footer="", most_bytes=MOST_BYTES):
    """The figure as PNG bytes: as drawn where that fits into most_bytes, else with fewer colours, else smaller too.

    Never dithered: its dots look like texture, and texture is what many of these figures are about. What fits in no
    way comes out with the fewest colours at the fewest dots.
    """
    if footer:
        fig.supxlabel(footer, x=0.995, ha="right", fontsize=7, color=MUTED)
    for data in _tries(fig, most_bytes):
        if len(data) <= most_bytes:
            break
    return data


def _tries(fig, most_bytes):
    """The figure in more and more modest ways."""
    for dots in DOTS:
        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=dots, metadata={"Software": None})
        yield buffer.getvalue()
        image = Image.open(buffer).convert("RGB")
        if LOSSLESS * buffer.tell() <= most_bytes:
            yield _saved(image)
        for colours in COLOURS:
            yield _saved(_reduced(image, colours))


def _reduced(image, colours):
    few = image.resize((image.width // SAMPLED, image.height // SAMPLED), Image.Resampling.NEAREST)
    palette = few.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=ROUNDS)
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _saved(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

"""Words for colours as they appear, light and all: a white wall at sunset is called ochre.

The bounds are in CIE Lab (L 0 to 100, chroma, hue in degrees) and not in paper: choices.
"""
import numpy as np

NAMES = ("black", "grey", "white", "red", "pink", "orange", "brown", "ochre", "yellow", "green", "blue", "violet")
BLACK, WHITE = 22, 68  # L of what has next to no chroma
HUES = ((50, "red"), (78, "orange"), (100, "yellow"), (190, "green"), (302, "blue"), (340, "violet"), (361, "red"))
VIVID = 42  # chroma from which warm colours are orange and yellow, below it brown and ochre


def name(lightness, a, b):
    """One of NAMES for a colour in CIE Lab."""
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    if chroma < 5 + 0.13 * lightness:
        return "black" if lightness < BLACK else "white" if lightness > WHITE else "grey"
    word = next(word for bound, word in HUES if hue < bound)
    if word == "red" and lightness > 50:
        return "pink" if hue < 40 or hue > 340 else "orange" if chroma > VIVID else "ochre"
    if word in ("orange", "yellow") and chroma < VIVID:
        return "brown" if lightness < 48 else "ochre"
    return word


def dominant(lab):
    """The name of the median colour.  lab: N 3"""
    return name(*np.median(lab, axis=0))


def shares(lab):
    """{name: share of the pixels}, the largest first.  lab: H W 3, of which a grid of about 32 x 32 is looked at"""
    step = max(1, max(lab.shape[:2]) // 32)
    words = [name(*pixel) for pixel in lab[step // 2::step, step // 2::step].reshape(-1, 3)]
    found, counts = np.unique(words, return_counts=True)
    return {str(found[i]): float(counts[i] / len(words)) for i in np.argsort(-counts, kind="stable")}

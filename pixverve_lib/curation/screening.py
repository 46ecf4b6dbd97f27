"""Resolution screen of the raw pool (Sec. 3.1.1) and the super-resolution tier each picture will take (Sec. 3.1.3)."""
from pixverve_lib.paper.constants import (
    LARGE_MIN_SIDE,
    LARGE_PIXELS,
    MEDIUM_MIN_SIDE,
    MEDIUM_PIXELS,
    TARGET_PIXELS,
)


def why_too_small(height, width):
    """"" for a picture that passes i) or ii) of Sec. 3.1.1, else the reason in words.  height, width: pixels"""
    pixels, side = height * width, min(height, width)
    if pixels < MEDIUM_PIXELS:
        return f"{pixels / 1e6:.2f} MP, below {MEDIUM_PIXELS / 1e6:.0f} MP"
    least = LARGE_MIN_SIDE if pixels > LARGE_PIXELS else MEDIUM_MIN_SIDE
    return "" if side >= least else f"shorter side {side} px, below {least} px at {pixels / 1e6:.1f} MP"


def wanted(height, width):
    """Whether a picture passes the resolution screen."""
    return not why_too_small(height, width)


def tier(height, width):
    """How a picture reaches 100 MP (Sec. 3.1.3): "native", "2x", "4x", or "" when the screen drops it."""
    if not wanted(height, width):
        return ""
    pixels = height * width
    return "native" if pixels >= TARGET_PIXELS else "2x" if pixels > LARGE_PIXELS else "4x"

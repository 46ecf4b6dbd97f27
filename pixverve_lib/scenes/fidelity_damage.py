"""What the nine sub-dimensions of MSFI (Tab. A3) complain about, planted in a clean picture at a known severity.

Global damage has lengths in shares of the picture's shorter side, local damage in pixels of the patch. The places and
the random numbers depend on the seed alone, so that severities of one seed differ in nothing else.
"""
import cv2
import numpy as np

from pixverve_lib.scenes import artefact_damage

GLOBAL = {  # sub-dimension -> kind -> severities, mild to strong
    "sc_global": {"lattice": (0.25, 0.5, 1.0)},  # share of the places of a 4 x 4 grid that repeat the picture
    "pi": {"warp": (0.006, 0.015, 0.04)},  # of the side; how far straight lines are bent
    "lc": {"gradient": (0.7, 1.5, 3.0),  # stops from one side to the other
           "disjoint": (0.15, 0.4, 1.0)},  # stops, standard deviation over a 4 x 4 grid of exposures
    "ch": {"banding": (48, 24, 10),  # levels a channel that are left
           "bleeding": (0.005, 0.012, 0.03)},  # of the side; standard deviation of the blur of colour alone
}
LOCAL = {
    "nge": {"chroma noise": (2, 5, 12)},  # levels, standard deviation in each channel
    "ga": {"checkerboard": (2, 5, 12),  # levels
           "aliasing": (2, 3, 4),  # px that one of every so many stands for
           "halos": (0.7, 1.5, 3.0)},  # times the difference to the picture blurred by 2 px, added
    "tf": {"over-smoothing": (0.4, 0.7, 1.0),  # share of the fine texture that is gone
           "repetition": (0.4, 0.7, 1.0)},  # share of the fine texture that is one piece repeated
    "mgc": {"jitter": (0.5, 1.0, 2.0),  # px, standard deviation of each row's and column's displacement
            "staircase": (2, 3, 4)},  # px of the steps along edges
    "sc_local": {"blurred region": (1.0, 2.0, 4.0)},  # px, standard deviation of the blur of a disk
}
KINDS = GLOBAL | LOCAL
GRID = 4  # places a side of repeated parts and of exposures; as nano-klein repeats its things at 4 times its own side
WAVES = 5  # a side, of a warp
BORROWED = {"aliasing": "aliasing", "banding": "banding", "chroma noise": "noise"}


def spoil(rgb, kind, severity, seed=0):
    """The damaged copy.  rgb: H W 3 uint8, left as it is; kind: of any sub-dimension. ValueError for an unknown one."""
    if kind in BORROWED:
        return artefact_damage.spoil(rgb, BORROWED[kind], severity, seed)
    if kind not in _SPOILT:
        raise ValueError(f"{kind!r} is none of {', '.join(k for kinds in KINDS.values() for k in kinds)}")
    return _SPOILT[kind](rgb, severity, np.random.default_rng(seed))


def _bytes(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _lattice(rgb, share, rng):
    """At `share` of the places of a GRID x GRID division stands the whole picture, that much smaller."""
    height, width = (n // GRID for n in rgb.shape[:2])
    small, out = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), rgb.copy()
    for place in rng.permutation(GRID * GRID)[:round(share * GRID * GRID)]:
        row, column = divmod(int(place), GRID)
        out[row * height:(row + 1) * height, column * width:(column + 1) * width] = small
    return out


def _warp(rgb, share, rng):
    height, width = rgb.shape[:2]
    few = rng.normal(0, share * min(height, width), (2, 2 * WAVES, 2 * WAVES)).astype(np.float32)
    down, across = (cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in few)
    return _moved(rgb, down, across)


def _moved(rgb, down, across):
    y, x = np.mgrid[:rgb.shape[0], :rgb.shape[1]].astype(np.float32)
    return cv2.remap(rgb, x + np.float32(across), y + np.float32(down), cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REFLECT)


def _exposed(rgb, stops):
    """stops: H W"""
    light = (rgb / 255.0) ** 2.2 * 2.0 ** stops[..., None]
    return _bytes(255 * np.clip(light, 0, 1) ** (1 / 2.2))


def _gradient(rgb, stops, rng):
    ramp = np.linspace(-0.5, 0.5, rgb.shape[1]) * int(rng.choice((-1, 1)))
    return _exposed(rgb, np.broadcast_to(stops * ramp, rgb.shape[:2]))


def _disjoint(rgb, stops, rng):
    few = rng.normal(0, stops, (GRID, GRID))
    return _exposed(rgb, cv2.resize(few, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST))


def _bleeding(rgb, share, rng):
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab[..., 1:] = cv2.GaussianBlur(lab[..., 1:], (0, 0), share * min(rgb.shape[:2]))
    return _bytes(255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def _checkerboard(rgb, levels, rng):
    sign = np.indices(rgb.shape[:2]).sum(axis=0) % 2 * 2 - 1
    return _bytes(rgb + levels * sign[..., None])


def _halos(rgb, amount, rng):
    return _bytes(rgb + amount * (rgb - cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), 2)))


def _smoothed(rgb, share, rng):
    """Between the picture and what a bilateral filter of 9 px leaves of it: outlines."""
    return _bytes((1 - share) * rgb + share * artefact_damage.spoil(rgb, "over-smoothing", 60).astype(np.float32))


def _repetition(rgb, share, rng):
    """The fine texture becomes, to a share, one piece of an eighth of the patch (16 px at least) set side by side."""
    soft = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), 2)
    fine, side = rgb - soft, max(8, min(rgb.shape[:2]) // 8)
    top, left = (int(rng.integers(n - side + 1)) for n in rgb.shape[:2])
    times = (-(-rgb.shape[0] // side), -(-rgb.shape[1] // side), 1)
    tiled = np.tile(fine[top:top + side, left:left + side], times)[:rgb.shape[0], :rgb.shape[1]]
    return _bytes(soft + (1 - share) * fine + share * tiled)


def _jitter(rgb, pixels, rng):
    down, across = (rng.normal(0, pixels, n) for n in rgb.shape[1::-1])
    shape = rgb.shape[:2]
    return _moved(rgb, np.broadcast_to(down, shape), np.broadcast_to(across[:, None], shape))


def _staircase(rgb, pixels, rng):
    """Enlarged by the nearest pixel, along strong edges only."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    edges = cv2.dilate(cv2.Canny(gray, 40, 100), np.ones((7, 7), np.uint8)) > 0
    return np.where(edges[..., None], artefact_damage.spoil(rgb, "aliasing", pixels), rgb)


def _blurred_region(rgb, sigma, rng):
    """A disk of half the patch's side, with a rim of a few pixels."""
    y, x = np.indices(rgb.shape[:2])
    side = min(rgb.shape[:2])
    middle = rng.uniform(0.3, 0.7, 2) * rgb.shape[:2]
    inside = np.clip((side / 3.2 - np.hypot(y - middle[0], x - middle[1])) / 3 + 0.5, 0, 1)[..., None]
    return _bytes(inside * cv2.GaussianBlur(rgb, (0, 0), sigma) + (1 - inside) * rgb)


_SPOILT = {"lattice": _lattice, "warp": _warp, "gradient": _gradient, "disjoint": _disjoint, "bleeding": _bleeding,
           "checkerboard": _checkerboard, "halos": _halos, "over-smoothing": _smoothed, "repetition": _repetition,
           "jitter": _jitter, "staircase": _staircase, "blurred region": _blurred_region}

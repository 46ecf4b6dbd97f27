"""The simplest family of scenes: one to three things on a background, for models that a laptop can train.

A scene is a `Spec`; its picture shows the same thing at any side from 64 to 640 pixels, with sharper outlines and finer
surface the larger it is. Every combination of colour, shape and place that `unseen` names is kept out of training.
"""
import math
import zlib
from dataclasses import dataclass
from functools import cache

import numba
import numpy as np

from pixverve_lib.scenes.compiled import VERSION
from pixverve_lib.scenes.sampling import hashed

TONES = {  # two ends of the background's colour, sRGB
    "light": ((238, 236, 232), (204, 204, 202)),
    "dark": ((42, 44, 48), (76, 78, 82)),
    "warm": ((204, 182, 154), (164, 142, 116)),
    "cool": ((152, 172, 190), (112, 132, 152)),
}
BACKGROUNDS = ("paper", "planks", "tiles", "clouds", "waves")
COLOURS = {  # sRGB
    "red": (214, 36, 40), "orange": (240, 128, 20), "yellow": (242, 212, 30), "green": (40, 160, 60),
    "cyan": (30, 190, 200), "blue": (40, 76, 212), "purple": (128, 48, 182), "pink": (236, 72, 168),
}
SHAPES = ("circle", "square", "triangle", "cross", "ring")
PLACES = {  # centre of a thing, share of the side, x to the right and y down
    "top-left": (0.215, 0.215), "top-right": (0.785, 0.215), "centre": (0.5, 0.5), "bottom-left": (0.215, 0.785),
    "bottom-right": (0.785, 0.785),
}
RADIUS = 0.175  # of a thing, share of the side: at 64 px it still spans more than a token of 16
SLACK, STRETCH = 0.012, 0.05  # jitter of a thing's centre (share of the side) and of its radius (share of it)
LEAST_SIDE = 64
VOCABULARY = (*TONES, *BACKGROUNDS, *COLOURS, *SHAPES, *PLACES, "a", "and", "at", "the", "with", ",")
BENCH_SIZE = 200  # as many as PixVerve-Bench has: Sec. 3.3
BENCH_SEED = 2025  # not in paper: choice; changing it changes the bench, whose hash a test pins


@dataclass(frozen=True)
class Thing:
    """One thing: words out of COLOURS, SHAPES and PLACES."""

    colour: str
    shape: str
    place: str


@dataclass(frozen=True)
class Spec:
    """A scene: words out of BACKGROUNDS and TONES, and one to three things in different places."""

    background: str
    tone: str
    things: tuple[Thing, ...]


@dataclass(frozen=True)
class BenchPrompt:
    """A prompt that training never saw, in both lengths."""

    id: str
    spec: Spec
    short: str
    long: str


def unseen(thing: Thing) -> bool:
    """Whether training never shows this combination; a tenth of the 200 are."""
    return zlib.crc32(f"{thing.colour} {thing.shape} {thing.place}".encode()) % 10 == 0


def sample(rng: np.random.Generator, held_out: bool = False) -> Spec:
    """A random scene; with `held_out` one that has at least one unseen combination, without it one that has none."""
    while True:
        places = rng.permutation(list(PLACES))[:rng.integers(1, 4)]
        things = tuple(Thing(_pick(rng, COLOURS), _pick(rng, SHAPES), str(place)) for place in places)
        if any(map(unseen, things)) == held_out:
            return Spec(_pick(rng, BACKGROUNDS), _pick(rng, TONES), things)


def short_caption(spec: Spec) -> str:
    """`red circle top-left, blue ring centre, dark tiles`"""
    things = (f"{thing.colour} {thing.shape} {thing.place}" for thing in spec.things)
    return ", ".join((*things, f"{spec.tone} {spec.background}"))


def long_caption(spec: Spec) -> str:
    """`dark tiles with a red circle at the top-left and a blue ring at the centre`; at most 23 words and commas"""
    things = [f"a {thing.colour} {thing.shape} at the {thing.place}" for thing in spec.things]
    listed = ", ".join(things[:-1]) + " and " + things[-1] if things[1:] else things[0]
    return f"{spec.tone} {spec.background} with {listed}"


@cache
def bench_prompts() -> tuple[BenchPrompt, ...]:
    """The 200 built-in bench prompts, all held out from training and all different."""
    rng, specs = np.random.default_rng(BENCH_SEED), {}
    while len(specs) < BENCH_SIZE:
        specs[sample(rng, held_out=True)] = None
    return tuple(
        BenchPrompt(f"bench-{number:03d}", spec, short_caption(spec), long_caption(spec))
        for number, spec in enumerate(specs)
    )


def draw(spec: Spec, side: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """The picture of a scene  # side side 3 uint8

    `rng` moves and stretches the things slightly and chooses the surface, the same at every side. Raises ValueError
    for a side below 64.
    """
    return draw_batch([spec], side, rng)[0]


def draw_batch(specs, side: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """The pictures of several scenes, about 1000 a second at 64 px  # N side side 3 uint8

    Raises ValueError for a side below 64.
    """
    if side < LEAST_SIDE:
        raise ValueError(f"a primer scene has a side of at least {LEAST_SIDE} pixels, not {side}")
    pictures = np.empty((len(specs), side, side, 3), np.uint8)
    for spec, picture in zip(specs, pictures, strict=True):
        _paint(picture, *_tables(spec, rng))
    return pictures


def _pick(rng, words):
    return tuple(words)[rng.integers(len(words))]


def _tables(spec, rng):
    """What the compiled painter reads: kind of background, its colours, a seed and one row a thing."""
    jitter = np.zeros((3, 3)) if rng is None else rng.uniform(-1, 1, (3, 3))
    seed = 0 if rng is None else int(rng.integers(1 << 20))
    rows = np.array([
        (SHAPES.index(thing.shape), PLACES[thing.place][0] + SLACK * x, PLACES[thing.place][1] + SLACK * y,
         RADIUS * (1 + STRETCH * r), *COLOURS[thing.colour])
        for thing, (x, y, r) in zip(spec.things, jitter, strict=False)
    ], np.float64)
    return BACKGROUNDS.index(spec.background), np.array(TONES[spec.tone], np.float64), seed, rows


COMPILED = numba.njit(error_model="numpy", fastmath=True)


@COMPILED
def _lattice(x, y, seed):
    """Smooth noise: random values at whole places, blended between them.  # [-1, 1)"""
    i, j = int(math.floor(x)), int(math.floor(y))
    a, b = x - i, y - j
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    top = (1 - a) * hashed(i, j, seed) + a * hashed(i + 1, j, seed)
    bottom = (1 - a) * hashed(i, j + 1, seed) + a * hashed(i + 1, j + 1, seed)
    return 2 * ((1 - b) * top + b * bottom) - 1


@COMPILED
def _surface(x, y, side, seed):
    """Grain in octaves; one shows as soon as its cells are wider than two pixels: larger pictures have more of them."""
    grain, cells = 0.0, 16.0
    while side > 2 * cells:
        grain += min(1.0, side / (2 * cells) - 1) * _lattice(x * cells, y * cells, seed + int(cells))
        cells *= 2
    return grain


@COMPILED
def _step(distance, side):
    """Antialiased edge: 1 inside (distance < 0), 0 outside, one pixel wide."""
    return min(1.0, max(0.0, 0.5 - distance * side))


@COMPILED
def _background(kind, x, y, side, seed):
    """Pattern of a background.  # [0, 1], between the two colours of the tone"""
    if kind == 0:  # paper: unevenly lit, from top to bottom
        return 0.25 + 0.5 * y
    if kind == 1:  # planks: boards of random tone with dark seams
        board = 4 * y + 0.5
        seam = _step(abs(board - math.floor(board + 0.5)) / 4 - 0.008, side)
        return (0.15 + 0.55 * hashed(int(math.floor(board)), 3, seed)) * (1 - seam) + seam
    if kind == 2:  # tiles: a chequerboard
        u, v = math.sin(4 * math.pi * x), math.sin(4 * math.pi * y)
        return 0.15 + 0.7 * _step(u * v / (4 * math.pi), side)
    if kind == 3:  # clouds
        return 0.5 + 0.4 * _lattice(x * 3, y * 3, seed) + 0.1 * _lattice(x * 7, y * 7, seed + 1)
    return 0.5 + 0.4 * math.sin(2 * math.pi * (4 * y + 0.15 * math.sin(2 * math.pi * (2 * x))))  # waves


@COMPILED
def _distance(shape, u, v):
    """From the outline of a thing of radius 1 around the origin; negative inside."""
    a, b = abs(u), abs(v)
    if shape == 0:  # circle
        return math.hypot(u, v) - 1
    if shape == 1:  # square
        return max(a, b) - 0.84
    if shape == 2:  # triangle, apex up
        return max(v - 0.8, (1.8 * a - v - 1) / 2.06)
    if shape == 3:  # cross
        return min(max(a - 1, b - 0.34), max(b - 1, a - 0.34))
    return abs(math.hypot(u, v) - 0.73) - 0.27  # ring


@COMPILED
def _fill(picture, kind, tone, seed, rows):
    side = picture.shape[0]
    for i in range(side):
        for j in range(side):
            x, y = (j + 0.5) / side, (i + 0.5) / side
            grain = _surface(x, y, side, seed)
            mix = _background(kind, x, y, side, seed)
            colour = [tone[0, c] * (1 - mix) + tone[1, c] * mix + 5 * grain for c in range(3)]
            for n in range(len(rows)):
                u, v = (x - rows[n, 1]) / rows[n, 3], (y - rows[n, 2]) / rows[n, 3]
                cover = _step(_distance(int(rows[n, 0]), u, v) * rows[n, 3], side)
                if cover > 0:
                    shade = 1 - 0.12 * v + 0.03 * grain  # lit from above
                    for c in range(3):
                        colour[c] += cover * (rows[n, 4 + c] * shade - colour[c])
            for c in range(3):
                picture[i, j, c] = int(min(255.0, max(0.0, colour[c] + 0.5)))


def _cached(version):
    """The way into the compiled code, kept on disk between processes: see compiled.py."""
    @numba.njit(error_model="numpy", cache=True)
    def paint(picture, kind, tone, seed, rows):
        version  # noqa: B018  named so that it is part of the closure
        _fill(picture, kind, tone, seed, rows)
    return paint


_paint = _cached(VERSION)

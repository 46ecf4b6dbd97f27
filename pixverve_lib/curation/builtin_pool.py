"""The built-in raw pool: scenes drawn as photographs of true size, and among them bad ones that are labelled as such.

A file's name says all there is to know about it (`landscape-0007-2600x3900-good.jpg`), so that any picture can be drawn
anew from its name alone, and no table of labels can go astray.
"""
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pixverve_lib.curation.sources import Picture
from pixverve_lib.imaging import reading
from pixverve_lib.kit.artefacts import atomic, write_bytes_atomically
from pixverve_lib.kit.parallel import map_pictures
from pixverve_lib.paper.constants import MEDIUM_PIXELS
from pixverve_lib.scenes import damage, layouts, render, truth

VERSION = "1"  # of the scenes; a change draws the pool anew
QUALITY = 95
LICENCE = "Apache-2.0 (drawn by this kit)"
SIZES = ((2600, 3900), (3264, 3264), (3900, 2600), (2880, 3840), (3264, 4896))  # 10-16 MP
LARGE, NATIVE = (4200, 6300), (8200, 12300)  # 26 and 101 MP: tiers 2x and native
SPOILED = ("overexposed", "underexposed", "defocused", "shaken", "flat", "posterised", "small")
COPIES = ("identical", "reencoded", "resized", "cropped")  # of the picture with the same layout, number and size
BROKEN = ("truncated", "empty", "text", "absurd")
MEANT_FOR = {
    "overexposed": "exposure", "underexposed": "exposure", "defocused": "sharpness", "shaken": "sharpness",
    "flat": "flatness", "posterised": "content richness", "small": "resolution screen",
    **dict.fromkeys(COPIES, "duplicate"), **dict.fromkeys(BROKEN, "unreadable"),
}
NAME = re.compile(r"([a-z-]+)-(\d{4})-(\d+)x(\d+)-([a-z]+)")
# Budget: good pictures, of which 2x and native ones; spoiled, copied and broken ones of each kind
COUNTS = {"smoke": (10, 1, 0, 1), "laptop": (45, 3, 1, 3), "gpu": (45, 3, 1, 3), "paper": (45, 3, 1, 3)}
SYNTHESIZED_EVERY = 15  # one good picture in so many stands in for a synthesized one (Tab. 1: 5,000 of 300,316)


@dataclass(frozen=True)
class Recipe:
    """What a file's name says."""

    layout: str
    number: int
    height: int
    width: int
    kind: str  # "good" or one of SPOILED, COPIES, BROKEN

    @property
    def name(self):
        return f"{self.layout.replace(' ', '-')}-{self.number:04d}-{self.height}x{self.width}-{self.kind}.jpg"

    def scene(self):
        return layouts.compose(self.layout, self.number, self.width / self.height)


def parse(path):
    """The recipe in a file's name, or None for a file that is not of the built-in pool."""
    found = NAME.fullmatch(Path(path).stem)
    if found is None or found[1].replace("-", " ") not in layouts.LAYOUTS:
        return None
    return Recipe(found[1].replace("-", " "), int(found[2]), int(found[3]), int(found[4]), found[5])


def kinds(paths):
    """The kind of each picture; "good" for every file that is not of the built-in pool.  # Series of str"""
    recipes = [parse(path) for path in paths]
    return pd.Series([recipe.kind if recipe else "good" for recipe in recipes], dtype=str)


def plan(budget, seed=0):
    """The recipes of a budget's pool, in a fixed order."""
    good, large, native, each = COUNTS[budget]
    rng = np.random.default_rng(seed)
    numbers = iter(rng.permutation(9000))
    sizes = [NATIVE] * native + [LARGE] * large
    sizes += [SIZES[i] for i in rng.integers(len(SIZES), size=good - len(sizes))]
    # A native picture is drawn once, in the layout that shows its detail best.
    pool = [Recipe(layouts.LAYOUTS[i % 5], int(next(numbers)), *size, "good") for i, size in enumerate(sizes)]
    for kind in SPOILED:
        size = (1200, 1600) if kind == "small" else SIZES[0]
        pool += [Recipe(layouts.LAYOUTS[i % 5], int(next(numbers)), *size, kind) for i in range(each)]
    # A copy must still pass the resolution screen, or that would drop it and not the deduplication.
    originals = [r for r in pool[native + large:good] if 0.97**2 * r.height * r.width > MEDIUM_PIXELS]
    for k, kind in enumerate(COPIES + BROKEN):
        for i in range(each):
            r = originals[(k * each + i) % len(originals)]
            pool.append(Recipe(r.layout, r.number, r.height, r.width, kind))
    return pool


def draw_file(path):
    """Draws the picture that a path names.  Returns nothing worth keeping: {}"""
    path, recipe = Path(path), parse(path)
    if recipe.kind in COPIES or recipe.kind in BROKEN:
        _derive(path, recipe)
    else:
        reading.write_jpeg(path, _spoil(render.draw(recipe.scene(), recipe.height, recipe.width), recipe), QUALITY)
    return {}


def _spoil(rgb, recipe):
    if recipe.kind == "overexposed":
        return damage.exposed(rgb, 4.5)
    if recipe.kind == "underexposed":
        return damage.exposed(rgb, -5)
    if recipe.kind == "defocused":
        return damage.defocused(rgb, 16)
    if recipe.kind == "shaken":
        return damage.shaken(rgb, 121)
    if recipe.kind == "flat":
        return damage.flat(recipe.height, recipe.width, recipe.number)
    return damage.posterised(rgb) if recipe.kind == "posterised" else rgb


def _derive(path, recipe):
    original = path.with_name(Recipe(recipe.layout, recipe.number, recipe.height, recipe.width, "good").name)
    if recipe.kind == "identical":
        with atomic(path) as temporary:
            shutil.copyfile(original, temporary)
    elif recipe.kind in COPIES:
        rgb = reading.read_rgb(original)
        changed = {"reencoded": lambda: rgb, "resized": lambda: damage.resized(rgb, 0.99),
                   "cropped": lambda: damage.cropped(rgb, 0.03)}[recipe.kind]()
        reading.write_jpeg(path, changed, 80)
    else:
        absurd = b"P6 100000 100000 255\n"
        data = {"truncated": original.read_bytes()[:200_000], "empty": b"", "absurd": absurd,
                "text": b"This is a web page that says: 404 Not Found\n"}[recipe.kind]
        write_bytes_atomically(path, data)


def open_builtin(budget, seed, cache):
    """Draws what is missing of the pool below `cache` and yields its pictures, captions included."""
    recipes = plan(budget, seed)
    folder = Path(cache) / f"scenes-v{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    derived = [r for r in recipes if r.kind in COPIES + BROKEN]
    _draw_missing(folder, [r for r in recipes if r not in derived], "drawing scenes")
    _draw_missing(folder, derived, "copying and breaking some")
    return (_picture(folder / r.name, r, i) for i, r in enumerate(recipes))


def draw_named(names, cache):
    """Draws those of the named pictures that are missing below `cache`.  Returns their paths  # list of str"""
    folder = Path(cache) / f"scenes-v{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    _draw_missing(folder, [parse(name) for name in names], "drawing scenes")
    return [str(folder / name) for name in names]


def _draw_missing(folder, recipes, label):
    """A file that is there is whole (it is renamed when finished), so that a killed run goes on with the next."""
    missing = [folder / r.name for r in recipes if not (folder / r.name).exists()]
    if not missing:
        return
    with TemporaryDirectory(dir=folder) as progress:
        result = map_pictures(draw_file, missing, progress, label=label, timeout=900)
    failed = result[result.status != "ok"]
    if len(failed):
        raise RuntimeError(f"{len(failed)} built-in pictures were not drawn; the first: {failed.reason.iloc[0]}")


def _picture(path, recipe, index):
    scene = recipe.scene()
    seen = truth.visible(scene)
    synthesized = recipe.kind == "good" and index % SYNTHESIZED_EVERY == SYNTHESIZED_EVERY - 1
    source = "synthesized (stand-in: built-in scenes)" if synthesized else "built-in scenes"
    shows = recipe.kind not in ("flat", "posterised", *BROKEN)
    return Picture(str(path), source, LICENCE, caption=truth.long_caption(scene, seen) if shows else "")

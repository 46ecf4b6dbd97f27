"""The things scenes are made of: each function adds one instance, its shapes from back to front, and its shadow."""
import numpy as np

from pixverve_lib.scenes.shapes import (
    BLOB,
    BOX,
    CYLINDER,
    ELLIPSE,
    FACADE,
    FLAT,
    GLOW,
    LEAF,
    LEAFY,
    SPHERE,
    linear,
)
from pixverve_lib.scenes.textures import NUMBER

COLOURS = {
    "red": ("#a3221c", "#c8412b"), "orange": ("#c9651a", "#e08a2e"), "yellow": ("#c9a31c", "#e6c84a"),
    "green": ("#3f6b24", "#6f8f36"), "blue": ("#2a4f86", "#4a76b0"), "violet": ("#5b3a78", "#8660a8"),
    "white": ("#c9c4b8", "#e6e2d8"), "brown": ("#5a3d26", "#7d5a38"), "grey": ("#66645f", "#8f8c85"),
    "black": ("#1c1b1b", "#34322f"), "pink": ("#b5647a", "#d894a4"), "ochre": ("#a8793a", "#c79c58"),
}


def pair(colour):
    """The two tones a colour word stands for, in linear light."""
    return tuple(linear(tone) for tone in COLOURS[colour])


def _wobble(rng, tones):
    gain = 1 + rng.uniform(-0.12, 0.12)
    return tones[0] * gain, tones[1] * gain


def tree(scene, x, y, size, colour="green", fog=0.0):
    """A trunk under a crown of leaf clusters; (x, y) is its foot, size its height."""
    rng, n = scene.rng, scene.begin("tree", colour, "foliage", y)
    scene.add_shadow(x, y, 0.34 * size, 0.05 * size, 0.55 * (1 - fog))
    bark = pair("brown")
    scene.add(BOX, CYLINDER, x, y - 0.24 * size, 0.035 * size, 0.26 * size, bark[0], bark[1], bend=0.5, relief=0.35,
              material=NUMBER["wood"], fog=fog, seed=int(rng.integers(99)), instance=n)
    for i in range(6):
        angle = 2 * np.pi * i / 5 + rng.uniform(-0.4, 0.4)
        far = 0.0 if i == 5 else 0.17 * size
        scene.add(BLOB, SPHERE, x + 1.15 * far * np.cos(angle), y - 0.66 * size + 0.9 * far * np.sin(angle),
                  size * rng.uniform(0.17, 0.24), size * rng.uniform(0.15, 0.21), *_wobble(rng, pair(colour)), bend=0.9,
                  relief=0.4, material=NUMBER["foliage"], fog=fog, seed=int(rng.integers(99)), instance=n)


def conifer(scene, x, y, size, fog=0.0):
    rng, n = scene.rng, scene.begin("fir tree", "green", "foliage", y)
    scene.add_shadow(x, y, 0.24 * size, 0.04 * size, 0.5 * (1 - fog))
    dark = tuple(0.55 * tone for tone in pair("green"))
    for i in range(6):
        width = size * (0.27 - 0.04 * i)
        scene.add(BLOB, SPHERE, x, y - size * (0.12 + 0.145 * i), width, 0.14 * size, *_wobble(rng, dark), bend=1.5,
                  relief=0.4, material=NUMBER["grass"], fog=fog, seed=int(rng.integers(99)), instance=n)


def rock(scene, x, y, size, colour="grey", fog=0.0):
    rng, n = scene.rng, scene.begin("rock", colour, "stone", y)
    scene.add_shadow(x, y, 0.9 * size, 0.22 * size, 0.6)
    for dx, dy, scale in ((-0.35, -0.25, 0.7), (0.4, -0.2, 0.62), (0.0, -0.35, 0.85)):
        scene.add(BLOB, SPHERE, x + dx * size, y + dy * size, scale * size, 0.75 * scale * size, *_wobble(rng,
                                                                                                          pair(colour)),
                  bend=0.45, relief=0.22, material=NUMBER["stone"], fog=fog, seed=int(rng.integers(99)), instance=n)


def house(scene, x, y, size, colour="white", lit=0.0, fog=0.0):
    """A gabled house; (x, y) is the middle of its foot, size its half width."""
    rng, n = scene.rng, scene.begin("house", colour, "plaster", y)
    scene.add_shadow(x, y, 1.15 * size, 0.14 * size, 0.55)
    wall, tiles, seed = pair(colour), pair("red"), int(rng.integers(99))
    scene.add(BOX, FLAT, x + 0.55 * size, y - 1.42 * size, 0.09 * size, 0.28 * size, *pair("brown"), relief=0.2,
              material=NUMBER["stone"], fog=fog, instance=n)
    scene.add(BOX, FACADE, x, y - 0.5 * size, size, 0.52 * size, *wall, windows=402, softness=lit,
              relief=0.12, material=NUMBER["plaster"], fog=fog, seed=seed, instance=n)
    scene.add(BOX, FLAT, x, y - 1.28 * size, 1.12 * size, 0.3 * size, *tiles, bend=0.7, relief=0.3,
              material=NUMBER["wood"], fog=fog, seed=seed, instance=n)


def building(scene, x, foot, half_width, height, colour, windows, lit, fog):
    """A street front with `windows` = (columns, rows)."""
    rng, n = scene.rng, scene.begin("building", colour, "plaster", foot)
    seed = int(rng.integers(1, 99))
    plaster = tuple(0.55 * tone + 0.45 * tone.mean() for tone in _wobble(rng, pair(colour)))
    scene.add(BOX, FACADE, x, foot - height / 2, half_width, height / 2, *plaster, relief=0.14,
              windows=100 * windows[0] + windows[1], softness=lit, material=NUMBER["plaster"], fog=fog, seed=seed,
              instance=n)
    trim = tuple(0.7 * tone for tone in pair(colour))
    scene.add(BOX, FLAT, x, foot - height, 1.03 * half_width, 0.018 * height, *trim, relief=0.15, fog=fog,
              material=NUMBER["stone"], seed=seed, instance=n)


def lamp(scene, x, y, size, lit, fog=0.0):
    n = scene.begin("street lamp", "black", "metal", y)
    scene.add_shadow(x, y, 0.06 * size, 0.02 * size)
    scene.add(BOX, CYLINDER, x, y - size / 2, 0.016 * size, size / 2, *pair("black"), relief=0.2, fog=fog,
              material=NUMBER["metal"], instance=n)
    if lit:
        scene.add(ELLIPSE, GLOW, x, y - size, 0.55 * size, 0.55 * size, linear("#ffb45a"), softness=1.6, opacity=0.35)
    tone = linear("#ffe2a8") * 3 if lit else linear("#d8d8d0")
    scene.add(ELLIPSE, GLOW if lit else SPHERE, x, y - size, 0.05 * size, 0.06 * size, tone,
              softness=0.2 if lit else 0.0,
              instance=n)


def car(scene, x, y, size, colour, fog=0.0):
    n = scene.begin("car", colour, "metal", y)
    scene.add_shadow(x, y, 1.05 * size, 0.1 * size, 0.7)
    paint = pair(colour)
    scene.add(BOX, CYLINDER, x, y - 0.62 * size, 0.62 * size, 0.2 * size, *paint, bend=0.45, relief=0.03,
              material=NUMBER["metal"], fog=fog, instance=n)
    scene.add(BOX, FLAT, x, y - 0.6 * size, 0.52 * size, 0.14 * size, linear("#20303c"), linear("#5a7080"), bend=0.45,
              relief=0.1, material=NUMBER["cloud"], fog=fog, instance=n)
    scene.add(BOX, FLAT, x, y - 0.31 * size, size, 0.19 * size, *paint, bend=0.05, relief=0.03,
              material=NUMBER["metal"],
              fog=fog, instance=n)
    for side in (-0.58, 0.58):
        for radius, tone in ((0.2, "black"), (0.1, "grey")):
            scene.add(ELLIPSE, SPHERE, x + side * size, y - 0.15 * size, radius * size, radius * size, *pair(tone),
                      relief=0.2,
                      material=NUMBER["stone"], fog=fog, instance=n)


def fruit(scene, x, y, size, name, colour):
    """A round fruit lying at (x, y), size its radius."""
    rng, n = scene.rng, scene.begin(name, colour, "peel", y)
    scene.add_shadow(x, y, 1.1 * size, 0.2 * size, 0.75)
    scene.add(ELLIPSE, SPHERE, x, y - 0.9 * size, size, 0.93 * size, *_wobble(rng, pair(colour)), relief=0.1,
              material=NUMBER["peel"], seed=int(rng.integers(99)), instance=n)
    scene.add(BOX, CYLINDER, x + 0.05 * size, y - 1.85 * size, 0.03 * size, 0.17 * size, *pair("brown"), angle=0.2,
              relief=0.2,
              material=NUMBER["wood"], instance=n)


def vessel(scene, x, y, size, name, colour, material="plaster"):
    """A vase or a bottle: a turned body under a neck; size its height."""
    rng, n = scene.rng, scene.begin(name, colour, material, y)
    tones, seed = _wobble(rng, pair(colour)), int(rng.integers(99))
    look = {"relief": 0.07, "material": NUMBER[material], "seed": seed, "instance": n}
    scene.add_shadow(x, y, 0.26 * size, 0.05 * size, 0.75)
    wide, neck = (0.13, 0.045) if name == "bottle" else (0.2, 0.085)
    scene.add(BOX, CYLINDER, x, y - 0.82 * size, neck * size, 0.2 * size, *tones, **look)
    if name == "bottle":
        scene.add(BOX, CYLINDER, x, y - 0.3 * size, wide * size, 0.3 * size, *tones, **look)
        scene.add(BOX, CYLINDER, x, y - 0.64 * size, wide * size, 0.06 * size, *tones, bend=0.65, **look)
        scene.add(BOX, CYLINDER, x, y - 0.28 * size, 1.005 * wide * size, 0.15 * size, *pair("white"), relief=0.08,
                  material=NUMBER["fabric"], seed=seed, instance=n)
    else:
        scene.add(ELLIPSE, SPHERE, x, y - 0.36 * size, wide * size, 0.36 * size, *tones, **look)
    scene.add(ELLIPSE, CYLINDER, x, y - 1.0 * size, 1.25 * neck * size, 0.025 * size, *tones, **look)


def book(scene, x, y, size, colour, thickness=0.12):
    rng, n = scene.rng, scene.begin("book", colour, "fabric", y)
    seed = int(rng.integers(99))
    scene.add_shadow(x, y, size, 0.06 * size, 0.7)
    scene.add(BOX, FLAT, x, y - thickness * size, size, thickness * size, *pair(colour), relief=0.12,
              material=NUMBER["fabric"], seed=seed, instance=n)
    scene.add(BOX, FLAT, x + 0.04 * size * np.sign(scene.towards_light), y - 0.96 * thickness * size, 0.97 * size,
              0.68 * thickness * size, *pair("white"), relief=0.2,
              material=NUMBER["metal"], seed=seed, instance=n)


def leaf(scene, x, y, size, angle, tones, seed, instance=-1):
    """A single leaf and, unless it is tiny, its shadow on what lies behind."""
    width = size * (0.34 + 0.16 * np.sin(seed))
    offset = 0.22 * size
    if size > 0.03:
        scene.add(LEAF, GLOW, x - offset * scene.towards_light, y + 0.8 * offset, 1.05 * size, 1.15 * width,
                  (0, 0, 0.001), softness=0.7, opacity=0.6, angle=angle)
    scene.add(LEAF, LEAFY, x, y, size, width, *tones, angle=angle, relief=0.11, material=NUMBER["peel"],
              seed=seed, instance=instance)


def flower(scene, x, y, size, colour, stem=0.0):
    """Petals around a heart; (x, y) is its middle."""
    rng, n = scene.rng, scene.begin("flower", colour, "petal", y + stem)
    if stem:
        scene.add(BOX, CYLINDER, x, y + stem / 2, 0.05 * size, stem / 2, *pair("green"), relief=0.2,
                  material=NUMBER["peel"], instance=n)
    petals = int(rng.integers(6, 11))
    for i in range(petals):
        angle = 2 * np.pi * i / petals + rng.uniform(-0.1, 0.1)
        leaf(scene, x + 0.55 * size * np.cos(angle), y + 0.55 * size * np.sin(angle), 0.5 * size, angle,
             _wobble(rng, pair(colour)), int(rng.integers(99)), n)
    scene.add(BLOB, SPHERE, x, y, 0.27 * size, 0.27 * size, *pair("yellow" if colour != "yellow" else "brown"),
              bend=0.3,
              relief=0.3, material=NUMBER["stone"], seed=3, instance=n)

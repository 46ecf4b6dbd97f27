"""Five kinds of picture, composed at random but reproducibly: landscape, still life, street, foliage, night."""
import numpy as np

from pixverve_lib.scenes import things
from pixverve_lib.scenes.scene import Scene
from pixverve_lib.scenes.shapes import BOX, ELLIPSE, FLAT, GLOW, GROUND, RIDGE, SKY, SPHERE, linear
from pixverve_lib.scenes.textures import NUMBER
from pixverve_lib.scenes.things import pair

LAYOUTS = ("landscape", "still life", "street", "foliage", "night")
FRUITS = (("apple", "red"), ("apple", "green"), ("orange", "orange"), ("plum", "violet"), ("lemon", "yellow"))
# mood: sky top, sky at the horizon, haze, sun colour, its height (-1 top of the light's arc), ambient share, exposure
MOODS = {
    "midday": ("#2f66a5", "#bcd6e6", "#bccfdb", "#fffaf0", -0.75, 0.38, 1.25),
    "morning": ("#6f94bd", "#f0e2c8", "#e3d8c8", "#fff0d8", -0.5, 0.36, 1.2),
    "overcast": ("#8d9aa5", "#cdd3d6", "#c2c9cc", "#e9eef2", -0.8, 0.6, 1.05),
    "sunset": ("#3c4a7a", "#f2a25c", "#d99a72", "#ffcf96", -0.38, 0.34, 1.15),
    "night": ("#060a1a", "#1b2745", "#141d33", "#5a6a96", -0.7, 0.5, 1.0),
}


def compose(layout, seed, aspect=1.5):
    """A scene of one of LAYOUTS.  aspect: width / height."""
    rng = np.random.default_rng([LAYOUTS.index(layout), seed])
    mood = "night" if layout == "night" else str(rng.choice([m for m in MOODS if m != "night"]))
    _, _, haze, sun, height, ambient, exposure = MOODS[mood]
    side = float(rng.choice((-1, 1)) * rng.uniform(0.35, 0.65))
    direction = np.array([side, height, 0.55]) / np.linalg.norm([side, height, 0.55])
    scene = Scene(layout, mood, seed, aspect, (*direction, ambient, exposure, 1.2, *linear(haze), *linear(sun)))
    _LAYOUT[layout](scene, rng)
    return scene


def _sky(scene, rng, horizon):
    top, low, _, sun, *_ = MOODS[scene.mood]
    clouds = {"overcast": -0.9, "night": 0.9}.get(scene.mood, rng.uniform(-0.1, 0.9))
    scene.add(SKY, FLAT, scene.aspect * rng.uniform(0, 1), 0, 1, horizon, linear(top), linear(low),
              material=NUMBER["cloud"], bend=clouds, seed=int(rng.integers(99)))
    if scene.mood in ("sunset", "morning"):
        x, y = scene.aspect * (0.5 + 0.45 * np.sign(scene.towards_light) * rng.uniform(0.4, 0.9)), horizon * 0.72
        scene.add(ELLIPSE, GLOW, x, y, 0.5, 0.4, linear(sun) * 1.5, softness=1.0, opacity=0.5)
        scene.add(ELLIPSE, GLOW, x, y, 0.035, 0.035, linear(sun) * 4, softness=0.15,
                  instance=scene.begin("sun", "yellow", "light", 0.0))


def _hills(scene, rng, horizon):
    material, (near, near2) = "foliage", pair(str(rng.choice(["green", "green", "ochre"])))
    for i in range(3):
        fog = 0.72 - 0.24 * i
        scene.add(RIDGE, FLAT, 0, horizon - 0.075 + 0.03 * i, rng.uniform(0.25, 0.7),
                  rng.uniform(0.1, 0.26) * (1 - 0.25 * i),
                  0.6 * near, 0.7 * near2, material=NUMBER["stone" if i == 0 else material], relief=0.22, fog=fog,
                  bend=rng.uniform(0.45, 0.56), seed=int(rng.integers(1, 999)))


def _landscape(scene, rng):
    horizon, aspect = rng.uniform(0.36, 0.52), scene.aspect
    _sky(scene, rng, horizon)
    _hills(scene, rng, horizon)
    ground, material = [("green", "grass"), ("ochre", "grass"), ("green", "foliage"), ("ochre",
                                                                                       "stone")][rng.integers(4)]
    tones = pair(ground)
    scene.add(GROUND, FLAT, aspect * rng.uniform(0.3, 0.7), horizon, 0.5, 9, 0.8 * tones[0], tones[1], relief=0.34,
              fog=0.45,
              material=NUMBER[material], seed=int(rng.integers(1, 9)))
    if rng.random() < 0.55:
        _lake(scene, rng, horizon)
    spots = np.sort(rng.uniform(horizon + 0.04, 0.97, int(rng.integers(7, 12))))
    for y in spots:
        near = (y - horizon) / (1 - horizon)
        x, fog = aspect * rng.uniform(0.03, 0.97), 0.28 * (1 - near)
        kind = rng.choice(["tree", "fir", "rock", "house", "flower"], p=[0.34, 0.22, 0.2, 0.12, 0.12])
        if kind == "tree":
            things.tree(scene, x, y, 0.12 + 0.55 * near, str(rng.choice(["green", "green", "ochre", "orange"])), fog)
        elif kind == "fir":
            things.conifer(scene, x, y, 0.12 + 0.5 * near, fog)
        elif kind == "rock":
            things.rock(scene, x, y, 0.02 + 0.1 * near, str(rng.choice(["grey", "brown"])), fog)
        elif kind == "house" and near < 0.6:
            things.house(scene, x, y, 0.04 + 0.13 * near, str(rng.choice(["white", "ochre", "grey"])), fog=fog)
        else:
            _meadow(scene, rng, x, y, 0.008 + 0.03 * near)


def _meadow(scene, rng, x, y, size):
    colour = str(rng.choice(["red", "yellow", "violet", "white", "pink"]))
    for _ in range(int(rng.integers(3, 7))):
        dx, dy = rng.normal(0, 3 * size), rng.normal(0, size)
        things.flower(scene, x + dx, y + dy - 2 * size, size * rng.uniform(0.7, 1.2), colour, stem=2.2 * size)


def _lake(scene, rng, horizon):
    top, low, *_ = MOODS[scene.mood]
    n = scene.begin("lake", "blue", "water", horizon + 0.05)
    x, y = scene.aspect * rng.uniform(0.2, 0.8), horizon + rng.uniform(0.06, 0.12)
    half_width = rng.uniform(0.45, 0.8)
    scene.add(ELLIPSE, FLAT, x, y, 1.02 * half_width, 0.053, *pair("ochre"), relief=0.3, fog=0.3,
              material=NUMBER["stone"])
    scene.add(ELLIPSE, FLAT, x, y, half_width, 0.05, linear(low) * 0.75, linear(top) * 0.9, relief=0.28, fog=0.15,
              material=NUMBER["water"], instance=n, seed=5)


def _still_life(scene, rng):
    aspect, edge = scene.aspect, rng.uniform(0.5, 0.6)
    wall = str(rng.choice(["grey", "ochre", "green", "blue", "brown"]))
    tones = pair(wall)
    scene.add(BOX, FLAT, aspect / 2, 0.5, 3, 3, 0.45 * tones[0], 0.55 * tones[1], relief=0.16,
              material=NUMBER["plaster"], seed=7)
    lit = aspect * (0.5 + 0.3 * np.sign(scene.towards_light))
    scene.add(ELLIPSE, GLOW, lit, 0.2, 1.1, 0.8, tones[1] * 1.2, softness=1.0, opacity=0.45)
    wood, wood2 = pair("brown")
    scene.add(GROUND, FLAT, aspect / 2, edge, 0.35, 9, 1.3 * wood, 1.5 * wood2, relief=0.25, material=NUMBER["wood"],
              seed=3,
              bend=rng.uniform(2.2, 3.2))
    scene.add(ELLIPSE, GLOW, aspect / 2, edge, 2.2, 0.05, (0, 0, 0), softness=1.0, opacity=0.5)
    xs = np.linspace(0.14, 0.86, 5) + rng.uniform(-0.04, 0.04, 5)
    for x, y in zip(rng.permutation(xs), np.sort(edge + rng.uniform(0.05, 0.14, len(xs))), strict=True):
        _stand(scene, rng, aspect * x, y)
    for y in np.sort(rng.uniform(edge + 0.18, 0.96, int(rng.integers(4, 8)))):
        x = rng.uniform(0.08, 0.92)
        name, colour = FRUITS[rng.integers(len(FRUITS))]
        things.fruit(scene, aspect * x, y, rng.uniform(0.05, 0.075) * (0.7 + 0.5 * y), name, colour)


def _stand(scene, rng, x, y):
    kind = rng.choice(["vase", "bottle", "books", "bouquet"])
    if kind == "books":
        for i in range(int(rng.integers(2, 5))):
            things.book(scene, x + rng.uniform(-0.02, 0.02), y - 0.045 * i, rng.uniform(0.13, 0.17),
                        str(rng.choice(["red", "blue", "green", "ochre", "violet"])), thickness=0.15)
        return
    colour = str(rng.choice(["blue", "white", "green", "ochre", "red"]))
    size = rng.uniform(0.3, 0.42)
    if kind == "bouquet":
        size *= 0.75
        hue = str(rng.choice(["red", "yellow", "violet", "white", "pink"]))
        for _ in range(int(rng.integers(5, 9))):
            dx, dy = rng.normal(0, 0.055), rng.normal(0, 0.04)
            things.flower(scene, x + dx, y - 1.35 * size + dy, rng.uniform(0.04, 0.06), hue, stem=0.4 * size)
    things.vessel(scene, x, y, size, "bottle" if kind == "bottle" else "vase", colour,
                  "metal" if kind == "bottle" else "plaster")


def _street(scene, rng):
    horizon, aspect, night = 0.56, scene.aspect, scene.mood == "night"
    _sky(scene, rng, horizon)
    if night:
        _stars(scene, rng, horizon)
    scene.add(GROUND, FLAT, aspect / 2, horizon, 0.2, 9, *(tuple(0.7 * t for t in pair("grey"))), relief=0.22, fog=0.4,
              material=NUMBER["stone"], seed=2)
    _road(scene, horizon)
    colours = ["ochre", "white", "red", "grey", "brown", "pink", "blue"]
    for depth in (0.02, 0.05, 0.1, 0.19, 0.34):  # rows of fronts, far to near, along both sides of the road
        foot, fog = horizon + depth * 0.9, max(0.0, 0.5 - 2 * depth)
        for side in (-1, 1):
            half_width = 0.05 + 0.75 * depth * rng.uniform(0.8, 1.2)
            x = aspect / 2 + side * (0.06 + 2.0 * depth * aspect / 1.5 + half_width * 0.6)
            height = (0.12 + 2.1 * depth) * rng.uniform(0.75, 1.3)
            rows = int(rng.integers(4, 8))
            things.building(scene, x, foot, half_width, height, str(rng.choice(colours)),
                            (max(2, round(rows * half_width / height * 2)), rows), 0.45 if night else 0.0, fog)
        size = 0.03 + 0.4 * depth
        things.lamp(scene, aspect / 2 + rng.choice((-1, 1)) * (0.05 + 1.1 * depth), foot + 0.01, 1.6 * size, night, fog)
        if rng.random() < 0.7:
            things.tree(scene, aspect / 2 - (0.07 + 1.35 * depth) * rng.choice((-1, 1)), foot + 0.012, 2.4 * size,
                        fog=fog)
        if rng.random() < 0.75:
            things.car(scene, aspect / 2 + rng.choice((-1, 1)) * (0.02 + 0.6 * depth), foot + 0.03 + 0.3 * depth,
                       0.5 * size,
                       str(rng.choice(["red", "blue", "white", "black", "yellow"])), fog)


def _road(scene, horizon):
    """Tarmac between kerbs with a broken line, narrowing to the horizon."""
    middle, depth = scene.aspect / 2, 1 - horizon
    for half_width, tone, relief in ((0.86, 0.55, 0.25), (0.8, 0.2, 0.25)):
        scene.add(BOX, FLAT, middle, horizon + depth / 2, half_width, depth / 2, *(tone * t for t in pair("grey")),
                  bend=1.0,
                  relief=relief, fog=0.12, material=NUMBER["stone"], seed=4)
    for near in (0.06, 0.14, 0.26, 0.42, 0.62, 0.88):
        scene.add(BOX, FLAT, middle, horizon + depth * near, 0.018 * near, 0.06 * near * depth, *pair("white"),
                  bend=0.12,
                  relief=0.3, fog=0.4 * (1 - near), material=NUMBER["stone"])


def _stars(scene, rng, horizon):
    for x, y, brightness in zip(rng.uniform(0, scene.aspect, 260), rng.uniform(0, horizon, 260), rng.pareto(1.5, 260),
                                strict=True):
        size = 0.0006 * (1 + min(2.0, brightness))
        scene.add(ELLIPSE, GLOW, x, y, size, size, linear("#dfe6ff") * min(2.0, 0.3 + brightness), softness=0.9)
    x, y = scene.aspect * rng.uniform(0.15, 0.85), rng.uniform(0.1, 0.25)
    scene.add(ELLIPSE, GLOW, x, y, 0.3, 0.3, linear("#8090c0"), softness=1.2, opacity=0.25)
    scene.add(ELLIPSE, SPHERE, x, y, 0.045, 0.045, linear("#f2efe4") * 3, linear("#cfd0d8") * 3, relief=0.16,
              material=NUMBER["plaster"], instance=scene.begin("moon", "white", "stone", 0.0))


def _night(scene, rng):
    if rng.random() < 0.65:
        _street(scene, rng)
        return
    horizon = 0.5
    _sky(scene, rng, horizon)
    _stars(scene, rng, horizon)
    _hills(scene, rng, horizon)
    scene.add(GROUND, FLAT, scene.aspect / 2, horizon, 0.25, 9, *pair("green"), relief=0.34, fog=0.3,
              material=NUMBER["grass"], seed=2)
    for y in np.sort(rng.uniform(horizon + 0.03, 0.9, 7)):
        near = (y - horizon) / (1 - horizon)
        x = scene.aspect * rng.uniform(0.05, 0.95)
        if rng.random() < 0.5:
            things.house(scene, x, y, 0.05 + 0.12 * near, "white", lit=0.6, fog=0.2)
        else:
            things.conifer(scene, x, y, 0.15 + 0.5 * near)


def _foliage(scene, rng):
    """Dead leaves in earnest: sizes distributed as r^-3, from a third of the picture down to a hundredth."""
    aspect = scene.aspect
    green, green2 = pair(str(rng.choice(["green", "green", "green", "ochre", "brown"])))
    green2 = 0.6 * green2 + 0.4 * pair(str(rng.choice(["green", "yellow", "ochre", "red"])))[1]
    scene.add(BOX, FLAT, aspect / 2, 0.5, 3, 3, 0.12 * green, 0.2 * green2, relief=0.4, material=NUMBER["foliage"],
              seed=5)
    count = 900
    sizes = 1 / np.sqrt(rng.uniform(1 / 0.2**2, 1 / 0.023**2, count))
    xs, ys = rng.uniform(-0.05, aspect + 0.05, count), rng.uniform(-0.05, 1.05, count)
    lean = rng.uniform(0, 2 * np.pi)
    thing_at = set(rng.choice(np.arange(count // 2, count), int(rng.integers(3, 7)), replace=False).tolist())
    for i in range(count):
        near = i / count
        gain = (0.35 + 0.75 * near) * rng.uniform(0.75, 1.2)
        things.leaf(scene, xs[i], ys[i], sizes[i], lean + rng.normal(0, 0.9), (gain * green,
                                                                               gain * green2 * rng.uniform(0.9, 1.2)),
                    int(rng.integers(99)))
        if i in thing_at:
            _among_leaves(scene, rng, min(max(xs[i], 0.1), aspect - 0.1), min(max(ys[i], 0.1), 0.9))


def _among_leaves(scene, rng, x, y):
    if rng.random() < 0.5:
        things.flower(scene, x, y, rng.uniform(0.06, 0.13), str(rng.choice(["red", "yellow", "violet", "white",
                                                                            "pink"])))
    else:
        things.fruit(scene, x, y, rng.uniform(0.03, 0.06), "berry", str(rng.choice(["red", "violet", "black"])))


_LAYOUT = {"landscape": _landscape, "still life": _still_life, "street": _street, "foliage": _foliage, "night": _night}

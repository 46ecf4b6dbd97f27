"""A scene: the shapes it is drawn from, the light, and the truth about what stands in it."""
from dataclasses import dataclass, field

import numpy as np

from pixverve_lib.scenes.shapes import shadow, shape


@dataclass(frozen=True)
class Instance:
    """One thing in a scene. `depth` grows towards the eye; box and mask are measured from the drawing (truth.py)."""

    name: str
    colour: str
    material: str
    depth: float


@dataclass
class Scene:
    """A picture before it has a size. Lengths are in picture heights, so that width = aspect."""

    layout: str
    mood: str
    seed: int
    aspect: float
    light: tuple
    shapes: list = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)

    @property
    def rng(self):
        """A generator that depends on the seed and on what has been placed so far: the same scene every time."""
        return np.random.default_rng([self.seed, len(self.shapes)])

    @property
    def towards_light(self):
        """Horizontal direction the light comes from.  # [-1, 1]"""
        return self.light[0]

    def add(self, *args, **options):
        self.shapes.append(shape(*args, **options))

    def add_shadow(self, x, y, half_width, half_height, opacity=0.5):
        """The shadow of something of that half width that touches the ground at (x, y): away from the light."""
        reach = -1.4 * self.towards_light * half_width
        self.shapes.append(shadow(x + reach / 2, y, half_width + abs(reach) / 2, half_height, opacity))

    def begin(self, name, colour, material, depth):
        """Registers an instance; pass the returned number to the shapes that make it up."""
        self.instances.append(Instance(name, colour, material, depth))
        return len(self.instances) - 1

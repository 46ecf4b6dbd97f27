"""Training sets for the 1:16 scale model: scenes of the simplest family at a scale, never a held-out combination."""
import numpy as np

from pixverve_lib.models import nano_klein
from pixverve_lib.paper import training
from pixverve_lib.scenes import primer
from pixverve_lib.schemes import dataset

SHRINK = 16  # DESIGN: 1K, 4K, 8K, 10K become 64, 256, 512, 640 px
SIDES = {  # scale -> pixels
    "1K": training.SCALE_1K // SHRINK, "4K": training.SCALE_4K // SHRINK,
    "8K": training.SCALE_8K // SHRINK, "10K": training.SCALE_10K // SHRINK,
}


def prepare(pipeline, scale, count, folder, seed=0, held_out=False):
    """`count` scenes at a scale with their captions, long and short in turn, encoded into `folder`: a CachedSet."""
    rng = np.random.default_rng([seed, SIDES[scale], held_out])
    specs = [primer.sample(rng, held_out) for _ in range(count)]
    captions = [(primer.long_caption if i % 2 else primer.short_caption)(spec) for i, spec in enumerate(specs)]
    pictures = primer.draw_batch(specs, SIDES[scale], rng)
    return dataset.prepare(list(pictures), captions, pipeline, folder, **nano_klein.TEXT)


def static_shift(height, width):
    """The kit's noise shift for a picture of the paper's size: that of its 1:16 model."""
    return nano_klein.shift(height / SHRINK, width / SHRINK)

"""Training sets of a run: the simplest built-in scenes, never a held-out combination, or a folder of pictures."""
from pathlib import Path

import numpy as np

from pixverve_lib.scenes import primer
from pixverve_lib.schemes import dataset

EVERY = 10  # every tenth picture of a folder is held out; not in paper: choice


def scenes(base, scale, count, folder, seed=0, held_out=False):
    """`count` scenes at a scale with their captions, long and short in turn, encoded into `folder`: a CachedSet."""
    side = base.sides[scale]
    rng = np.random.default_rng([seed, side, held_out])
    specs = [primer.sample(rng, held_out) for _ in range(count)]
    captions = [(primer.long_caption if i % 2 else primer.short_caption)(spec) for i, spec in enumerate(specs)]
    pictures = primer.draw_batch(specs, side, rng)
    return dataset.prepare(list(pictures), captions, base.pipeline, folder, **base.text)


def pictures(base, scale, images, folder, held_out=False):
    """Pictures of a folder at a scale, each with its caption in NAME.txt beside it: a CachedSet of nine tenths or one.

    Raises dataset.BadTrainingSet, with what to do.
    """
    found = dataset.files(images)
    chosen = [path for number, path in enumerate(found) if (number % EVERY == 0) == held_out]
    captions = [dataset.caption_beside(path) for path in chosen]
    return dataset.prepare(chosen, captions, base.pipeline, folder, base.sides[scale], **base.text)


def load(base, scale, images, count, folder, seed=0, held_out=False):
    """What a run trains on at a scale: the folder `images`, or `count` scenes when it is empty."""
    folder = Path(folder) / f"{scale}-{'held-out' if held_out else 'training'}"
    if images:
        return pictures(base, scale, images, folder, held_out)
    return scenes(base, scale, count, folder, seed, held_out)

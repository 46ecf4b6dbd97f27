"""Fine detail of pictures that a nano model drew: what is lost when token patches grow (Sec. 3.2 III).

GLCM Score          mean over patches of 64 px, the published symmetric variant, in bits (Sec. 3.3)
high frequencies    share of a picture's variance above ABOVE cycles a pixel, from its power spectrum
nano-FID_patch      Frechet distance of nano-clip features of small patches to those of drawn scenes of the same
                    prompts. Never comparable with FID.
"""
import numpy as np

from pixverve_lib.bench import bootstrap
from pixverve_lib.imaging import distances, reading
from pixverve_lib.imaging.cooccurrence import glcm_scores
from pixverve_lib.imaging.spectrum import energy_above, raps
from pixverve_lib.models import nano_clip
from pixverve_lib.scenes import primer

PATCH = 19  # paper: 299 (App. F), at 1:16
ABOVE = 0.25  # cycles a pixel, the upper half; not in paper: choice


def measure(paths, prompts, seed=0):
    """A frame with a row a score: score, value, low, high, pictures.  paths, prompts: as in nano_scores.measure"""
    return _measured([reading.read_rgb(path) for path in paths], prompts, seed)


def of_scenes(prompts, side):
    """The same of scenes drawn by the kit at `side` pixels, which is what a perfect model would reach."""
    return _measured(_truth(prompts, [side] * len(prompts), 1), prompts, 0)


def _measured(pictures, prompts, seed):
    clip = nano_clip.load()
    fine = [(glcm_scores(rgb).published_symmetric, _share(rgb)) for rgb in pictures]
    truth = _truth(prompts, map(len, pictures), 0)
    found, expected = ([clip.pooled_features(patches(rgb)) for rgb in each] for each in (pictures, truth))

    def scores(rows):
        glcm, high = np.mean([fine[row] for row in rows], axis=0)
        near, far = (np.concatenate([features[row] for row in rows]) for features in (found, expected))
        return {"GLCM Score": glcm, "high frequencies": high, "nano-FID_patch": distances.frechet(near, far)}
    return bootstrap.over_pictures(scores, len(pictures), seed)


def patches(rgb):
    """Squares of PATCH pixels that do not overlap; what remains at two borders is left out  # N PATCH PATCH 3 uint8"""
    rows, columns = (length // PATCH for length in rgb.shape[:2])
    cut = rgb[:rows * PATCH, :columns * PATCH].reshape(rows, PATCH, columns, PATCH, 3)
    return cut.swapaxes(1, 2).reshape(-1, PATCH, PATCH, 3)


def _truth(prompts, sides, seed):
    return [primer.draw(prompt.spec, side, np.random.default_rng((seed, i)))
            for i, (prompt, side) in enumerate(zip(prompts, sides, strict=True))]


def _share(rgb):
    frequency, power = raps(rgb.mean(axis=2, dtype=np.float32))
    return energy_above(frequency, power, ABOVE) / energy_above(frequency, power)

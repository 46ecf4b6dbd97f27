"""Changing the token patch of nano-pixel: what is carried over to a larger one, and the opposite for comparison.

At an untrained larger patch, the network gives exactly what it gave of the picture shrunk to the smaller one, enlarged:
trunk and inner levels meet the pixels and the noise level that they know, and new outer levels add nothing yet.
"""
import torch
from diffusers import Flux2Transformer2DModel

from pixverve_lib.models.nano_pixel import BASE_PATCH, PixelTransformer
from pixverve_lib.models.nano_pixel_head import OUTER_WIDTHS

PROJECTION = "trunk.x_embedder."
NEW = (PROJECTION, "trunk.proj_out.", "head.")  # what no latent model has


def inherited(transformer: Flux2Transformer2DModel, seed: int = 0) -> PixelTransformer:
    """A pixel network of the base's token patch with the blocks of a latent one; projections and head are random."""
    network = fresh(BASE_PATCH, seed=seed)
    state = {f"trunk.{name}": tensor for name, tensor in transformer.state_dict().items()}
    network.load_state_dict(_known(state), strict=False)
    return network


def fresh(patch: int, levels: int | None = None, seed: int = 0) -> PixelTransformer:
    """A network with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PixelTransformer(patch, levels_of(patch) if levels is None else levels)


def grown(network: PixelTransformer, patch: int, levels: int | None = None) -> PixelTransformer:
    """A copy for another token patch: projection resampled by area, outer levels kept, new ones start as identities.

    patch: of 4 or more pixels; levels: of the head, `levels_of(patch)` if None.
    """
    larger = fresh(patch, levels)
    state = network.state_dict()
    state[PROJECTION + "weight"] = resampled(state[PROJECTION + "weight"], network.config.patch, patch)
    kept = larger.state_dict().keys() & state.keys()
    larger.load_state_dict({name: state[name] for name in kept}, strict=False)
    return larger


def reinitialised(network: PixelTransformer, patch: int, seed: int = 0) -> PixelTransformer:
    """As `grown`, but projection and head start at random: the released code carries over equal shapes only."""
    larger = fresh(patch, seed=seed)
    larger.load_state_dict(_known(network.state_dict()), strict=False)
    return larger


def levels_of(patch: int) -> int:
    """Outer levels of the head for a token patch: one for each doubling of the base's, 3 at most."""
    return min(len(OUTER_WIDTHS), max(0, (patch // BASE_PATCH).bit_length() - 1))


def resampled(weight: torch.Tensor, old: int, new: int) -> torch.Tensor:
    """Weights of a projection of old x old pixels, averaged by area to new x new  # D 3*old^2 -> D 3*new^2"""
    overlap = _overlap(new, old).to(weight)
    squares = weight.unflatten(1, (3, old, old))
    return (overlap @ squares @ overlap.mT).flatten(1)


def _overlap(new, old):
    """Which share of each of `new` intervals lies in which of `old`  # new old, rows add up to 1"""
    starts, others = torch.arange(new)[:, None] / new, torch.arange(old)[None] / old
    low, high = torch.maximum(starts, others), torch.minimum(starts + 1 / new, others + 1 / old)
    return (high - low).clamp(min=0) * new


def _known(state):
    return {name: tensor for name, tensor in state.items() if not name.startswith(NEW)}

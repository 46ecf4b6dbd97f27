"""nano-pixel: what growing keeps, what the head may add, and what the shipped weights draw."""
import numpy as np
import pytest
import torch
from diffusers import Flux2Transformer2DModel
from torch.nn.functional import avg_pool2d, interpolate

from pixverve_lib.models import nano_klein, nano_pixel, noise_levels, pixel_growth
from pixverve_lib.models.nano_pixel import PixelTransformer, sample, seen
from pixverve_lib.scenes import primer, primer_checker

SIGMA = torch.tensor([0.9, 0.3])
TEXT = torch.randn(2, 5, 192, generator=torch.Generator().manual_seed(2))

pytestmark = pytest.mark.usefixtures("one_thread")


def made(patch=8, levels=None):
    """A network whose outer levels are not identities any more."""
    network = pixel_growth.fresh(patch, levels)
    torch.manual_seed(1)
    for level in network.head.outer:
        torch.nn.init.normal_(level.out.weight, std=0.1)
    return network.eval()


def noisy(side):
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(side))


@pytest.mark.parametrize("patch", [16, 64])
def test_a_grown_network_gives_what_the_smaller_one_gives_of_the_shrunk_picture(patch):
    base, k, x = made(), patch // 8, noisy(8 * patch)
    with torch.no_grad():
        large = pixel_growth.grown(base, patch)(x, SIGMA, TEXT)
        small = base(*seen(avg_pool2d(x, k), SIGMA, k), TEXT)
    assert torch.allclose(large, interpolate(small, scale_factor=k), atol=1e-5)


def test_trained_outer_levels_change_the_picture_but_not_the_shrunk_one():
    base, outer, x = made(), made(32), noisy(256)
    grown = pixel_growth.grown(base, 32)
    grown.head.outer.load_state_dict(outer.head.outer.state_dict())
    with torch.no_grad():
        large, small = grown(x, SIGMA, TEXT), base(*seen(avg_pool2d(x, 4), SIGMA, 4), TEXT)
    assert torch.allclose(avg_pool2d(large, 4), small, atol=1e-5)
    assert (large - interpolate(small, scale_factor=4)).abs().max() > 0.1


def test_averaged_pixels_have_the_noise_level_that_is_said_of_them():
    x, e = noisy(64), torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    level = SIGMA.view(-1, 1, 1, 1)
    fine = (1 - level) * interpolate(x, scale_factor=4) + level * e
    found, t = seen(avg_pool2d(fine, 4), SIGMA, 4)
    rest = (found - (1 - t.view(-1, 1, 1, 1)) * x).std((1, 2, 3))
    assert torch.allclose(rest, t, rtol=0.03)


def test_a_projection_keeps_its_answer_to_a_flat_picture_at_any_patch():
    base, flat = made(), torch.full((1, 3, 640, 640), 0.5)
    answers = [
        pixel_growth.grown(base, patch).tokens(flat[..., :8 * patch, :8 * patch], torch.zeros(1), TEXT[:1])
        for patch in (8, 20, 80)
    ]
    assert torch.allclose(answers[1], answers[0], atol=1e-4) and torch.allclose(answers[2], answers[0], atol=1e-4)


def test_growing_in_two_steps_is_growing_at_once_where_patches_divide():
    base = made()
    once, twice = pixel_growth.grown(base, 64), pixel_growth.grown(pixel_growth.grown(base, 32), 64)
    found, expected = (network.trunk.x_embedder.weight for network in (twice, once))
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_printed_patch_of_10k_has_fewer_tokens_than_the_bottleneck_has_places():
    network = pixel_growth.grown(made(64), 160)
    x = noisy(320)
    assert network.tokens(x, SIGMA, TEXT).shape == (2, 128, 2, 2) and network(x, SIGMA, TEXT).shape == x.shape


def test_a_trunk_inherits_every_block_of_the_latent_model_and_neither_projection():
    latent = Flux2Transformer2DModel(in_channels=48, num_layers=2, num_single_layers=4, attention_head_dim=32,
                                     num_attention_heads=4, joint_attention_dim=192, axes_dims_rope=(8, 8, 8, 8),
                                     guidance_embeds=False)
    network = pixel_growth.inherited(latent)
    state, known = network.trunk.state_dict(), latent.state_dict()
    same = {name for name in state if known[name].shape == state[name].shape and torch.equal(known[name], state[name])}
    assert state.keys() - same == {"x_embedder.weight", "proj_out.weight"}


def test_reinitialising_keeps_the_blocks_and_neither_projection_nor_head():
    network = made(8)
    before, after = network.state_dict(), pixel_growth.reinitialised(network, 8, seed=3).state_dict()
    new = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"trunk.x_embedder.weight", "trunk.proj_out.weight", "head.inner.join.weight"} <= new
    assert not any(name.startswith("trunk.") for name in new - {"trunk.x_embedder.weight", "trunk.proj_out.weight"})


def test_a_network_that_knows_the_picture_is_sampled_to_it():
    x = noisy(16).clamp(-1, 1)
    asked = []

    def knows(pixels, sigma, text):
        asked.append(sigma[0].item())
        return torch.cat([x, x])
    found = sample(knows, torch.randn(x.shape), TEXT, TEXT[0], noise_levels.visited(4, 3.0))
    assert torch.allclose(found, x) and asked == pytest.approx([1, 0.9, 0.75, 0.5])


def test_the_loss_of_a_perfect_network_is_zero_and_low_noise_weighs_alike():
    x, e = noisy(16), torch.randn(2, 3, 16, 16)
    assert nano_pixel.loss(lambda *_: x, x, e, SIGMA, TEXT) == 0
    losses = [nano_pixel.loss(lambda *_: x + 0.01, x, e, torch.full((2,), level), TEXT) for level in (0.01, 0.05, 0.5)]
    assert torch.stack(losses).tolist() == pytest.approx([0.04, 0.04, 0.0004], rel=1e-3)


@pytest.mark.parametrize(("side", "nearest"), [(250, "192, 256"), (20, "64")])
def test_a_side_that_the_patch_does_not_divide_is_refused_with_the_nearest_that_it_does(side, nearest):
    with pytest.raises(ValueError, match=f"multiples of 64: the nearest are {nearest}"):
        made(64)(torch.zeros(1, 3, 256, side), torch.ones(1), TEXT[:1])


def test_the_shift_grows_with_the_picture():
    assert [round(nano_pixel.shift(side, side), 1) for side in (64, 256, 512, 640)] == [2.5, 6.3, 10, 11.6]


@pytest.mark.parametrize(("patch", "number"), [(8, 6), (32, 2)])
def test_the_shipped_network_draws_held_out_prompts_right(patch, number):
    pipeline, network = nano_klein.load(), nano_pixel.load(patch)
    bench = primer.bench_prompts()[:number]
    specs, side = [prompt.spec for prompt in bench], 8 * patch
    noise = torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(0))
    features = nano_pixel.encode(pipeline, [prompt.short for prompt in bench])
    rgb = nano_pixel.to_rgb(sample(network, noise, *features, noise_levels.visited(10, nano_pixel.shift(side, side))))
    assert rgb.shape == (number, side, side, 3) and rgb.dtype == np.uint8
    assert primer_checker.scores(rgb, specs)["pos"] >= 0.8
    assert primer_checker.scores(rgb, specs[1:] + specs[:1])["pos"] <= 0.4


def test_the_asset_is_small_and_of_the_base_patch_with_all_outer_levels():
    size = sum(path.stat().st_size for path in nano_pixel.ASSET.rglob("*") if path.is_file())
    assert 1_000_000 < size <= 8_000_000
    config = PixelTransformer.load_config(nano_pixel.ASSET)
    assert (config["patch"], config["levels"]) == (8, 3)

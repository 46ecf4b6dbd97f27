"""The loss against the stock pipeline: a network that predicts what the loss asks for samples the training picture."""
import copy

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from tiny_network import TinyNetwork, batches, no_shift
from tiny_pipeline import TEXT, pipeline, scenes

from pixverve_lib.models import nano_klein, noise_levels
from pixverve_lib.schemes import flow
from pixverve_lib.schemes.cache import Batch

HEIGHT, WIDTH = 64, 96


def picture():
    return scenes(1, 128)[0][:, :HEIGHT, :WIDTH].copy()


def oracle(latents):
    """The transformer of a pipeline, but it knows the picture: v = (x - x_0) / sigma"""
    network, packed = copy.deepcopy(pipeline().transformer), latents.flatten(2).mT
    network.forward = lambda hidden_states, timestep, **_: ((hidden_states - packed) / timestep[:, None, None],)
    return network


def test_a_network_without_loss_makes_the_stock_pipeline_draw_the_training_picture():
    latents = flow.encode(pipeline(), picture())
    knowing = oracle(latents)
    batch = Batch(("one",), latents, torch.zeros(1, 24, 192), torch.zeros(24, 192))
    assert flow.loss(knowing, batch, torch.Generator().manual_seed(0), nano_klein.shift).item() < 1e-10
    stock = copy.copy(pipeline())
    stock.register_modules(transformer=knowing)
    drawn = stock(prompt=["red circle centre"], height=HEIGHT, width=WIDTH, num_inference_steps=3, output_type="np",
                  **TEXT).images[0]
    pixels = torch.from_numpy(picture()).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        decoded = stock.vae.decode(stock.vae.encode(pixels).latent_dist.mode()).sample[0].permute(1, 2, 0)
    assert np.abs(drawn - (decoded / 2 + 0.5).clamp(0, 1).numpy()).max() < 1e-4


def test_positions_are_those_of_the_pipeline():
    stock = pipeline()
    image, text = stock._prepare_latent_ids(torch.zeros(1, 32, 4, 6)), stock._prepare_text_ids(torch.zeros(1, 24, 192))
    assert torch.equal(nano_klein.positions(4, 6, "cpu"), image[0])
    assert torch.equal(nano_klein.positions(1, 1, "cpu", 24), text[0])


@pytest.mark.parametrize("shift", [1.0, 2.8])
def test_noise_levels_are_shifted_as_the_scheduler_shifts_them(shift):
    even = np.linspace(1, 0.1, 10)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=even)
    assert noise_levels.shifted(even, shift) == pytest.approx(scheduler.sigmas[:-1].numpy(), abs=1e-6)


def test_larger_pictures_are_trained_at_higher_noise_levels():
    levels = []

    def network(hidden_states, timestep, **_):
        levels.append(timestep.mean().item())
        return (hidden_states,)
    for side in (4, 16, 40):
        batch = Batch((), torch.zeros(512, 1, side, side), torch.zeros(512, 1, 1), torch.zeros(1, 1))
        flow.loss(network, batch, torch.Generator().manual_seed(0), nano_klein.shift)
    assert levels[0] == pytest.approx(0.5, abs=0.02) and levels[0] < levels[1] < levels[2]


def test_dropped_prompts_are_the_empty_one():
    network, batch = TinyNetwork(), batches(0)
    losses = {
        drop: flow.loss(network, given, torch.Generator().manual_seed(0), no_shift, drop=drop).item()
        for drop, given in ((0.0, batch._replace(text=batch.empty.expand_as(batch.text))), (1.0, batch))
    }
    assert losses[0.0] == losses[1.0]
    assert losses[0.0] != flow.loss(network, batch, torch.Generator().manual_seed(0), no_shift).item()


def test_validation_is_the_same_whenever_it_is_asked_for_and_leaves_no_gradient():
    network = TinyNetwork()
    first, again = (flow.losses_by_level(network, [batches(0), batches(1)]) for _ in range(2))
    assert first == again and list(first) == list(flow.LEVELS)
    assert all(weight.grad is None for weight in network.parameters())


def levels(times, shift=1.0, number=20_000):
    return flow.noise_levels(number, torch.Generator().manual_seed(0), shift, times)


@pytest.mark.parametrize("shift", [1.0, 4.0])
@pytest.mark.parametrize("times", [(0.541, 1.0), (0.0, 0.459), (0.9, 0.95)])
def test_a_range_of_noise_levels_is_the_whole_distribution_cut_off(times, shift):
    everything, found = levels((0.0, 1.0), shift, 200_000), levels(times, shift)
    assert times[0] - 1e-6 <= found.min() and found.max() <= times[1] + 1e-6
    expected = everything[(everything >= times[0]) & (everything <= times[1])]
    quantiles = torch.tensor([0.1, 0.5, 0.9])
    assert torch.allclose(found.quantile(quantiles), expected.quantile(quantiles), atol=0.02)


def test_the_whole_range_draws_as_before_and_no_range_is_refused():
    expected = torch.randn(5, generator=torch.Generator().manual_seed(0)).sigmoid()
    assert torch.equal(levels((0, 1), number=5), expected)
    with pytest.raises(ValueError, match=r"\(0.7, 0.2\) are no noise levels: give 0 <= lowest < highest <= 1"):
        levels((0.7, 0.2))


def test_a_student_that_is_its_teacher_has_no_loss_and_a_guided_teacher_is_eq_7():
    network = copy.deepcopy(pipeline().transformer)
    random = torch.Generator().manual_seed(0)
    batch = Batch(("one", "two"), torch.randn(2, network.config.in_channels, 4, 6, generator=random),
                  torch.randn(2, 24, 192, generator=random), torch.randn(24, 192, generator=random))
    taught = {scale: flow.loss(network, batch, torch.Generator().manual_seed(0), nano_klein.shift,
                               teacher=flow.Teacher(network, scale)).item() for scale in (1.0, 3.0)}
    assert taught[1.0] == 0 < taught[3.0]
    x, sigma = batch.latents, torch.tensor([0.3, 0.8])
    aware, free = (flow.predict(network, x, sigma, text) for text in (batch.text, batch.empty.expand_as(batch.text)))
    guided = flow.Teacher(network, 3.0).velocity(x, sigma, batch.text, batch.empty)
    assert torch.allclose(guided, 3 * aware - 2 * free, atol=1e-6) and not guided.requires_grad


def test_guidance_reaches_a_network_that_embeds_it_and_no_other_is_called_with_it():
    told = []

    def network(hidden_states, guidance=None, **_):
        told.append(guidance)
        return (hidden_states,)
    batch = Batch((), torch.zeros(3, 1, 2, 2), torch.zeros(3, 1, 1), torch.zeros(1, 1))
    for guidance in (None, 2.5):
        flow.loss(network, batch, torch.Generator().manual_seed(0), nano_klein.shift, guidance=guidance)
    assert told[0] is None and told[1].tolist() == [2.5] * 3

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

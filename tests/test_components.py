"""URAE's adapters: the factors of Eq. 6, the base that they start as, and that others load them as a LoRA."""
import copy

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinPipeline
from tiny_pipeline import pipeline

from pixverve_lib.models import components
from pixverve_lib.schemes import engine, flow, full_attention

RANK = 8
both = pytest.mark.parametrize("which", components.PARTS)

pytestmark = pytest.mark.usefixtures("one_thread")


def base():
    return pipeline().transformer


def adapted(which, rank=RANK):
    network = copy.deepcopy(base()).requires_grad_(False)
    components.add(network, full_attention.lora_targets(network), rank, which)
    return network


def trained(which, steps=3):
    """An adapted network after some steps on random targets."""
    network, random = adapted(which), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(engine.trained(network).values(), 0.02)
    for _ in range(steps):
        target = torch.randn(2, base().config.in_channels, 4, 4, generator=random)
        (predicted(network) - target).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return network


def predicted(network):
    random = torch.Generator().manual_seed(1)
    x = torch.randn(2, base().config.in_channels, 4, 4, generator=random)
    text = torch.randn(2, 24, 192, generator=random)
    return flow.predict(network, x, torch.tensor([0.3, 0.8]), text)


def loaded(network, folder):
    """The transformer of a stock pipeline on the unchanged base that was given the LoRA which is written here."""
    layers, metadata = components.as_lora(network)
    Flux2KleinPipeline.save_lora_weights(folder, layers, transformer_lora_adapter_metadata=metadata)
    stock = copy.copy(pipeline())
    stock.register_modules(transformer=copy.deepcopy(base()))
    stock.load_lora_weights(folder)
    return stock.transformer


@pytest.mark.parametrize("shape", [(12, 7), (7, 12)])
@both
def test_the_factors_of_a_weight_are_those_of_eq_6_in_its_own_orientation(which, shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    a, b = components.factors(weight, 3, which)
    left, values, right = np.linalg.svd(weight.double().numpy().T)  # the paper's W, in x out
    chosen = slice(-3, None) if which == "minor" else slice(3)
    left, right = left[:, :7][:, chosen], right[:7][chosen]
    assert (a.shape, b.shape) == ((3, shape[1]), (shape[0], 3))
    np.testing.assert_allclose((b @ a).numpy().T, left @ np.diag(values[chosen]) @ right, atol=1e-12)
    np.testing.assert_allclose((a @ a.T).numpy(), np.diag(values[chosen]), atol=1e-12)  # both hold sqrt(S)
    np.testing.assert_allclose((b.T @ b).numpy(), np.diag(values[chosen]), atol=1e-12)


@both
def test_the_network_starts_as_the_base_and_each_sum_as_its_weight(which):
    network, weights = adapted(which), dict(base().named_parameters())
    names = [name.removesuffix(".lora_A.default.weight") for name in engine.trained(network) if "lora_A" in name]
    assert len(names) == 2 * 4 + 4 * 2  # q, k, v, out of the double blocks, in and out of the single ones
    for name in names:
        layer = network.get_submodule(name)
        a, b = (getattr(layer, f"lora_{side}")["default"].weight for side in "AB")
        torch.testing.assert_close(layer.base_layer.weight + b @ a, weights[f"{name}.weight"], atol=1e-6, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(predicted(network), predicted(base()), atol=1e-6, rtol=0)


def test_only_the_factors_train_and_minor_ones_hold_the_least_energy():
    minor, major = (adapted(which) for which in components.PARTS)
    assert all("lora_" in name for name in engine.trained(minor)) and engine.trained(minor)
    for name, weight in engine.trained(minor).items():
        assert weight.norm() < engine.trained(major)[name].norm()


@both
def test_a_stock_pipeline_loads_it_as_a_lora_before_and_after_training(which, tmp_path):
    networks = {"start": adapted(which), "trained": trained(which)}
    with torch.no_grad():
        for name, network in networks.items():
            stock = loaded(network, tmp_path / name)
            torch.testing.assert_close(predicted(stock), predicted(network), atol=1e-5, rtol=1e-5)
            ranks = {layer.r["default_0"] for layer in stock.modules() if hasattr(layer, "lora_A")}
            assert ranks == {2 * RANK}
        assert (predicted(network) - predicted(base())).abs().max() > 1e-3  # or the second round proves nothing


def test_a_copy_keeps_what_it_started_from():
    network = trained("minor")
    layers, copied = (components.as_lora(each)[0] for each in (network, copy.deepcopy(network)))
    assert all(torch.equal(layers[name], copied[name]) for name in layers)
    first = dict(network.named_buffers())
    again = dict(adapted("minor").named_buffers())
    assert all(torch.equal(first[name], again[name]) for name in again if "first_" in name)


def test_singular_values_are_listed_largest_first_with_their_share_of_the_energy():
    targets = full_attention.lora_targets(base())
    found = components.spectra(base(), targets, RANK)
    assert found["layer"].nunique() == 16
    for _, rows in found.groupby("layer"):
        assert rows["share"].sum() == pytest.approx(1) and rows["value"].is_monotonic_decreasing
        assert rows["part"].value_counts()[["minor", "major"]].tolist() == [RANK, RANK]
        assert rows["part"].iloc[0] == "major" and rows["part"].iloc[-1] == "minor"


@pytest.mark.parametrize(("change", "line"), [
    ({"rank": 129}, r"rank 129 does not fit .* of \(128, 128\): take 1 to 128"),
    ({"rank": 0}, "rank 0 does not fit"),
    ({"which": "medium"}, "components 'medium' are unknown; use one of: minor, major"),
    ({"targets": ["to_x"]}, "no layer is named to_x"),
    ({"targets": ["to_out"]}, "to_out is no linear layer"),
])
def test_what_does_not_fit_is_refused_in_one_line_and_the_network_stays(change, line):
    network = copy.deepcopy(base())
    with pytest.raises(ValueError, match=line):
        components.add(network, **({"targets": ["to_q"], "rank": 4, "which": "minor"} | change))
    assert network.state_dict().keys() == base().state_dict().keys()
    with pytest.raises(ValueError, match="no components to write"):
        components.as_lora(network)


def test_the_table_of_starts_shows_that_nothing_moves_and_would_show_what_does(monkeypatch):
    found = components.at_start(base(), ["to_q"], RANK)
    assert found.part.tolist() == list(components.PARTS) and set(found.layers) == {2}
    assert found[["weight", "output"]].max(axis=None) < 1e-6
    add = components.add

    def moved(network, *given):
        add(network, *given)
        network.transformer_blocks[0].attn.to_q.base_layer.weight.data[0, 0] += 0.5
    monkeypatch.setattr(components, "add", moved)
    assert components.at_start(base(), ["to_q"], RANK).weight.tolist() == pytest.approx([0.5, 0.5], abs=1e-6)

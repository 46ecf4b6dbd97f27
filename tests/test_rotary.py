"""Rotary positions and proportional attention: formulas, Fig. 1 and 2 of UltraFlux in numbers, and the retrofits."""
import copy
import math

import numpy as np
import pytest
import torch
from tiny_pipeline import TEXT, pipeline, sampled

from pixverve_lib.exhibits import positions
from pixverve_lib.models import nano_klein, proportional_attention, rotary, window_attention
from pixverve_lib.schemes import checkpoints, flow, position_comparison
from pixverve_lib.schemes.retrofits import retrofitted

GRIDS = [(4, 4), (8, 12), (12, 3)]
LINEAR = [kind for kind in rotary.KINDS if "resonance" not in kind]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def transformer():
    return copy.deepcopy(pipeline().transformer)


def predicted(transformer, height=8, width=12, texts=5):
    random = torch.Generator().manual_seed(1)
    latents = torch.randn(2, transformer.config.in_channels, height, width, generator=random)
    text = torch.randn(2, texts, transformer.config.joint_attention_dim, generator=random)
    with torch.no_grad():
        return flow.predict(transformer, latents, torch.tensor([0.3, 0.8]), text)


def parts(**axes):
    return rotary.bands(**axes), rotary.differences(**axes)


@pytest.mark.parametrize("axes", [rotary.FLUX1, rotary.FLUX2, {"length": 37, "dimension": 16, "base": 500.0}])
def test_every_snapped_band_is_where_it_began_after_the_window(axes):
    found = rotary.bands(**axes)
    assert found["closure snapped"].max() <= 1e-12
    assert found.closure.max() > 1 and found["closure released"].max() > 1
    assert (found.snapped >= 1).all() and np.allclose(found.snapped, found.cycles * found.factor)


@pytest.mark.parametrize(("length", "raised", "most"), [(64, 18, 707), (256, 14, 177)])
def test_snapping_raises_most_slow_bands_of_flux_to_one_cycle(length, raised, most):
    facts = positions.facts({"Flux.1": parts(**rotary.FLUX1 | {"length": length})}).set_index("fact")["Flux.1"]
    assert int(facts["raised to one"]) == raised and int(facts["bands"]) == 28  # M34
    assert float(facts["up to"]) == pytest.approx(most, abs=0.5)


def test_phases_differ_inside_the_window_nearly_as_much_as_outside():
    facts = positions.facts({"Flux.1": parts(**rotary.FLUX1)}).set_index("fact")["Flux.1"]
    assert (facts["mean |Δφ|, 0 to L"], facts["mean |Δφ|, L to 2L"]) == ("1.32", "1.64")  # U05
    assert float(facts["closure baseline"]) == 2.97  # U03


def test_the_released_rounding_leaves_slow_bands_as_they_are():
    found = rotary.bands(**rotary.FLUX1)
    assert abs(found["factor released"] - 1).max() < 0.02 and found.factor.max() > 700


def test_yarn_keeps_fast_bands_divides_slow_ones_and_is_linear_between():
    frequency, turns = torch.full((5,), 0.2, dtype=torch.float64), torch.tensor([2.0, 1.25, 1.0, 0.75, 0.1])
    assert torch.allclose(rotary.yarn(frequency, turns, 4.0) / 0.2, torch.tensor([1, 1, 0.625, 0.25, 0.25]).double())


def test_ntk_divides_the_slowest_band_by_the_scale_and_keeps_the_fastest():
    stock, found = (rotary.spectrum(kind, 16, 2000, 8, 40) for kind in ("stock", "ntk"))
    assert (stock / found)[[0, -1]].tolist() == pytest.approx([1, 5])


def test_a_limit_bounds_the_scale_and_none_does_not():
    stock = rotary.spectrum("stock", 16, 2000, 8)
    for limit, scale in ((None, 5), (2.0, 2), (9.0, 5)):
        assert torch.allclose(rotary.spectrum("interpolated", 16, 2000, 8, 40, limit), stock / scale)


def test_resonance_alone_cannot_tell_a_place_from_the_one_a_window_further_and_with_yarn_it_can():
    alone, scaled = (rotary.spectrum(kind, 56, 10_000, 64, 128) for kind in ("resonance", "resonance+yarn"))
    assert rotary.closure(alone, 64).max() < 1e-12
    assert rotary.closure(scaled, 64).max() == pytest.approx(math.pi)
    slow = rotary.cycles(rotary.frequencies(56, 10_000), 64) < 0.75
    assert rotary.closure(scaled[slow], 128).max() < 1e-12


def test_resonant_patterns_repeat_with_the_window_and_only_scaling_turns_stripes():
    found = rotary.regularity(**rotary.FLUX1, band=12).set_index(["kind", "height", "width"])
    assert found.loc["resonance"].irregular.max() < 1e-12 < 0.5 < found.loc["stock"].irregular.min()
    assert found.loc[["stock", "resonance"]].direction.round(9).unique().tolist() == [45]
    assert found.loc["resonance+yarn"].loc[(128, 64)].direction == pytest.approx(math.degrees(math.atan(0.5)))


@pytest.mark.parametrize("grid", GRIDS)
def test_positions_of_the_kind_stock_are_the_stock_ones_bit_for_bit(transformer, grid):
    stock = predicted(transformer, *grid)
    rotary.install(transformer, "stock", 4)
    assert torch.equal(predicted(transformer, *grid), stock)


@pytest.mark.parametrize("kind", LINEAR)
def test_at_the_trained_size_and_below_nothing_that_scales_changes_anything(transformer, kind):
    stock = predicted(transformer, 8, 5)
    rotary.install(transformer, kind, 8)
    assert torch.equal(predicted(transformer, 8, 5), stock)
    assert kind == "stock" or (predicted(transformer, 9, 5) - predicted(pipeline().transformer, 9, 5)).abs().max() > 0


@pytest.mark.parametrize("kind", rotary.KINDS)
def test_rows_and_columns_are_scaled_apart_and_text_and_time_are_not(transformer, kind):
    ids = nano_klein.positions(16, 3, "cpu", 2)
    stock = transformer.pos_embed(ids)[0].unflatten(1, (4, -1))
    rotary.install(transformer, kind, 4)
    cosines = transformer.pos_embed(ids)[0].unflatten(1, (4, -1))
    rows = (ids[:, 1:2] * rotary.spectrum(kind, 8, 2000, 4, 16)).cos().float()
    assert torch.equal(cosines[:, [0, 3]], stock[:, [0, 3]]) and torch.equal(cosines[:, 1, ::2], rows)
    assert torch.equal(cosines[:, 2], stock[:, 2]) == (kind in LINEAR)  # 3 columns of 4


def test_removing_positions_restores_the_stock_network_on_a_copy_too(transformer):
    stock, names, before = predicted(transformer), list(transformer.state_dict()), checkpoints.fingerprint(transformer)
    rotary.install(transformer, "ntk", 4)
    rotary.install(transformer, "yarn", 4, limit=2.0)
    other = copy.deepcopy(transformer)
    assert checkpoints.fingerprint(transformer) != before
    assert rotary.installed(other) == {"kind": "yarn", "trained": 4, "limit": 2.0}
    changed = predicted(other)
    for network in (other, transformer, transformer):
        rotary.remove(network)
    assert (changed - stock).abs().max() > 1e-4 and rotary.installed(transformer) is None
    assert torch.equal(predicted(other), stock) and list(other.state_dict()) == names
    assert torch.equal(predicted(transformer), stock) and not transformer._forward_pre_hooks


def test_what_cannot_be_installed_is_refused_in_one_line(transformer):
    for install, what in ((rotary.install, {"kind": "rope", "trained": 4}), (rotary.install, {"kind": "yarn",
                          "trained": 0}), (proportional_attention.install, {"trained": 1})):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            install(transformer, **what)
    assert "positions" not in transformer.state_dict() and "proportions" not in transformer.state_dict()


def test_proportional_attention_multiplies_all_queries_by_one_factor(transformer):
    same = copy.deepcopy(transformer)
    factor = math.sqrt(math.log(96) / math.log(16))
    for block in (*same.transformer_blocks, *same.single_transformer_blocks):
        block.attn.norm_q.weight.data *= factor
    for block in same.transformer_blocks:
        block.attn.norm_added_q.weight.data *= factor
    proportional_attention.install(transformer, 4)
    assert torch.allclose(predicted(transformer), predicted(same), atol=1e-5)
    assert proportional_attention.factor(64**4, 64) == pytest.approx(2**0.5)
    assert torch.equal(predicted(transformer, 4, 3), predicted(pipeline().transformer, 4, 3))


def test_retrofits_compose_in_any_order_and_leave_in_any_order(transformer):
    stock, names = predicted(transformer), list(transformer.state_dict())
    steps = [(window_attention, {"schedule": [(2, 4), (4, 2)]}), (rotary, {"kind": "resonance+yarn", "trained": 4}),
             (proportional_attention, {"trained": 4})]
    other = copy.deepcopy(transformer)
    for module, what in steps:
        module.install(transformer, **what)
    for module, what in steps[::-1]:
        module.install(other, **what)
    copied = copy.deepcopy(transformer)
    together = predicted(transformer)
    assert torch.equal(predicted(other), together) and torch.equal(predicted(copied), together)
    rotary.remove(copied)
    assert (predicted(copied) - together).abs().max() > 1e-4
    for network, order in ((transformer, steps), (copied, steps[::-1])):
        for module, _ in order:
            module.remove(network)
        assert torch.equal(predicted(network), stock) and list(network.state_dict()) == names


def test_gradients_reach_all_weights_through_resonance_and_proportions(transformer):
    rotary.install(transformer, "resonance", 4)
    proportional_attention.install(transformer, 4)
    latents, text = torch.randn(1, transformer.config.in_channels, 6, 5), torch.randn(1, 3, 192)
    transformer.requires_grad_(True)
    flow.predict(transformer, latents, torch.tensor([0.5]), text).sum().backward()
    assert all(weight.grad is not None for weight in transformer.parameters())


def test_a_comparison_has_a_row_for_each_size_and_kind_and_pictures_of_their_own(tmp_path):
    sizes, kinds = {(64, 96): 2, (96, 64): 1}, ("stock", "yarn", position_comparison.STARRED)
    texts = ["red circle centre, dark tiles", "blue square top-left, light paper"]
    found = position_comparison.compare(tmp_path, pipeline(), texts, sizes, lambda paths: {"drawn": len(paths)}, 4,
                                        kinds, steps=1, guidance=1.0, **TEXT)
    assert found.scores.drawn.tolist() == [2, 2, 2, 1, 1, 1]
    assert found.pictures.path.nunique() == 9 and found.scores.kind.tolist() == 2 * list(kinds)
    assert rotary.installed(pipeline().transformer) is None
    table = positions.compared(found.scores)
    assert (table["drawn − stock"] == 0).all()


def test_positions_are_seen_in_pictures_and_the_pipeline_stays_stock():
    before, (at_6, at_4) = sampled(pipeline(), 96), (position_comparison.choices(trained)["yarn"] for trained in (6, 4))
    assert np.array_equal(sampled(retrofitted(pipeline(), at_6), 96), before)
    assert np.abs(sampled(retrofitted(pipeline(), at_4), 96) - before).max() > 1e-4
    assert np.array_equal(sampled(pipeline(), 96), before)


def test_figures_draw_what_they_are_given():
    fig = positions.cycles({"Flux.1": parts(**rotary.FLUX1), "FLUX.2": parts(**rotary.FLUX2)})
    assert [axis.get_title() for axis in fig.axes[:4:3]] == ["(a) 18 of 28 raised to one", "(a) 9 of 16 raised to one"]
    band = rotary.representative(**rotary.FLUX1)
    drawn = {kind: {grid: rotary.pattern(kind, *grid, **rotary.FLUX1, band=band) for grid in rotary.GRIDS}
             for kind in ("stock", "resonance")}
    shapes = [axis.images[0].get_array().shape for axis in positions.waves(drawn).axes]
    assert band == 5 and shapes == 2 * list(rotary.GRIDS)

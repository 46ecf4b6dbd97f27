"""Window attention against stock attention, explicit masks and gradients."""
import copy

import numpy as np
import pytest
import torch
from peft import LoraConfig
from tiny_pipeline import TEXT, pipeline
from torch.nn.functional import scaled_dot_product_attention

from pixverve_lib.models import nano_klein, window_attention, window_schedules
from pixverve_lib.schemes import flow

TEXTS = 5
GRIDS = [((8, 8), (2, 4)), ((6, 12), (3, 2)), ((5, 7), (2, 3)), ((5, 5), (4, 5)), ((7, 4), (1, 3)), ((4, 4), (4, 4))]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def transformer():
    return copy.deepcopy(pipeline().transformer)


def predicted(transformer, height=8, width=12, **options):
    random = torch.Generator().manual_seed(1)
    latents = torch.randn(2, transformer.config.in_channels, height, width, generator=random)
    text = torch.randn(2, TEXTS, transformer.config.joint_attention_dim, generator=random)
    return flow.predict(transformer, latents, torch.tensor([0.3, 0.8]), text, **options)


def joint(grid):
    """Queries, keys and values as `attention` takes them."""
    random = torch.Generator().manual_seed(2)
    return [2 * torch.randn(2, TEXTS + grid[0] * grid[1], 3, 8, generator=random) for _ in range(3)]


def masks(grid, partition):
    """What each token may see in the close and in the remote branch, straight from the definition  # two of S S bool"""
    rows, columns = (line.flatten().numpy() for line in torch.meshgrid(*map(torch.arange, grid), indexing="ij"))
    window = -(-grid[0] // partition[0]), -(-grid[1] // partition[1])
    close = rows // window[0] * 1000 + columns // window[1]
    remote = rows % partition[0] * 1000 + columns % partition[1]
    for group in (close, remote):
        mask = np.ones((TEXTS + len(rows),) * 2, bool)
        mask[TEXTS:, TEXTS:] = group[:, None] == group[None]
        yield torch.from_numpy(mask)


def masked(query, key, value, mask):
    heads_first = [each.transpose(1, 2) for each in (query, key, value)]
    return scaled_dot_product_attention(*heads_first, attn_mask=mask).transpose(1, 2)


@pytest.mark.parametrize("size", [(64, 64), (64, 96)])
def test_partition_1_1_is_stock_attention_exactly(transformer, size):
    stock = predicted(transformer, *(side // 16 for side in size))
    window_attention.install(transformer, [(1, 1)])
    assert (predicted(transformer, *(side // 16 for side in size)) - stock).abs().max() == 0.0


def test_the_windows_themselves_make_full_attention_of_one_window():
    query, key, value = joint((4, 6))
    full = masked(query, key, value, None)
    for merge in window_attention.MERGES:
        found = window_attention.attention(query, key, value, (4, 6), (1, 1), merge)
        assert (found - full).abs().max() < 1e-5


@pytest.mark.parametrize(("grid", "partition"), GRIDS)
def test_averaged_branches_equal_two_explicit_masks_divided_or_not(grid, partition):
    query, key, value = joint(grid)
    expected = sum(masked(query, key, value, mask) for mask in masks(grid, partition)) / 2
    found = window_attention.attention(query, key, value, grid, partition)
    assert (found - expected).abs().max() < 1e-5


@pytest.mark.parametrize(("grid", "partition"), GRIDS)
def test_merged_branches_equal_one_softmax_over_the_union_each_key_once(grid, partition):
    query, key, value = joint(grid)
    close, remote = masks(grid, partition)
    found = window_attention.attention(query, key, value, grid, partition, "lse")
    assert (found - masked(query, key, value, close | remote)).abs().max() < 1e-5


@pytest.mark.parametrize("merge", window_attention.MERGES)
def test_chunks_of_windows_change_nothing(merge):
    query, key, value = joint((8, 12))
    whole, few = (window_attention.attention(query, key, value, (8, 12), (4, 3), merge, chunk) for chunk in (99, 5))
    assert (whole - few).abs().max() < 1e-6


@pytest.mark.parametrize("kind", ["transformer_blocks", "single_transformer_blocks"])
def test_the_receptive_field_by_gradient_is_close_window_remote_class_and_text_only(transformer, kind):
    grid, partition, query = (6, 8), (3, 2), (2, 5)
    window_attention.install(transformer, [partition])
    attn, width = getattr(transformer, kind)[0].attn, transformer.inner_dim
    image, text = torch.randn(1, 48, width, requires_grad=True), torch.randn(1, TEXTS, width, requires_grad=True)
    ids = [nano_klein.positions(1, 1, "cpu", TEXTS), nano_klein.positions(*grid, "cpu")]
    rotary = tuple(map(torch.cat, zip(*map(transformer.pos_embed, ids), strict=True)))
    if kind == "transformer_blocks":
        out, text_out = attn(image, text, image_rotary_emb=rotary, grid=grid)
    else:
        text_out, out = attn(torch.cat([text, image], 1), image_rotary_emb=rotary, grid=grid).tensor_split([TEXTS], 1)
    image_reach, text_reach = reach(out[0, query[0] * 8 + query[1]], image, text)
    assert np.array_equal(image_reach.reshape(grid), window_schedules.seen(grid, partition, query) > 0)
    assert text_reach.all() and not image_reach.all()
    assert all(reached.all() for reached in reach(text_out[0, 0], image, text))


def reach(out, *inputs):
    """Tokens of each input that move `out`."""
    return [(each[0].abs().amax(-1) > 0).numpy() for each in torch.autograd.grad(out.sum(), inputs, retain_graph=True)]


@pytest.mark.parametrize(("grid", "partition"), GRIDS)
def test_the_map_for_pictures_is_what_the_masks_say(grid, partition):
    query = grid[0] // 2, grid[1] - 1
    close, remote = (mask[TEXTS + query[0] * grid[1] + query[1], TEXTS:].numpy() for mask in masks(grid, partition))
    assert np.array_equal(window_schedules.seen(grid, partition, query).ravel(), close + 2 * remote)


def test_blocks_take_turns_with_the_partitions_and_the_state_tells_schedules_apart(transformer):
    window_attention.install(transformer, [(1, 1), (2, 4), (4, 2)], "lse")
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    assert [block.attn.processor.partition for block in blocks] == 2 * [(1, 1), (2, 4), (4, 2)]
    first = transformer.state_dict()["windows"]
    assert window_attention.installed(transformer) == {"schedule": ((1, 1), (2, 4), (4, 2)), "merge": "lse"}
    window_attention.install(transformer, [(1, 1), (2, 4), (4, 2)])
    assert not torch.equal(transformer.state_dict()["windows"], first)


def test_removing_restores_stock_results_bit_for_bit_on_a_copy_too(transformer):
    stock, names = predicted(transformer), list(transformer.state_dict())
    window_attention.install(transformer, [(2, 4)])
    window_attention.install(transformer, [(4, 2)])
    other = copy.deepcopy(transformer)
    window_attention.remove(other)
    assert torch.equal(predicted(other), stock) and list(other.state_dict()) == names
    changed = predicted(transformer)
    assert (changed - stock).abs().max() > 1e-4
    window_attention.remove(transformer)
    window_attention.remove(transformer)
    assert torch.equal(predicted(transformer), stock) and not transformer._forward_pre_hooks


def drawn(**options):
    """A picture of 4 x 6 tokens by the stock pipeline."""
    return pipeline()(prompt=["red circle centre, dark tiles"], height=64, width=96, num_inference_steps=2,
                      generator=torch.Generator().manual_seed(0), output_type="np", **TEXT, **options).images[0]


def test_the_stock_pipeline_draws_with_windows_of_any_grid():
    before = drawn()
    try:
        window_attention.install(pipeline().transformer, [(2, 3), (3, 2)])
        inside, told = drawn(), drawn(attention_kwargs={"grid": (4, 6)})
    finally:
        window_attention.remove(pipeline().transformer)
    assert np.abs(inside - before).max() > 1e-5 and np.array_equal(inside, told)
    assert np.array_equal(drawn(), before)


def gradients(transformer):
    predicted(transformer.train()).square().mean().backward()
    return {name: weight.grad for name, weight in transformer.named_parameters() if weight.requires_grad}


def test_gradient_checkpointing_gives_the_same_gradients(transformer):
    window_attention.install(transformer, [(2, 4), (4, 5)])
    kept = gradients(transformer.requires_grad_(True))
    transformer.zero_grad()
    transformer.enable_gradient_checkpointing()
    again = gradients(transformer)
    assert all(torch.allclose(again[name], grad, atol=1e-7) for name, grad in kept.items())


def test_training_goes_on_with_what_sampling_has_prepared(transformer):
    window_attention.install(transformer, [(3, 7)])  # no other test uses it
    with torch.inference_mode():
        predicted(transformer)
    assert all(grad.isfinite().all() for grad in gradients(transformer.requires_grad_(True)).values())


def test_a_lora_works_on_top(transformer):
    window_attention.install(transformer, [(2, 4), (4, 2)])
    before = predicted(transformer)
    transformer.requires_grad_(False)
    transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_qkv_mlp_proj"], init_lora_weights=False))
    assert (predicted(transformer) - before).abs().max() > 1e-4
    found = gradients(transformer)
    assert len(found) == 2 * (2 + 4) and all(grad.abs().max() > 0 for grad in found.values())


def test_what_cannot_be_is_refused_clearly(transformer):
    with pytest.raises(ValueError, match="merge 'sum' is unknown; use one of: average, lse"):
        window_attention.install(transformer, [(2, 2)], "sum")
    for schedule in ([], [(0, 2)]):
        with pytest.raises(ValueError, match="no window schedule"):
            window_attention.install(transformer, schedule)
    window_attention.install(transformer, [(4, 16)])
    with pytest.raises(ValueError, match="partition 4 x 16 is larger than the grid of 8 x 12 tokens"):
        predicted(transformer)
    with pytest.raises(ValueError, match="token grid 8 x 8 does not match 96 image tokens"):
        predicted(transformer, joint_attention_kwargs={"grid": (8, 8)})
    with pytest.raises(ValueError, match="no window schedule 'round' at '4K': use one of paper, released, square"):
        window_schedules.preset("round", "4K")


def test_presets_keep_the_window_s_share_as_printed_or_its_tokens_as_released():
    assert window_schedules.preset("released", "4K", nano=True) == ((1, 1), (2, 4), (4, 2), (1, 8), (8, 1))
    sides = {"4K": 256, "8K": 512, "10K": 640}
    windows = {name: [tuple(side // number for number in window_schedules.preset(name, scale)[1])
                      for scale, side in sides.items()] for name in ("paper", "released")}
    assert windows["released"] == [(32, 16), (32, 16), (40, 20)]  # M21
    assert windows["paper"] == [(32, 16), (64, 32), (80, 40)]
    ratios = {tuple(np.array(part) // min(part)) for part in window_schedules.preset("paper", "10K")}
    assert ratios == {(1, 1), (1, 2), (2, 1), (1, 8), (8, 1)}  # Sec. 4.1

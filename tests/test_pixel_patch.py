"""Scheme III: what is trained, how patches and scales follow each other, and what is refused."""
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny_pipeline import TEXT, pipeline, scenes

from pixverve_lib.models import nano_pixel, pixel_growth
from pixverve_lib.paper import training
from pixverve_lib.schemes import checkpoints, dataset, engine, pixel_patch, pixel_sampling
from pixverve_lib.schemes.pixel_patch import WrongPatch, finetune, opened

QUICK = {"steps": 2, "batch": 2, "every": 2}
PROMPTS = ["red circle centre, dark tiles", "blue ring top-left, light paper"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    pixels = pixel_patch.Pixels(pipeline())
    return {side: dataset.prepare(*scenes(4, side), pixels, folder / str(side), **TEXT) for side in (64, 128)}


def changed(before, after):
    return {name for name, tensor in before.state_dict().items() if not torch.equal(tensor, after.state_dict()[name])}


def test_a_training_set_keeps_the_pixels_as_they_are(cached):
    rgb, _ = scenes(4, 64)
    batch = cached[64].batch([2, 0])
    assert batch.latents.dtype == torch.uint8 and batch.text.shape == (2, 24, 192)
    assert np.array_equal(batch.latents.permute(0, 2, 3, 1).numpy(), rgb[[2, 0]])


def test_transfer_trains_projections_first_and_last_block_and_head_and_full_trains_all(cached, tmp_path):
    network = pixel_growth.fresh(16)
    tuned = {variant: finetune(tmp_path, network, cached[128], variant, rate=0.01, **QUICK)
             for variant in pixel_patch.VARIANTS}
    new = {variant: changed(network, opened(each.weights)) for variant, each in tuned.items()}
    outside = {name for name in new["transfer"] if not name.startswith(("head.", "trunk.x_embedder", "trunk.proj_out",
               "trunk.norm_out", "trunk.transformer_blocks.0.", "trunk.single_transformer_blocks.3."))}
    assert not outside and {"trunk.x_embedder.weight", "trunk.proj_out.weight"} <= new["transfer"]
    assert any("transformer_blocks.1." in name for name in new["full"] - new["transfer"])
    assert any(name.startswith("head.inner") for name in new["transfer"])
    assert len(tuned["full"].metrics) == 2 and tuned["full"].epochs == 1


def test_what_is_finished_is_found_and_another_patch_has_another_folder(cached, tmp_path, monkeypatch):
    network = pixel_growth.fresh(16)
    first = finetune(tmp_path, network, cached[64], held_out=cached[64], **QUICK)
    other = finetune(tmp_path, pixel_growth.grown(network, 32), cached[64], **QUICK)
    monkeypatch.setattr(pixel_patch, "loss", None)  # nothing is left to train
    again = finetune(tmp_path, network, cached[64], held_out=cached[64], **QUICK)
    assert again.run == first.run != other.run
    assert set(first.validation["level"]) == {0.1, 0.3, 0.5, 0.7, 0.9} and np.isfinite(first.validation["loss"]).all()


def test_patches_of_both_presets_are_the_printed_and_the_released_ones():
    assert pixel_patch.patches("printed", "paper") == {"4K": 64, "8K": 128, "10K": 320}
    assert pixel_patch.patches("released", "paper") == {"4K": 64, "8K": 128, "10K": 160}
    sides = {"4K": 256, "8K": 512, "10K": 640}
    ours = pixel_patch.patches()
    assert {scale: sides[scale] / ours[scale] for scale in sides} == {"4K": 8, "8K": 8, "10K": 8}
    printed = pixel_patch.patches("printed")
    assert printed["10K"] / printed["8K"] == 320 / 128
    with pytest.raises(ValueError, match="'fine' is unknown; use one of: printed, released"):
        pixel_patch.patches("fine")


def test_the_paper_preset_has_the_printed_rate_and_epochs(cached):
    assert pixel_patch.settings("paper", 5).rate == 5e-5
    assert pixel_patch.settings("laptop", 5, rate=1.0).rate == 1.0
    assert pixel_patch._steps("8K", cached[64], "paper", {}) == round(training.PIXEL_EPOCHS_8K * 4)


def test_10k_starts_from_the_weights_of_8k_after_one_of_its_epochs(cached, tmp_path, monkeypatch):
    monkeypatch.setitem(pixel_patch.STEPS, "smoke", {"4K": 1, "8K": 3, "10K": 1})
    monkeypatch.setitem(pixel_patch.PATCHES, "released", {"4K": 16, "8K": 32, "10K": 64})  # halved at 1:16
    seen, carry = [], pixel_growth.grown

    def watched(network, patch):
        seen.append(network)
        return carry(network, patch)
    sets = {"4K": cached[64], "8K": cached[64], "10K": cached[128]}
    tuned = pixel_patch.progressive(tmp_path, pixel_growth.fresh(8), sets, "full", budget="smoke", carry=watched,
                                    rate=0.01, batch=2)
    assert [opened(each.weights).config.patch for each in tuned.values()] == [8, 16, 32]
    fork = dict(checkpoints.load_file(engine.kept(tuned["8K"].run, 1)))
    assert all(torch.equal(tensor, fork[name]) for name, tensor in seen[2].state_dict().items())
    assert "trunk.x_embedder.weight" in changed(opened(tuned["8K"].weights), seen[2])


def test_a_checkpoint_of_another_patch_is_named_with_what_to_do(cached, tmp_path):
    tuned = finetune(tmp_path, pixel_growth.fresh(16), cached[64], keep=(1,), **QUICK)
    kept, larger = engine.kept(tuned.run, 1), pixel_growth.fresh(32)
    with pytest.raises(WrongPatch, match=r"patches of 16 px and is needed with 32: .*grown\(network, 32\)"):
        finetune(tmp_path, larger, cached[64], start=kept, **QUICK)
    with pytest.raises(WrongPatch, match="patches of 16 px and is needed with 80"):
        opened(tuned.weights, patch=80)
    assert opened(tuned.weights, patch=16).config.levels == 1
    with pytest.raises(checkpoints.BadCheckpoint, match="another network"):  # the same patch, another head
        finetune(tmp_path, pixel_growth.fresh(16, levels=2), cached[64], start=kept, **QUICK)


def test_pictures_that_the_patch_does_not_divide_and_unknown_variants_are_refused(cached, tmp_path):
    with pytest.raises(ValueError, match="64 x 64 pixels: .* multiples of 320: the nearest are 320"):
        finetune(tmp_path, pixel_growth.fresh(80), cached[64], **QUICK)
    with pytest.raises(ValueError, match="'lora' is unknown; use one of: transfer, full"):
        finetune(tmp_path, pixel_growth.fresh(16), cached[64], "lora", **QUICK)
    with pytest.raises(ValueError, match="100 x 100 pixels"):
        pixel_sampling.generate(pixel_growth.fresh(16), pipeline(), PROMPTS, tmp_path, 100)
    assert not list(tmp_path.iterdir())


def test_pictures_are_made_once_alike_in_any_batch_and_time_is_split(tmp_path, monkeypatch):
    network, quick = pixel_growth.fresh(16), {"side": 64, "steps": 2}
    frame = pixel_sampling.generate(network, pipeline(), PROMPTS, tmp_path / "one", **quick)
    both = pixel_sampling.generate(network, pipeline(), PROMPTS, tmp_path / "both", batch=2, **quick)
    rgb, other = (np.stack([np.asarray(Image.open(path), np.int16) for path in each.path]) for each in (frame, both))
    assert rgb.shape == (2, 64, 64, 3) and np.abs(rgb - other).max() <= 1 and (rgb[0] != rgb[1]).any()
    parts = frame.seconds_trunk + frame.seconds_head
    assert (parts <= frame.seconds).all() and (frame[["seconds_trunk", "seconds_head"]] > 0).all(axis=None)
    monkeypatch.setattr(nano_pixel, "sample", None)  # nothing is left to draw
    again = pixel_sampling.generate(network, pipeline(), PROMPTS, tmp_path / "one", **quick)
    pd.testing.assert_frame_equal(again, frame)
    assert not network.trunk._forward_hooks and not network.head._forward_pre_hooks

"""nano-klein and its autoencoder: the stock classes, the shipped weights, and what they draw."""

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel

from pixverve_lib.models import nano_klein, nano_vae
from pixverve_lib.scenes import primer, primer_checker

BENCH = primer.bench_prompts()[:16]


@pytest.fixture(scope="module")
def pipeline():
    torch.set_num_threads(1)
    loaded = nano_klein.load()
    loaded.set_progress_bar_config(disable=True)
    return loaded


def to_tensor(pictures):
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def psnr(x, y):
    return -10 * ((x - y.clamp(-1, 1)) / 2).square().mean().log10().item()


def test_the_shipped_pipeline_draws_held_out_prompts_right_at_its_own_scale(pipeline):
    nano_klein.set_shift(pipeline, 64, 64)
    prompts = [prompt.long if number % 2 else prompt.short for number, prompt in enumerate(BENCH)]
    pictures = pipeline(
        prompt=prompts, height=64, width=64, num_inference_steps=nano_klein.STEPS, output_type="np",
        guidance_scale=nano_klein.GUIDANCE, generator=torch.Generator().manual_seed(0), **nano_klein.TEXT,
    ).images
    pictures = (pictures * 255).round().astype(np.uint8)
    specs = [prompt.spec for prompt in BENCH]
    assert primer_checker.scores(pictures, specs)["pos"] >= 0.9
    assert primer_checker.scores(pictures, specs[1:] + specs[:1])["pos"] <= 0.3


def test_the_shipped_autoencoder_keeps_a_held_out_picture_whole_and_in_tiles():
    x = to_tensor(primer.draw_batch([prompt.spec for prompt in BENCH[:2]], 256))
    vae = nano_vae.load()
    with torch.no_grad():
        latent = vae.encode(x).latent_dist.mean
        whole = vae.decode(latent).sample
        vae.enable_tiling()
        vae.tile_sample_min_size, vae.tile_latent_min_size = 32, 16
        tiles = vae.decode(latent).sample
    assert latent.shape == (2, vae.config.latent_channels, 32, 32)
    assert psnr(x, whole) >= 34
    assert tiles.shape == x.shape and (tiles - whole).abs().max() > 0 and psnr(whole, tiles) >= 30


def test_widths_that_do_not_fit_the_unshuffles_are_refused():
    with pytest.raises(ValueError, match="pixel-unshuffles"):
        nano_vae.NanoVAE(block_out_channels=(32, 48, 64, 96))


def test_an_autoencoder_starts_as_the_principal_components_of_its_pictures():
    torch.manual_seed(0)
    vae = nano_vae.NanoVAE(latent_channels=192).eval()
    x = to_tensor(primer.draw_batch([prompt.spec for prompt in BENCH], 64, np.random.default_rng(0)))
    vae.start_from(nano_vae.cells_of(x))
    with torch.no_grad():
        latent = vae.encode(x).latent_dist.mean
        again = vae.decode(latent).sample
    assert psnr(x, again) > 45  # as many components as values: only the mean picture is not exact
    assert torch.allclose(latent.std((0, 2, 3))[:48], torch.ones(48), atol=0.05)


def test_a_stock_pipeline_loads_the_asset_and_derives_the_factor(pipeline):
    assert type(pipeline) is Flux2KleinPipeline and type(pipeline.transformer) is Flux2Transformer2DModel
    assert (type(pipeline.vae), pipeline.vae_scale_factor) == (nano_vae.NanoVAE, 8)  # and 2 x 2 packed: F = 16
    assert {weight.dtype for weight in pipeline.transformer.parameters()} == {torch.float32}


def test_text_features_are_those_of_the_stock_pipeline(pipeline):
    prompts = ["", BENCH[0].short, BENCH[1].long]
    expected, _ = pipeline.encode_prompt(prompt=prompts, **nano_klein.TEXT)
    with torch.no_grad():
        found = nano_klein.text_features(pipeline.text_encoder, *nano_klein.tokenise(pipeline.tokenizer, prompts))
    assert torch.equal(found, expected)


def test_every_prompt_fits_into_the_tokens_and_has_no_unknown_word(pipeline):
    captions = [caption for prompt in primer.bench_prompts() for caption in (prompt.short, prompt.long)]
    ids, mask = nano_klein.tokenise(pipeline.tokenizer, captions)
    assert not (ids == pipeline.tokenizer.unk_token_id).any()
    words = torch.tensor([len(caption.replace(",", " ,").split()) for caption in captions])
    assert torch.equal(mask.sum(1), words + 1)  # and the mark of the start
    unknown, _ = nano_klein.tokenise(pipeline.tokenizer, ["red elephant centre"])
    assert (unknown == pipeline.tokenizer.unk_token_id).sum() == 1


def test_the_asset_is_small():
    size = sum(path.stat().st_size for path in nano_klein.ASSET.rglob("*") if path.is_file())
    assert 1_000_000 < size <= 12_000_000


def test_the_shift_grows_with_the_picture_and_reaches_the_sampler(pipeline):
    assert [nano_klein.shift(side, side) for side in (64, 256, 1024)] == [1, 4, 16]
    assert nano_klein.shift(128, 512) == nano_klein.shift(256, 256)
    nano_klein.set_shift(pipeline, 256, 256)
    pipeline.scheduler.set_timesteps(sigmas=[1.0, 0.5], mu=0.7)
    assert pipeline.scheduler.sigmas.tolist() == pytest.approx([1, 0.8, 0])


@pytest.mark.parametrize("name", [nano_klein.HUB, "a/folder/that/is/not/there"])
def test_real_weights_that_are_not_there_end_in_one_sentence_that_says_how_to_get_them(name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="hf download") as caught:
        nano_klein.load_pipeline(name)
    assert "\n" not in str(caught.value)


def test_the_full_size_has_the_published_number_of_parameters():
    full = nano_klein.build_full(device="meta")
    assert sum(weight.numel() for weight in full.transformer.parameters()) == 3_875_544_576
    assert full.vae_scale_factor == 8 and full.transformer.dtype == torch.bfloat16

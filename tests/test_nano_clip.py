"""nano-clip: the shipped asset on held-out prompts, its features as a distance, and the script that trains it."""
import numpy as np
import pytest
import torch

from pixverve_lib.models import nano_clip
from pixverve_lib.pretraining import clip
from pixverve_lib.scenes import primer

TINY = clip.Preset(steps=3, batch=4, rate=1e-3, decay=0.9)


@pytest.fixture(scope="module")
def model():
    return nano_clip.load()


@pytest.fixture(scope="module")
def prompts():
    return primer.bench_prompts()[:50]


@pytest.fixture(scope="module")
def pictures(prompts):
    return primer.draw_batch([prompt.spec for prompt in prompts], 64, np.random.default_rng(5))


@pytest.mark.parametrize("length", ["long", "short"])
def test_held_out_pictures_and_captions_find_each_other_among_50(model, prompts, pictures, length):
    found = clip.retrieval(model, pictures, [getattr(prompt, length) for prompt in prompts])
    assert min(found) >= 0.9  # chance 0.02


@pytest.mark.parametrize("detail", ["colour", "shape", "place"])
def test_a_caption_wrong_in_one_detail_is_told_from_the_right_one(model, prompts, pictures, detail):
    specs = [prompt.spec for prompt in prompts]
    assert clip.told_apart(model, pictures, specs, detail, np.random.default_rng(6)) >= 0.8  # chance 0.5


def test_the_score_is_higher_for_the_right_text_and_stays_in_its_range(model, prompts, pictures):
    texts = [prompt.long for prompt in prompts]
    right, wrong = model.score(pictures, texts), model.score(pictures, texts[1:] + texts[:1])
    assert right.mean() > wrong.mean() + 20
    assert min(right.min(), wrong.min()) >= 0 and max(right.max(), wrong.max()) <= 100


def test_a_larger_drawing_of_the_same_scene_scores_like_the_small_one(model, prompts):
    texts = [prompt.long for prompt in prompts[:12]]
    small, large = ([primer.draw(p.spec, side, np.random.default_rng(9)) for p in prompts[:12]] for side in (64, 512))
    assert model.score(large, texts).mean() == pytest.approx(model.score(small, texts).mean(), abs=5)


@pytest.mark.parametrize("blur, noise", [((0, 0.7, 1.4, 2.8), (0,) * 4), ((0,) * 4, (0, 8, 16, 32))])
def test_nano_fid_rises_with_every_step_of_blur_and_of_noise(model, blur, noise):
    rng = np.random.default_rng(11)
    specs = [primer.sample(rng, held_out=True) for _ in range(100)]
    pictures, references = (primer.draw_batch(specs, 64, rng) for _ in range(2))
    distances = clip.fids(model, pictures, references, zip(blur, noise, strict=True), rng)
    assert (np.diff(distances) > 0).all() and distances[-1] > 10 * distances[0]


def test_nano_aesthetic_follows_the_classical_score_on_pictures_of_varied_quality(model, pictures):
    rng = np.random.default_rng(12)
    varied = [clip.varied(picture, rng)[0] for picture in pictures]
    assert clip.explained(model, varied) >= 0.8


def test_features_have_unit_length_and_do_not_depend_on_the_company(model, prompts, pictures):
    features = model.image_features(pictures)
    assert features.dtype == np.float32 and np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert np.allclose(features[7:8], model.image_features(pictures[7:8]), atol=1e-5)
    assert np.allclose(np.linalg.norm(model.text_features([prompts[0].long]), axis=1), 1, atol=1e-5)


def test_an_unknown_word_is_named_and_a_long_text_is_not_cut(model):
    with pytest.raises(ValueError, match="zebra"):
        model.text_features(["a red zebra at the centre"])
    with pytest.raises(ValueError, match="at most 24 words"):
        model.text_features(["a " * 30])


def test_case_and_punctuation_do_not_count(model):
    assert torch.equal(model.tokens(["Dark tiles, with a RED circle."]), model.tokens(["dark tiles with a red circle"]))


def test_what_is_no_picture_of_bytes_is_refused(model):
    for wrong in ([np.zeros((64, 64, 3), np.float32)], [np.zeros((64, 64), np.uint8)], []):
        with pytest.raises(ValueError, match="uint8"):
            model.image_features(wrong)


def test_the_asset_is_small_and_in_half_precision():
    assert nano_clip.ASSET.stat().st_size <= 4_000_000
    from safetensors.torch import load_file
    assert {value.dtype for value in load_file(nano_clip.ASSET).values()} <= {torch.float16, torch.int64}


def test_a_near_miss_is_wrong_and_training_sees_no_unseen_combination():
    rng = np.random.default_rng(13)
    for _ in range(200):
        spec = primer.sample(rng)
        other = clip.near_miss(spec, str(rng.choice(clip.DETAILS)), rng)
        assert primer.long_caption(other) != primer.long_caption(spec)
        assert not any(map(primer.unseen, other.things))
        assert len({thing.place for thing in other.things}) == len(spec.things)


def test_twins_have_nothing_to_swap_so_a_colour_changes():
    twins = primer.Spec("tiles", "dark", tuple(primer.Thing("red", "ring", p) for p in ("top-left", "centre")))
    other = clip.near_miss(twins, "swap", np.random.default_rng(14))
    assert sum(thing.colour != "red" for thing in other.things) == 1


def test_a_training_stopped_and_resumed_ends_in_the_same_weights(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    whole = clip.trained(TINY, tmp_path / "whole.pt").state_dict()
    honest = clip.batch
    monkeypatch.setattr("pixverve_lib.pretraining.training.CHECKPOINT_S", 0)

    def killed_at_the_last_step(preset, step):
        if step == 2:
            raise KeyboardInterrupt
        return honest(preset, step)

    monkeypatch.setattr(clip, "batch", killed_at_the_last_step)
    with pytest.raises(KeyboardInterrupt):
        clip.trained(TINY, tmp_path / "half.pt")
    monkeypatch.setattr(clip, "batch", honest)
    resumed = clip.trained(TINY, tmp_path / "half.pt").state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_what_is_written_is_what_is_loaded(tmp_path):
    fresh = nano_clip.NanoClip(clip.CONFIG).eval()
    clip.write(fresh, tmp_path / "fresh.safetensors")
    again = nano_clip.load(tmp_path / "fresh.safetensors")
    texts = ["dark tiles with a red circle at the centre"]
    assert np.allclose(fresh.text_features(texts), again.text_features(texts), atol=1e-2)

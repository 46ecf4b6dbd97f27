"""The partitioned VAE of Diffusion-4K: latents of half the size, a decoder of twice the side, and its tuning."""
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, AutoencoderTiny
from torch.nn.functional import conv2d, interpolate

from pixverve_lib.exhibits import reconstruction as exhibits
from pixverve_lib.imaging import reading
from pixverve_lib.models import nano_vae
from pixverve_lib.models import scale_consistent_vae as scaled
from pixverve_lib.paper import published
from pixverve_lib.pretraining import crops, reconstruction, training
from pixverve_lib.pretraining import scale_consistency as tuning

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2,
         "block_out_channels": (8, 16), "norm_num_groups": 4, "latent_channels": 4, "layers_per_block": 1}
BUILD = {
    "SD3, Flux.1": lambda: AutoencoderKL(**SMALL), "FLUX.2": lambda: AutoencoderKLFlux2(**SMALL),
    "nano": nano_vae.load,
}


@pytest.fixture(params=BUILD)
def vae(request):
    torch.manual_seed(0)
    return BUILD[request.param]().eval()


@pytest.fixture
def x():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.no_grad()
def test_latents_are_those_that_the_f8_form_has_of_every_second_pixel(vae, x):
    of_16 = scaled.partitioned(vae).encode(x).latent_dist.mean
    of_8 = vae.encode(x[..., ::2, ::2]).latent_dist.mean
    assert torch.allclose(of_16, of_8, atol=1e-5)


@torch.no_grad()
def test_the_last_convolution_in_partitions_is_that_of_the_whole_map():
    torch.manual_seed(0)
    convolution, features = torch.nn.Conv2d(5, 3, 3, padding=1), torch.randn(2, 5, 13, 22)
    whole = conv2d(interpolate(features, scale_factor=2), convolution.weight, convolution.bias, padding=1)
    for partition in (4, 7, 64):
        parts = scaled.Partitioned(convolution, partition)(features)
        assert parts.shape == whole.shape and (parts - whole).abs().max() < 1e-6


@torch.no_grad()
def test_a_nano_vae_starts_as_decoding_at_half_the_size_and_enlarging_by_two():
    vae = nano_vae.load()
    latents = torch.randn(2, vae.config.latent_channels, 6, 10, generator=torch.Generator().manual_seed(0))
    expected = interpolate(vae.decode(latents).sample, scale_factor=2)
    assert (scaled.partitioned(vae).decode(latents).sample - expected).abs().max() < 1e-5


@torch.no_grad()
def test_features_of_both_forms_fit_each_other_and_the_teacher_is_untouched(vae, x):
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    student = scaled.partitioned(vae)
    drawn, features = scaled.decode_with_features(student, student.encode(x).latent_dist.mean)
    _, of_teacher = scaled.decode_with_features(vae, vae.encode(x).latent_dist.mean)
    assert drawn.shape == x.shape and scaled.enlarge(features).shape == of_teacher.shape
    assert all(torch.equal(weight, before[name]) for name, weight in vae.state_dict().items())


def test_what_cannot_be_partitioned_is_refused_in_one_line(vae):
    with pytest.raises(ValueError, match="partitioned already"):
        scaled.partitioned(scaled.partitioned(vae))
    with pytest.raises(TypeError, match="AutoencoderTiny"):
        scaled.partitioned(AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4))


TINY = replace(tuning.NANO, steps=4, batch=2, side=32, crops=6, cool_down=2, adversarial=0.05, width=4, layers=1)


@pytest.fixture(scope="module")
def pictures():
    coarse = np.random.default_rng(1).integers(0, 256, (3, 9, 9, 3), dtype=np.uint8)
    return [cv2.resize(each, (64, 64), interpolation=cv2.INTER_NEAREST) for each in coarse]


def small():
    torch.manual_seed(0)
    return AutoencoderKL(**SMALL).eval()


def test_tuning_changes_the_decoder_only_and_latents_stay_bit_for_bit(pictures, tmp_path, x):
    start = scaled.partitioned(small())
    tuned = tuning.tune(small(), pictures, TINY, 0, tmp_path / "a.pt")
    for name, weight in start.encoder.state_dict().items():
        assert torch.equal(weight, tuned.encoder.state_dict()[name])
    assert torch.equal(start.encode(x).latent_dist.mean, tuned.encode(x).latent_dist.mean)
    assert not torch.equal(scaled.last_layer(start).weight, scaled.last_layer(tuned).weight)


def test_a_killed_tuning_ends_as_one_that_was_not_killed(pictures, tmp_path, monkeypatch):
    whole = tuning.tune(small(), pictures, TINY, 0, tmp_path / "whole.pt")
    monkeypatch.setattr(training, "CHECKPOINT_S", 0)
    monkeypatch.setattr(tuning, "loss_of", dies_at(2, tuning.loss_of))
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(small(), pictures, TINY, 0, tmp_path / "killed.pt")
    monkeypatch.undo()
    resumed = tuning.tune(small(), pictures, TINY, 0, tmp_path / "killed.pt")
    assert all(torch.equal(weight, whole.state_dict()[name]) for name, weight in resumed.state_dict().items())


def test_a_checkpoint_is_read_for_the_same_pictures_preset_seed_and_vae_only(pictures, tmp_path, monkeypatch):
    tuning.tune(small(), pictures, TINY, 0, tmp_path / "a.pt")
    seen = []
    monkeypatch.setattr(tuning, "train", lambda model, *rest: seen.append(rest[-1].exists()) or model)
    other = small()
    scaled.last_layer(other).weight.data += 1
    for vae, those, preset, seed in ((small(), pictures, TINY, 0), (small(), pictures[:2], TINY, 0),
                                     (small(), pictures, replace(TINY, rec=2.0), 0), (small(), pictures, TINY, 1),
                                     (other, pictures, TINY, 0)):
        tuning.tune(vae, those, preset, seed, tmp_path / "a.pt")
    assert seen == [True, False, False, False, False]


def dies_at(step, loss_of):
    calls = iter(range(step + 1))

    def loss(*arguments):
        if next(calls) == step:
            raise KeyboardInterrupt
        return loss_of(*arguments)
    return loss


def test_eq_1_is_zero_for_features_that_agree_and_the_square_of_a_shift():
    features = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert tuning.consistency(scaled.enlarge(features), features) == 0
    assert tuning.consistency(scaled.enlarge(features) + 0.5, features).item() == pytest.approx(0.25, rel=1e-5)


def test_the_adaptive_weight_is_the_ratio_of_the_gradient_norms_at_the_last_layer():
    weight, direction = torch.ones(3, requires_grad=True), torch.tensor([2.0, -1.0, 2.0])
    anchor, fooled = (direction * weight).sum() * 5, (weight**2).sum()  # gradients 5 * 3 and 2 sqrt 3
    found = tuning.adaptive_weight(anchor, fooled, weight)
    assert found.item() == pytest.approx(15 / (2 * 3**0.5)) and not found.requires_grad
    assert tuning.adaptive_weight(anchor, fooled * 0, weight) == tuning.LARGEST


def test_eq_2_moves_the_picture_or_the_discriminator_but_never_both():
    torch.manual_seed(0)
    judge, x = scaled.discriminator(4, 1), torch.randn(2, 3, 16, 16)
    drawn = torch.randn(2, 3, 16, 16, requires_grad=True)
    fooled, judged = tuning.adversarial(judge, x, drawn)
    fooled.backward(retain_graph=True)
    assert drawn.grad.abs().sum() > 0 and all(weight.grad is None for weight in judge.parameters())
    before = drawn.grad.clone()
    judged.backward()
    assert torch.equal(drawn.grad, before) and all(weight.grad is not None for weight in judge.parameters())
    sure = torch.sigmoid(judge(x)).log().mean() + (1 - torch.sigmoid(judge(drawn))).log().mean()
    assert judged.item() == pytest.approx(-sure.item(), rel=1e-5)


@pytest.mark.parametrize("is_perceptual", [True, False])
def test_eq_4_adds_its_terms_with_the_printed_weights(pictures, is_perceptual):
    student, near = scaled.partitioned(small()), (lambda a, b: (a - b).abs().mean((1, 2, 3))) if is_perceptual else None
    model = torch.nn.ModuleDict({"decoder": student.decoder, "judge": scaled.discriminator(4, 1)})
    batch = tuning._prepared(small(), student, [rgb[:32, :32] for rgb in pictures])
    found = tuning.loss_of(student, model, batch, tuning.DIFFUSION_4K, near)
    with torch.autocast("cpu", torch.bfloat16):
        drawn, features = (each.float() for each in scaled.decode_with_features(student, batch.latents))
    rec, same = (drawn - batch.x).square().mean(), tuning.consistency(batch.features, features)
    like = near(drawn / 2 + 0.5, batch.x / 2 + 0.5).mean() if is_perceptual else rec
    fooled, judged = tuning.adversarial(model["judge"], batch.x, drawn)
    ratio = tuning.adaptive_weight(like, fooled, scaled.last_layer(student).weight)
    expected = rec + 1.0 * same + 0.1 * like * is_perceptual + 0.05 * ratio * fooled + judged  # Diffusion-4K Sec. 6.1
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_every_kept_crop_is_trained_on_once_before_any_comes_again():
    preset = replace(TINY, batch=3, crops=6)
    for passed in (0, 1):
        order = torch.cat([tuning._order(2 * passed + step, preset, 0) for step in (0, 1)])
        assert sorted(order.tolist()) == list(range(6))


def test_the_flattest_half_of_the_pictures_is_dropped(pictures):
    flat = [np.full((64, 64, 3), level, np.uint8) for level in (10, 100, 200)]
    mixed = [flat[0], pictures[0], flat[1], pictures[1], pictures[2], flat[2]]
    assert [id(each) for each in crops.least_flat(mixed, 0.5)] == [id(each) for each in pictures]


def test_pictures_that_cannot_be_used_are_counted_and_named_in_one_line(pictures, tmp_path):
    reading.write_jpeg(tmp_path / "wide.jpg", np.concatenate(pictures[:2], 1))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    reading.write_jpeg(tmp_path / "tiny.jpg", pictures[0][:20])
    with pytest.raises(crops.BadPictures, match="2 of 3 pictures.*broken.jpg.*tiny.jpg .20 x 64 px") as bad:
        tuning.tune(small(), sorted(tmp_path.iterdir()), TINY, 0, tmp_path / "a.pt")
    assert "\n" not in str(bad.value)
    with pytest.raises(crops.BadPictures, match="no picture to train on"):
        crops.refuse_unusable([], 32)


def test_a_crop_of_a_picture_of_any_shape_is_a_square_of_what_was_there(pictures):
    wide, rng = np.concatenate(pictures[:2], 1), np.random.default_rng(0)
    assert {crops.cut(rgb, side, rng).shape for rgb in (wide, wide.transpose(1, 0, 2)) for side in (32, 64)} == {
        (32, 32, 3), (64, 64, 3)}
    assert np.array_equal(crops.cut(pictures[0], 64, rng), pictures[0])


def test_perfect_pictures_score_perfectly_and_tables_hold_printed_and_measured_rows(pictures):
    class Copy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def encode(self, x):
            return type("Encoded", (), {"latent_dist": type("Posterior", (), {"mean": x * self.scale})})

        def decode(self, z):
            return type("Decoded", (), {"sample": z})

    found = reconstruction.measure({("F16", 0): Copy()}, {64: pictures})
    assert found.loc[0, ["nano-rFID", "NMSE", "rNMSE"]].tolist() == pytest.approx([0] * 3, abs=1e-4)
    assert found.SSIM[0] == 1 and found.PSNR[0] == np.inf
    table = exhibits.table(found, published.table("diffusion4k_tab_8"), 64, 2048)
    assert table.PSNR[table.model == "Flux-VAE-F16-SC"].tolist() == ["32.01"] and table.SSIM.iloc[-1] == "1"
    marked = exhibits.table(found, published.table("ultraflux_tab_2"), 64, 4096)
    assert marked.rFID[2] == "0.547 (bold)"


@pytest.mark.parametrize("sc, verdict", [((32, 33), "helps"), ((30.4, 30.8), "within the spread"),
                                         ((20, 21), "hurts")])
def test_a_gain_counts_only_beyond_the_spread_of_the_seeds(sc, verdict):
    rows = [("F16-FT", 0, 30.0), ("F16-FT", 1, 31.0), ("F16-SC", 0, sc[0]), ("F16-SC", 1, sc[1])]
    frame = pd.DataFrame(rows, columns=["model", "seed", "PSNR"]).assign(side=128).reindex(
        columns=["model", "seed", "side", *exhibits.SCORES])
    found = exhibits.gain(frame)
    assert found.score.tolist() == ["PSNR"] and found.verdict.tolist() == [verdict]


def test_figures_are_drawn_from_a_forward_pass_and_from_pictures(pictures):
    shapes = reconstruction.shapes(small(), 64)
    by_stage = shapes.set_index(["path", "stage"])
    assert by_stage.loc[("F = 16", "up-sampled"), "height"] == by_stage.loc[("F = 8", "features"), "height"]
    assert by_stage.loc[("F = 16", "latents"), "height"] * 2 == by_stage.loc[("F = 8", "latents"), "height"]
    assert len(exhibits.fig_3(shapes).axes) == 1
    boxes = [reconstruction.busiest(rgb, 16) for rgb in pictures[:2]]
    assert len(exhibits.close_ups({"originals": pictures[:2]}, boxes).axes) == 4

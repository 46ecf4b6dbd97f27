"""The scripts that train the shipped assets: exact resume, whole files, and the same mathematics as the sampler's."""

from dataclasses import replace

import pytest
import torch

from pixverve_lib.models import nano_klein, nano_vae
from pixverve_lib.pretraining import klein, training, vae
from pixverve_lib.scenes import primer

TINY = replace(klein.NANO, steps=3, cool_down=2, pictures={64: 6, 96: 4}, batches={64: 3, 96: 2},
               shares={64: 0.5, 96: 0.5})

pytestmark = pytest.mark.usefixtures("one_thread")


class Killed(Exception):
    """Stands for kill -9: nothing runs after it."""


def test_a_training_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path, monkeypatch):
    whole = nano_klein.build(primer.VOCABULARY, 0)
    klein.learn(whole, TINY, tmp_path / "whole")

    monkeypatch.setattr(training, "CHECKPOINT_S", 0)
    monkeypatch.setattr(klein, "loss_of", dies_at(2, klein.loss_of))
    with pytest.raises(Killed):
        klein.learn(nano_klein.build(primer.VOCABULARY, 0), TINY, tmp_path / "killed")
    monkeypatch.undo()
    resumed = nano_klein.build(primer.VOCABULARY, 0)
    torch.nn.init.ones_(resumed.transformer.proj_out.weight)  # all must come from the checkpoint
    klein.learn(resumed, TINY, tmp_path / "killed")

    for name, weight in klein.trainable(whole).state_dict().items():
        assert torch.equal(weight, klein.trainable(resumed).state_dict()[name]), name


def dies_at(step, loss_of):
    calls = iter(range(step + 1))

    def loss(*arguments):
        if next(calls) == step:
            raise Killed
        return loss_of(*arguments)
    return loss


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    with pytest.raises(FloatingPointError, match="step 0"):
        training.train(model, [optimizer], lambda step: model.weight.sum() * torch.nan, 3, 3, 0.9, tmp_path / "a.pt")
    assert not (tmp_path / "a.pt").exists()


def test_the_steps_before_the_cool_down_do_not_depend_on_how_many_steps_there_are(tmp_path):
    def weight_before(cool_down_of, steps):
        model, seen = torch.nn.Linear(1, 1), []
        torch.nn.init.ones_(model.weight)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def loss_at(step):
            seen.append(model.weight.item())
            return model.weight.sum()
        training.train(model, [optimizer], loss_at, steps, cool_down_of, 0.9, tmp_path / f"{steps}.pt")
        return seen[:4]
    assert weight_before(3, 7) == weight_before(3, 9)


def test_a_model_is_saved_whole_in_half_precision_over_the_old_one(tmp_path):
    folder = tmp_path / "vae"
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = nano_vae.NanoVAE()
        training.save_half(model, folder)
    again = nano_vae.NanoVAE.from_pretrained(folder, dtype=torch.float32)
    first, last = (next(part.parameters()) for part in (model, again))
    assert [path.name for path in tmp_path.iterdir()] == ["vae"]
    assert torch.equal(first.half().float(), last) and first.dtype == torch.float32


def test_the_pipeline_decodes_the_latents_that_training_sees_to_the_picture():
    pictures = primer.draw_batch([prompt.spec for prompt in primer.bench_prompts()[:2]], 64)
    pipeline = nano_klein.load()
    with torch.no_grad():
        tokens = klein.latents_of(pipeline.vae, pictures)
        pipeline.transformer.forward = lambda hidden_states, **_: (torch.zeros_like(hidden_states),)
        pipeline.set_progress_bar_config(disable=True)
        shown = pipeline(prompt_embeds=torch.zeros(2, nano_klein.TOKENS, 192), height=64, width=64, output_type="pt",
                         guidance_scale=1, num_inference_steps=1,
                         latents=tokens.transpose(1, 2).unflatten(2, (4, 4))).images
    x = vae.to_tensor(pictures) / 2 + 0.5
    assert -10 * (shown - x).square().mean().log10() > 26
    assert 0.7 < tokens.std() < 1.5  # the normalisation is of all sizes; small pictures vary more


def test_a_transformer_that_knows_the_velocity_is_sampled_to_the_picture_by_the_stock_pipeline():
    pipeline = nano_klein.build(primer.VOCABULARY, 0)
    parts = klein.trainable(pipeline)
    x, e = torch.randn(2, 1, 16, 48)
    ids = nano_klein.tokenise(pipeline.tokenizer, ["red circle centre, dark tiles"])[0]
    asked = []

    def velocity(hidden_states, timestep, **_):
        asked.append((hidden_states.float(), timestep))
        return (e - x,)
    pipeline.transformer.forward = velocity
    assert klein.loss_of(parts, x, ids, 64, 0, fixed_noise(e)) == 0
    (x_t, t), = asked
    assert torch.allclose(x_t, (1 - t) * x + t * e, atol=1e-6)


def fixed_noise(e):
    """A generator with which the second draw is `e`: the first is the noise level."""
    noise = training.generator(0)
    torch.randn(1, generator=noise)
    e.copy_(torch.randn(e.shape, generator=noise))
    return training.generator(0)


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:len(whole) // 2], lambda whole: b"text"])
def test_a_damaged_checkpoint_is_named_with_what_to_do(damage, tmp_path):
    checkpoint = tmp_path / "a.pt"
    learn_one_step(torch.nn.Linear(1, 1), checkpoint)
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(training.BadCheckpoint, match=r"a\.pt is damaged or of another network: delete it"):
        learn_one_step(torch.nn.Linear(1, 1), checkpoint)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    learn_one_step(torch.nn.Linear(1, 1), tmp_path / "a.pt")
    with pytest.raises(training.BadCheckpoint, match="of another network"):
        learn_one_step(torch.nn.Linear(2, 1), tmp_path / "a.pt")


def learn_one_step(model, checkpoint):
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    training.train(model, [optimizer], lambda step: model.weight.square().sum(), 1, 1, 0.9, checkpoint)

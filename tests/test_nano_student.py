"""The guidance-distilled student: what it starts from, how it is told a scale, and what the shipped one answers."""
import copy

import pytest
import torch
from tiny_pipeline import pipeline, sampled

from pixverve_lib.models import nano_klein, nano_student, window_attention
from pixverve_lib.pretraining import student as pretraining
from pixverve_lib.scenes import primer, primer_checker
from pixverve_lib.schemes import checkpoints, flow

BENCH = primer.bench_prompts()[:8]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def teacher():
    return nano_klein.load()


@pytest.fixture
def student():
    """Not distilled; but what embeds the scale has an effect."""
    made = nano_student.build(pipeline().transformer)
    torch.nn.init.normal_(made.time_guidance_embed.guidance_embedder.linear_2.weight, generator=noise(5))
    return made


def noise(seed):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def predicted(network, guidance=None, tokens=2):
    config = network.config
    x = torch.randn(2, config.in_channels, tokens, tokens + 1, generator=noise(1))
    text = torch.randn(2, 5, config.joint_attention_dim, generator=noise(2))
    return flow.predict(network, x, torch.tensor([0.3, 0.8]), text, guidance=guidance)


def test_a_fresh_student_is_its_teacher_whatever_it_is_told():
    fresh, expected = nano_student.build(pipeline().transformer), predicted(pipeline().transformer)
    assert all(torch.equal(predicted(fresh, scale), expected) for scale in (None, 1.0, 4.5))


def test_a_teacher_with_a_retrofit_or_a_guidance_embedding_is_refused(student):
    teacher = copy.deepcopy(pipeline().transformer)
    window_attention.install(teacher, [(2, 2)])
    for unfit in (teacher, student):
        with pytest.raises(ValueError, match="without a guidance embedding and without retrofits"):
            nano_student.build(unfit)


def test_what_is_told_reaches_the_calls_that_have_no_guidance_and_no_others(student):
    untold, three, five = predicted(student), predicted(student, 3.0), predicted(student, 5.0)
    before = checkpoints.fingerprint(student)
    nano_student.tell(student, 5.0)
    nano_student.tell(student, 3.0)
    assert nano_student.told(student) == 3 and checkpoints.fingerprint(student) != before
    assert torch.equal(predicted(student), three) and not torch.equal(three, untold)
    assert torch.equal(predicted(student, 5.0), five)
    twin = copy.deepcopy(student)
    nano_student.silence(student)
    assert nano_student.told(student) is None and torch.equal(predicted(student), untold)
    assert checkpoints.fingerprint(student) == before and torch.equal(predicted(twin), three)


def test_the_stock_pipeline_passes_on_what_its_network_is_told(student):
    made = copy.copy(pipeline())
    made.register_modules(transformer=student)
    nano_student.tell(student, 4.0)
    calls = []
    student.register_forward_pre_hook(lambda module, args, kwargs: calls.append(kwargs["guidance"]), with_kwargs=True)
    sampled(made)
    assert {tuple(call.tolist()) for call in calls} == {(4.0,)}


def test_a_network_without_a_guidance_embedding_cannot_be_told_anything():
    with pytest.raises(ValueError, match=r"nano_student.load\(\)"):
        nano_student.tell(pipeline().transformer, 3.0)


def test_guidance_goes_from_the_empty_prompt_through_the_caption_and_beyond():
    caption, empty = torch.tensor([2.0]), torch.tensor([1.0])
    assert [nano_student.guided(caption, empty, g).item() for g in (0, 1, 3)] == [1, 2, 4]  # URAE Eq. 7


def test_the_target_of_distillation_is_the_sampler_s_combination_of_two_calls():
    network, x, t = pipeline().transformer, torch.randn(2, 4, 48, generator=noise(1)), torch.tensor([0.4, 0.7])
    text, empty = (torch.randn(number, 5, 192, generator=noise(number)) for number in (2, 1))
    found = pretraining.target(network, x, t, text, empty, torch.tensor([1.0, 3.0]))
    with torch.no_grad():
        aware, free = (pretraining.velocity(network, x, t, each) for each in (text, empty.expand_as(text)))
    assert torch.allclose(found[0], aware[0], atol=1e-5)
    assert torch.allclose(found[1], free[1] + 3 * (aware[1] - free[1]), atol=1e-5)


@pytest.mark.parametrize("scale", pretraining.SCALES)
def test_the_shipped_student_answers_in_one_call_what_its_teacher_does_in_two(teacher, scale):
    error, tolerance = pretraining.EXPECTED[f"error of the student at guidance {scale:g}"]
    found = pretraining.error(teacher, nano_student.load().transformer, scale, 64, 8)
    assert found == pytest.approx(error, abs=tolerance)


def test_the_shipped_student_told_three_draws_held_out_prompts_right():
    made = nano_student.load()
    nano_student.tell(made.transformer, nano_klein.GUIDANCE)
    pictures, specs = pretraining.draw(made, [prompt.short for prompt in BENCH], 1.0), [p.spec for p in BENCH]
    assert primer_checker.scores(pictures, specs)["pos"] >= 0.9
    assert primer_checker.scores(pictures, specs[1:] + specs[:1])["pos"] <= 0.4


def test_the_asset_is_small_and_holds_the_transformer_only():
    files = [path for path in nano_student.ASSET.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"config.json", "diffusion_pytorch_model.safetensors"}
    assert sum(path.stat().st_size for path in files) <= 4_500_000

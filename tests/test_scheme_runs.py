"""What notebooks 05 to 07 stand on: the base of a budget, its training sets, what they cost, and the scores."""
import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixverve_lib.bench import bootstrap, detail, nano_scores
from pixverve_lib.exhibits import scheme1
from pixverve_lib.models import nano_klein
from pixverve_lib.paper import training
from pixverve_lib.scenes import primer
from pixverve_lib.schemes import bases, costs, dataset, full_attention, sampling, training_sets


@pytest.fixture(scope="module")
def base():
    return bases.load("smoke")


def test_the_base_of_a_laptop_is_a_sixteenth_of_the_paper_s_in_every_length(base):
    assert base.sides == {"1K": 64, "4K": 256, "8K": 512, "10K": 640}
    for scale, side in bases.SIDES.items():
        assert base.shift(base.sides[scale], base.sides[scale]) == bases.static_shift(side, side)


def test_without_a_gpu_its_budgets_say_which_one_works(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RuntimeError, match="needs a GPU.*use budget laptop"):
        bases.load("gpu")


def test_absent_weights_mean_random_ones_at_gpu_with_a_label_and_an_error_at_paper(monkeypatch):
    class OnTheMetaDevice:
        def to(self, device):
            return device

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(nano_klein, "build_full", OnTheMetaDevice)
    made = bases.load("gpu", "nobody/nothing")
    assert made.pipeline == "cuda" and "RANDOM weights" in made.label and made.sides["10K"] == training.SIDES["10K"]
    with pytest.raises(FileNotFoundError, match="hf download"):
        bases.load("paper", "nobody/nothing")


def test_scenes_to_train_on_are_those_of_the_seed_and_the_held_out_ones_are_others(base, tmp_path):
    one, again, held_out, other = (
        training_sets.load(base, "1K", "", 4, tmp_path / str(n), seed, held)
        for n, (seed, held) in enumerate([(0, False), (0, False), (0, True), (1, False)]))
    assert one.digest == again.digest and len({one.digest, held_out.digest, other.digest}) == 3


def test_every_tenth_picture_of_a_folder_is_held_out_and_captions_lie_beside_them(base, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for n in range(20):
        Image.effect_noise((64, 80), 50 + n).convert("RGB").save(images / f"{n:02d}.png")
        (images / f"{n:02d}.txt").write_text("red circle centre, dark tiles")
    train = training_sets.load(base, "1K", images, 0, tmp_path / "cache")
    held_out = training_sets.load(base, "1K", images, 0, tmp_path / "cache", held_out=True)
    assert (len(train), len(held_out)) == (18, 2)
    (images / "03.txt").unlink()
    with pytest.raises(dataset.BadTrainingSet, match="without a caption.*: 03.png"):
        training_sets.load(base, "1K", images, 0, tmp_path / "cache")


def test_the_paper_s_model_trains_in_full_on_no_card_of_96_gb_and_a_lora_at_4k_does():
    plans = costs.memory(bases.paper_size(), {scale: training.SIDES[scale] for scale in ("4K", "10K")})
    fits = plans.set_index(["what", "scale"]).fits
    assert fits["training, lora", "4K"] and not fits["training, full", "4K"] and not fits["training, lora", "10K"]
    purposes = plans[[*scheme1.PURPOSES, "weights in bfloat16"]]
    assert purposes.sum(axis=1).to_numpy() == pytest.approx(plans.total.to_numpy())
    assert scheme1.memory(plans).axes


def test_a_latency_is_the_median_of_a_scale_and_a_training_costs_what_its_steps_took(base, tmp_path):
    drawn = {"1K": sampling.generate(base.pipeline, ["red circle centre, dark tiles"], tmp_path, 64, 64, steps=1,
                                     **base.text)}
    row = costs.latency(drawn, base.sides, times=20).iloc[0]
    assert (row.scale, row.side, row.tokens) == ("1K", 64, 16)
    assert row.seconds == pytest.approx(20 * drawn["1K"].seconds[0])
    tuned = full_attention.Tuned(None, None, None, None, 0.5, 0.25)
    assert costs.training({"lora": {"4K": tuned}}).iloc[0].tolist() == ["lora", "4K", 0.5, 0.25]


def test_the_published_rows_of_scheme_one_are_those_of_the_tables():
    latency, cost = costs.published_latency().set_index("scale"), costs.published_training()
    assert latency.seconds.to_dict() == {"4K": 103, "8K": 1252, "10K": 2977}  # Tab. A2
    assert cost.set_index(["method", "scale"]).device_hours["lora", "10K"] == 28416  # Tab. A1
    assert cost.device_hours.sum() == 82_176


def test_drawn_scenes_score_high_and_those_of_other_prompts_low(tmp_path):
    prompts = list(primer.bench_prompts()[:12])
    paths = []
    for n, prompt in enumerate(prompts):
        paths.append(tmp_path / f"{n}.png")
        Image.fromarray(primer.draw(prompt.spec, 128, np.random.default_rng(100 + n))).save(paths[-1])
    scores, luck = nano_scores.measure(paths, prompts).set_index("score"), nano_scores.chance(paths, prompts)
    assert scores.value["pos"] == 1 and scores.value["shape"] > 0.9 and luck["pos"] < 0.3
    wrong = nano_scores.measure(paths, prompts[1:] + prompts[:1]).set_index("score")
    assert wrong.value["pos"] == luck["pos"]
    assert wrong.value["nano-CLIPScore"] < scores.value["nano-CLIPScore"] - 5
    assert (scores.low <= scores.value).all() and (scores.pictures == 12).all()
    shown = scheme1.scores(scores.reset_index().assign(scale="1K", method="base"))
    assert shown.loc[0, "pos"] == "1.00 [1.00, 1.00]"


def test_blurred_pictures_have_less_detail_and_drawn_scenes_as_much_as_scenes(tmp_path):
    prompts, paths = list(primer.bench_prompts()[:6]), {"sharp": [], "blurred": []}
    for n, prompt in enumerate(prompts):
        picture = Image.fromarray(primer.draw(prompt.spec, 128, np.random.default_rng(100 + n)))
        for name, changed in (("sharp", picture), ("blurred", picture.filter(ImageFilter.GaussianBlur(2)))):
            paths[name].append(tmp_path / f"{name}-{n}.png")
            changed.save(paths[name][-1])
    sharp, blurred = (detail.measure(paths[name], prompts).set_index("score").value for name in paths)
    scenes = detail.of_scenes(prompts, 128).set_index("score").value
    assert blurred["GLCM Score"] < sharp["GLCM Score"]
    assert sharp["GLCM Score"] == pytest.approx(scenes["GLCM Score"], 0.05)
    assert blurred["high frequencies"] < sharp["high frequencies"] / 2
    assert scenes["nano-FID_patch"] < blurred["nano-FID_patch"] / 2


def test_patches_are_whole_and_in_reading_order():
    rgb = np.zeros((2 * detail.PATCH + 5, 3 * detail.PATCH, 3), np.uint8)
    rgb[detail.PATCH:, detail.PATCH:] = 7
    assert [patch.max() for patch in detail.patches(rgb)] == [0, 0, 0, 0, 7, 7]


def test_a_bootstrap_s_interval_holds_the_value_and_is_nothing_for_equal_pictures():
    values = np.random.default_rng(0).normal(size=50)
    row = bootstrap.over_pictures(lambda rows: {"mean": values[rows].mean()}, 50).iloc[0]
    assert row.low < row.value < row.high and row.high - row.low == pytest.approx(2 * 1.645 / 50**0.5, rel=0.3)
    same = bootstrap.over_pictures(lambda rows: {"mean": np.ones(50)[rows].mean()}, 50).iloc[0]
    assert same.low == same.value == same.high == 1


def test_stray_counts_what_nobody_asked_for(tmp_path):
    prompts = [prompt for prompt in primer.bench_prompts() if len(prompt.spec.things) > 1][:4]
    right = [primer.draw(prompt.spec, 128) for prompt in prompts]
    free = [[place for place in primer.PLACES if place not in {thing.place for thing in prompt.spec.things}]
            for prompt in prompts]
    wrong = [primer.draw(primer.Spec("paper", "dark", tuple(primer.Thing("red", "circle", place) for place in places)),
                         128) for places in free]
    for pictures, asked, stray in ((right, 1, 0), (wrong, 0, 1)):
        paths = [tmp_path / f"{stray}-{n}.png" for n in range(len(pictures))]
        for path, rgb in zip(paths, pictures, strict=True):
            Image.fromarray(rgb).save(path)
        assert nano_scores.on_prompts(paths, prompts) == {"pos": asked, "shape": asked, "stray": stray}

"""Metrics and protocols of the related papers: who can run here, what is lacking, poor captions, a measuring judge."""
import json

import cv2
import numpy as np
import open_clip
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

from pixverve_lib.bench import caption_quality, measured_judge, preference_judging, related_metrics
from pixverve_lib.exhibits import texture_metrics
from pixverve_lib.imaging import reading
from pixverve_lib.models import nano_clip
from pixverve_lib.models.aesthetics import WeightsMissing
from pixverve_lib.models.annotation import Failed
from pixverve_lib.scenes import primer

SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
TINY = {"embed_dim": 16, "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1}}


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    """A machine without weights and, as tests are, without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv(related_metrics.ARTIMUSE, raising=False)
    monkeypatch.setattr(related_metrics, "_cached", lambda *_: None)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "a.jpg"
    reading.write_jpeg(path, np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8))
    return path


def test_without_weights_the_register_says_in_one_line_each_what_to_get(nothing_here):
    table = related_metrics.register().set_index("metric")
    assert set(table.index[table.runs_here]) == {"PIQE", "Entropy"}
    assert not table.needs.str.contains("\n").any() and not table.needs.str.contains("/root|/home").any()
    for name in table.index[~table.runs_here]:
        with pytest.raises(WeightsMissing, match=f"^{name}.*(get:|apart)"):
            related_metrics.load(name)
    with pytest.raises(ValueError, match="take one of: LPIPS"):
        related_metrics.load("HPSv9")


def test_a_damaged_weight_file_is_missing_too_and_code_in_it_never_runs(nothing_here, tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()
    for file in related_metrics.METRICS["MUSIQ"].torch:
        path = tmp_path / "hub" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"weight": Evil()}, path)
    with pytest.raises(WeightsMissing, match="^MUSIQ cannot be loaded: [^\n]*$"):
        related_metrics.load("MUSIQ")
    assert not (tmp_path / "ran").exists()


def test_metrics_without_weights_run_on_a_path(picture):
    assert 0 <= related_metrics.load("PIQE")(picture) <= 100
    assert 7 < related_metrics.load("Entropy")(picture) <= 8


def test_pickscore_is_the_scaled_cosine_of_transformers_clip(picture, tmp_path):
    words = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "red": 2, "ring": 3}, unk_token="red"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    torch.manual_seed(0)
    text = SIZE | {"vocab_size": 4, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=SIZE | {"image_size": 32, "patch_size": 8},
                                 projection_dim=16)).eval()
    model.save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", pad_token="</s>").save_pretrained(tmp_path)
    prepare = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    prepare.save_pretrained(tmp_path)
    found = related_metrics.pickscore(str(tmp_path))(picture, "red ring " * 9)
    pixels = prepare(images=reading.read_rgb(picture), return_tensors="pt").pixel_values
    expected = model(input_ids=torch.tensor([[0, 2, 3, 2, 3, 2, 3, 1]]), pixel_values=pixels).logits_per_image.item()
    assert found == pytest.approx(expected, abs=0.2)  # the processor rounds to bytes after resizing


def test_hps_is_a_hundred_times_the_cosine_of_open_clip(picture, tmp_path):
    (tmp_path / "tiny-hps-for-tests.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "tiny-hps-for-tests.json")
    model = open_clip.create_model("tiny-hps-for-tests").eval()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "hps.pt")
    score = related_metrics.hps(tmp_path / "hps.pt", "tiny-hps-for-tests")
    assert -100 <= score(picture, "a red ring") <= 100
    assert score(picture, "a red ring") == score(picture, "a red ring") != score(picture, "a blue cat")


def test_poor_captions_lose_and_exchange_words_but_stay_within_what_the_nano_models_know():
    prompts = primer.bench_prompts()
    poor = caption_quality.poor(prompts)
    assert [one.spec for one in poor] == [one.spec for one in prompts] and caption_quality.poor(prompts) == poor
    nano_clip.load().tokens([one.short for one in poor + caption_quality.full(prompts)])  # raises at an unknown word
    kept = sum(len(one.short.split()) for one in poor) / sum(len(one.short.split()) for one in prompts)
    assert kept == pytest.approx(1 - caption_quality.MISSING, abs=0.05) and all(one.short.strip() for one in poor)
    assert [one.short for one in caption_quality.poor(prompts, missing=0, wrong=0)] == [one.short for one in prompts]
    assert all(one.short for one in caption_quality.poor(prompts[:5], missing=1))


def test_pictures_of_full_captions_agree_more_with_the_truth_than_those_of_poor_ones(tmp_path):
    prompts, paths = primer.bench_prompts()[:8], []
    for number, prompt in enumerate(prompts):
        paths.append(tmp_path / f"{number}.jpg")
        reading.write_jpeg(paths[-1], primer.draw(prompt.spec, 64))
    frame = caption_quality.measure({"full": (paths, caption_quality.full(prompts)),
                                     "poor": (paths[1:] + paths[:1], caption_quality.poor(prompts))})
    table = frame.pivot(index="score", columns="captions", values="value")
    assert (table.full > table.poor)[["pos", caption_quality.OWN, caption_quality.TRUE]].all()
    shown = texture_metrics.table_10(frame, "nano")
    assert shown.gain.iloc[0] == "+3.75" and len(shown) == 4 + 5


def test_the_measured_judge_prefers_the_sharper_picture_the_one_that_fits_the_text_and_no_place():
    prompt, other = primer.bench_prompts()[:2]
    right, wrong = primer.draw(prompt.spec, 96), primer.draw(other.spec, 96)
    soft = cv2.GaussianBlur(right, (0, 0), 2)
    assert measured_judge.judge("Fine Details", prompt.short, soft, right) == "second"
    assert measured_judge.judge("Prompt Adherence", prompt.short, right, wrong) == "first"
    assert measured_judge.judge("Visual Aesthetics", prompt.short, right, right) == "tie"
    assert isinstance(measured_judge.judge("Prompt Alignment", "a cat", right, wrong), Failed)
    questions = {question for each in preference_judging.QUESTIONS.values() for question in each}
    assert questions == set(measured_judge.MEASURED)
    pairs = [preference_judging.Pair("1", prompt.short, "a", "b", right, soft)]
    rates = preference_judging.win_rates(preference_judging.asked_twice(measured_judge.judge, pairs, ["Fine Details"]))
    assert rates.win.tolist() == [1.0]
    assert len(texture_metrics.preferences(rates, measured_judge.NAME).axes) == 1

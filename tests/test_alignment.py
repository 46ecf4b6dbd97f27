"""CLIPScore against torchmetrics on one tiny model, FG-CLIP2 by a fake of its interface, and who stands in for whom."""
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast, Siglip2ImageProcessor

from pixverve_lib.bench import backends
from pixverve_lib.models import clip_score, fg_clip2
from pixverve_lib.models.aesthetics import WeightsMissing

WORDS = ["<start>", "<end>", "a", "red", "blue", "circle", "square", "at", "the", "centre"]
LENGTH = 12  # tokens that the tiny model reads
TEXT = "a red circle at the centre"
FAKE = """
import torch
from pathlib import Path
from transformers import PretrainedConfig, PreTrainedModel

(Path(__file__).parent / "ran").touch()

class FakeConfig(PretrainedConfig):
    model_type = "fake_fg_clip2"

class FakeModel(PreTrainedModel):
    config_class = FakeConfig
    def __init__(self, config):
        super().__init__(config)
        self.vision, self.text = torch.nn.Linear(768, 8), torch.nn.Embedding(10, 8)
        self.post_init()
    def get_image_features(self, pixel_values, pixel_attention_mask, spatial_shapes):
        assert pixel_values.shape[1] == 256 and spatial_shapes.prod() == pixel_attention_mask.sum()
        return self.vision((pixel_values * pixel_attention_mask[..., None]).mean(1))
    def get_text_features(self, input_ids, attention_mask, walk_type):
        assert walk_type == "long" and input_ids.shape == (1, 196)
        return (self.text(input_ids) * attention_mask[..., None]).mean(1)
"""


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return noise.repeat(50, 0).repeat(40, 1)  # 300 x 360


@pytest.fixture(scope="module")
def tokenizer():
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="a"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="<start> $A <end>", special_tokens=[("<start>", 0),
                                                                                                   ("<end>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<start>", eos_token="<end>", pad_token="<end>")


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A random CLIP of the real classes, saved as one is published."""
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=size | {"vocab_size": len(WORDS), "max_position_embeddings": LENGTH, "bos_token_id": 0,
                            "eos_token_id": 1, "pad_token_id": 1},
        vision_config=size | {"image_size": 32, "patch_size": 8}, projection_dim=16)
    path = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def clip(folder):
    return clip_score.load(folder, offline=True)


class Plain:
    """torchmetrics 1.9 wants bare features from a CLIP; transformers 5 wraps them."""

    def __init__(self, model):
        self.model, self.config = model, model.config

    def to(self, _):
        return self

    def get_image_features(self, pixels):
        return self.model.get_image_features(pixels).pooler_output

    def get_text_features(self, ids, mask):
        return self.model.get_text_features(ids, mask).pooler_output


def theirs(clip, picture, text):
    from torchmetrics.functional.multimodal import clip_score as score

    def processor(images=None, text=None, **settings):
        if images is not None:
            return clip.prepare(images=images, return_tensors="pt")
        return clip.tokenizer(text, **settings)

    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1).float()  # as the released code gives them: 0 to 255
    with torch.no_grad():
        return score(pixels, text, lambda: (Plain(clip.model), processor)).item()


@pytest.mark.parametrize("shape", [(300, 360), (360, 300), (300, 301), (40, 33), (20, 30), (32, 235), (235, 32)])
def test_clipscore_equals_that_of_torchmetrics_on_the_same_model(clip, picture, shape):
    """The last two have 203 px too much, of which torchvision's center_crop takes off another half."""
    rgb = np.tile(picture, (2, 2, 1))[:shape[0], :shape[1]]
    signed = {text: theirs(clip, rgb, text) for text in (TEXT, "a blue square", "the red centre at a circle")}
    assert any(score > 1 for score in signed.values())
    for text, score in signed.items():
        assert clip(rgb, text).score == pytest.approx(max(0, score), abs=1e-4)


def test_a_long_text_is_cut_with_its_end_mark_kept_and_counted(clip, picture):
    fits, longer = "a red circle at the centre a red circle at", "a red circle at the centre a red circle at the blue"
    assert not clip(picture, fits).cut and clip(picture, longer).cut
    assert clip(picture, longer).score == pytest.approx(clip(picture, fits).score, abs=1e-4)


def test_a_clip_that_is_not_there_is_named_in_one_line(tmp_path):
    with pytest.raises(WeightsMissing, match="no CLIP .*hf download") as found:
        clip_score.load(str(tmp_path / "nothing"), offline=True)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("height, width, steps", [(128, 256, 128), (144, 256, 256), (256, 256, 256), (272, 256, 576),
                                                  (384, 400, 784), (448, 448, 784), (464, 448, 1024),
                                                  (10240, 10240, 1024), (15, 4000, 128)])
def test_fg_clip2_looks_with_as_many_patches_as_the_picture_has(height, width, steps):
    assert fg_clip2.patches(height, width) == steps


@pytest.fixture
def fake(tmp_path, tokenizer, monkeypatch):
    """A folder that brings its own code, as FG-CLIP2 does."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    place = tmp_path / "fake-fg-clip2"
    tokenizer.save_pretrained(place)
    Siglip2ImageProcessor().save_pretrained(place)
    (place / "fake.py").write_text(FAKE)
    (place / "config.json").write_text(json.dumps({
        "model_type": "fake_fg_clip2", "auto_map": {"AutoConfig": "fake.FakeConfig",
                                                    "AutoModelForCausalLM": "fake.FakeModel"}}))
    torch.manual_seed(1)
    state = {"vision.weight": torch.randn(8, 768), "vision.bias": torch.randn(8), "text.weight": torch.randn(10, 8)}
    from safetensors.torch import save_file
    save_file(state, place / "model.safetensors", metadata={"format": "pt"})
    return place


def test_code_that_comes_with_weights_runs_only_when_trusted_by_name(fake, picture):
    with pytest.raises(WeightsMissing, match=f"needs Python code .* trust:{fake}") as found:
        fg_clip2.load(str(fake), offline=True)
    assert "\n" not in str(found.value) and not list(fake.parent.rglob("ran"))
    model = fg_clip2.load(f"trust:{fake}", offline=True)
    assert list(fake.parent.rglob("ran"))
    rgb = picture[:256, :256]
    assert not model(rgb, TEXT).cut and model(rgb, TEXT.upper()) == model(rgb, TEXT)
    assert model(rgb, TEXT + " a" * 200).cut


def test_models_by_folder_bear_its_name_and_a_stamp_that_changes_with_the_files(folder, fake, picture):
    found = backends.chosen(clip=folder, fg_clip=f"trust:{fake}", judge="classical")
    name = Path(folder).name
    assert found.clip.name == f"CLIPScore ({name})" and re.fullmatch(rf"{name}, files \w{{8}}", found.clip.weights)
    assert found.fg_clip.name == "FG-CLIP2 Score (fake-fg-clip2)" and "transformers 5" in found.fg_clip.version
    assert not found.clip.genuine and not found.fg_clip.genuine
    score, cut = found.clip(picture, TEXT)
    assert 0 <= score <= 100 and not cut and 0 <= found.fg_clip(picture[:256, :256], TEXT).score <= 100

    (fake / "model.safetensors").touch()
    assert backends.chosen(fg_clip=f"trust:{fake}", judge="classical").fg_clip.weights != found.fg_clip.weights


def test_only_the_paper_s_models_bear_the_metric_s_own_name(monkeypatch):
    monkeypatch.setattr(clip_score, "load", lambda name, offline: None)
    monkeypatch.setattr(fg_clip2, "load", lambda name, offline: None)
    for clip, fg_clip in (("", ""), (clip_score.NAME, f"trust:{fg_clip2.NAME}")):
        found = backends.chosen(clip=clip, fg_clip=fg_clip, judge="classical")
        assert (found.clip.name, found.fg_clip.name) == ("CLIPScore", "FG-CLIP2 Score")
        assert found.clip.genuine and found.fg_clip.genuine and found.clip.weights == clip_score.NAME
    other = backends.chosen(clip="openai/clip-vit-large-patch14", judge="classical").clip
    assert other.name == "CLIPScore (clip-vit-large-patch14)" and not other.genuine


def test_both_kinds_of_features_are_read_and_a_negative_cosine_is_nought():
    one = torch.tensor([[1.0, 0, 0]])
    assert clip_score.agreement(one, -one) == 0 and clip_score.agreement(one, 3 * one) == pytest.approx(100)
    assert fg_clip2._tensor(SimpleNamespace(pooler_output=one)) is one and fg_clip2._tensor(one) is one

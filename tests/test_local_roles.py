"""Boxes and masks by networks on this machine: the real classes of transformers, tiny and with random weights."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam2Processor,
    pipeline,
)

from pixverve_lib.models import local_roles
from pixverve_lib.models.aesthetics import WeightsMissing
from pixverve_lib.models.annotation import Box, Tag

NAMES = ("red apple", "door", "tree")
TAGS = [Tag(name, 1.0) for name in NAMES]
RGB = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
STAGES = {"num_heads": [1] * 4, "depths": [1] * 4}


def grounding_dino():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", *" ".join(NAMES).split()]
    backbone = {"model_type": "swin", "embed_dim": 8, "window_size": 4, "out_features": ["stage2", "stage3", "stage4"]}
    model = GroundingDinoForObjectDetection(GroundingDinoConfig(
        backbone_config=backbone | STAGES, text_config={"model_type": "bert", "vocab_size": len(words)} | SMALL,
        num_queries=5, d_model=32, encoder_layers=1, encoder_ffn_dim=16, encoder_attention_heads=2,
        decoder_layers=2, decoder_ffn_dim=16, decoder_attention_heads=2,
    ))
    pictures = GroundingDinoImageProcessor(size={"shortest_edge": 128, "longest_edge": 192})
    tokens = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    return model, GroundingDinoProcessor(pictures, tokens)


def owlv2():
    letters = sorted(set("".join(NAMES)) - {" "})
    words = ["!", "<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    text = {"vocab_size": len(words), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0} | SMALL
    vision = {"image_size": 64, "patch_size": 16} | SMALL
    model = Owlv2ForObjectDetection(Owlv2Config(text_config=text, vision_config=vision, projection_dim=16))
    for weights in model.box_head.parameters():
        weights.data *= 0.3  # drawn for large networks: here boxes would be outside or without area
    tokens = CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[],
                           model_max_length=16)
    return model, Owlv2Processor(Owlv2ImageProcessor(size={"height": 64, "width": 64}), tokens)


def sam2():
    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [64, 64],
        "blocks_per_stage": [1, 2, 1, 1], "embed_dim_per_stage": [8, 16, 24, 32],
        "num_attention_heads_per_stage": [1] * 4, "window_size_per_stage": [4] * 4, "global_attention_blocks": [2],
    }
    model = Sam2Model(Sam2Config(
        vision_config={"backbone_config": backbone, "backbone_channel_list": [32, 24, 16, 8], "fpn_hidden_size": 16,
                       "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]},
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
    ))
    sizes = {"size": {"height": 64, "width": 64}, "mask_size": {"height": 16, "width": 16}}
    return model, Sam2Processor(Sam2ImageProcessor(**sizes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("networks")
    for make in (grounding_dino, owlv2, sam2):
        for part in make():
            part.save_pretrained(root / make.__name__)
    return root


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("name", ["grounding_dino", "owlv2"])
def test_a_detector_gives_boxes_of_what_was_asked_inside_the_picture_best_first(folder, name):
    find = local_roles.finder(str(folder / name), threshold=0.0)
    boxes = find(RGB, TAGS)
    assert boxes and {box.label for box in boxes} <= set(NAMES) and find.maker.endswith(name)
    assert all(0 <= box.top < box.bottom <= 1 and 0 <= box.left < box.right <= 1 for box in boxes)
    scores = [box.score for box in boxes]
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] <= scores[0] <= 1
    assert local_roles.finder(str(folder / name), threshold=1.0)(RGB, TAGS) == find(RGB, []) == []  # nothing found


def test_each_tag_is_asked_for_once_and_boxes_are_those_of_transformers_own_pipeline(folder, monkeypatch):
    monkeypatch.setattr(local_roles, "LABELS_AT_ONCE", 1)
    ours = local_roles.finder(str(folder / "owlv2"), threshold=0.01)(RGB, [*TAGS, Tag("DOOR", 0.5)])
    ask = pipeline("zero-shot-object-detection", model=str(folder / "owlv2"), device="cpu")
    theirs = ask(Image.fromarray(RGB), candidate_labels=list(NAMES), threshold=0.01)
    theirs = [one for one in theirs if one["box"]["ymin"] < 40 and one["box"]["xmin"] < 60]  # it keeps those outside
    assert [box.label for box in ours] == [one["label"] for one in theirs] and len(ours) > 10
    pixels = [[box.left * 60, box.top * 40, box.right * 60, box.bottom * 40] for box in ours]
    corners = [[one["box"][edge] for edge in ("xmin", "ymin", "xmax", "ymax")] for one in theirs]
    assert np.abs(pixels - np.clip(corners, 0, [60, 40, 60, 40])).max() <= 1, "it cuts to whole pixels"


def test_what_grounding_dino_clips_or_runs_together_is_the_closest_name_that_was_asked():
    words = ("apple...", "red apple door", "oor", " . ", "")
    assert [local_roles._asked(label, list(NAMES)) for label in words] == ["red apple", "red apple", "door", "", ""]


def test_masks_are_of_the_picture_one_for_each_box_in_order_however_many(folder, monkeypatch):
    segment = local_roles.segmenter(str(folder / "sam2"))
    boxes = [Box("a", 0, 0, 0.5, 0.4, 1), Box("b", 0.5, 0.6, 1, 1, 1), Box("c", 0.1, 0.1, 0.9, 0.9, 1)]
    masks = segment(RGB, boxes)
    assert [(mask.shape, mask.dtype) for mask in masks] == [((40, 60), bool)] * 3
    assert 0 < np.mean(masks) < 1 and not np.array_equal(masks[0], masks[1])
    monkeypatch.setattr(local_roles, "BOXES_AT_ONCE", 2)
    assert all(map(np.array_equal, segment(RGB, boxes), masks))
    assert all(map(np.array_equal, segment(RGB, boxes[::-1]), masks[::-1]))
    assert segment(RGB, []) == []


def test_absent_or_pickled_weights_are_one_clear_line(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "owlv2" / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    for load, name in ((local_roles.finder, str(tmp_path)), (local_roles.segmenter, str(tmp_path / "none"))):
        with pytest.raises(WeightsMissing, match="no weights of .* name their folder, or `hf download") as error:
            load(name)
        assert "\n" not in str(error.value)

"""Aesthetic predictors: the real loading code on tiny random weights, and honest stand-ins."""
import numpy as np
import pytest
import torch

from pixverve_lib.imaging import appeal
from pixverve_lib.models import aesthetics
from pixverve_lib.scenes import damage, layouts, render

TINY = {"embed_dim": 32, "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}}


@pytest.fixture
def tiny_clip(tmp_path):
    import json

    import open_clip
    (tmp_path / "tiny-clip-for-tests.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "tiny-clip-for-tests.json")
    model = open_clip.create_model("tiny-clip-for-tests")
    torch.save(model.state_dict(), tmp_path / "clip.pt")
    return "tiny-clip-for-tests", str(tmp_path / "clip.pt")


def test_the_laion_predictor_is_a_linear_head_on_the_unit_length_clip_feature(tiny_clip, tmp_path):
    head = aesthetics.laion_head(32)
    names = {key: f"layers.{key}" for key in head.state_dict()}  # as in the published file
    torch.save({names[key]: value for key, value in head.state_dict().items()}, tmp_path / "head.pth")
    score = aesthetics.load_laion(tmp_path / "head.pth", tiny_clip)
    picture = render.draw(layouts.compose("street", 1), 64, 96)

    import open_clip
    from PIL import Image
    model, _, prepare = open_clip.create_model_and_transforms(tiny_clip[0], pretrained=tiny_clip[1])
    feature = model.eval().encode_image(prepare(Image.fromarray(picture))[None])
    expected = head.eval()(feature / feature.norm())
    assert score(picture) == pytest.approx(float(expected), abs=1e-5)


def test_the_clip_that_feeds_it_has_the_activation_it_was_trained_with():
    import open_clip
    assert open_clip.get_model_config(aesthetics.LAION_CLIP[0])["quick_gelu"]


def test_a_head_that_would_run_code_when_unpickled_is_refused(tiny_clip, tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("unpickled",)

    torch.save(Evil(), tmp_path / "head.pth")
    with pytest.raises(aesthetics.WeightsMissing, match="(?i)head.pth cannot be used: weights.only"):
        aesthetics.load_laion(tmp_path / "head.pth", tiny_clip)


@pytest.mark.parametrize("name", ["head.pth", "head.safetensors", "other.pth"])
def test_a_head_that_is_damaged_or_another_network_counts_as_missing_with_one_line(tiny_clip, tmp_path, name):
    path = tmp_path / name
    if name == "other.pth":
        torch.save({"layers.0.weight": torch.zeros(2, 2)}, path)
    else:
        path.write_bytes(b"cut short")
    with pytest.raises(aesthetics.WeightsMissing, match=f"{name} cannot be used: .*; download it again$") as found:
        aesthetics.load_laion(path, tiny_clip)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("wanted, stand_in", [("laion:no/such/head.pth", "classical-colour"),
                                              ("artimuse:no/such/folder", "classical-composition")])
def test_missing_weights_are_replaced_by_an_openly_named_stand_in(wanted, stand_in):
    name, line = aesthetics.available(wanted, stand_in)
    assert name == stand_in and stand_in in line and "\n" not in line


def test_an_unknown_predictor_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="classical-composition"):
        aesthetics.load("beauty")


def test_classical_scores_stay_on_their_scale_and_prefer_a_picture_to_its_spoiled_self():
    good = render.draw(layouts.compose("landscape", 4), 340, 512)
    for spoiled in (damage.exposed(good, 4.5), damage.exposed(good, -5), damage.flat(340, 512, 1)):
        assert 1 <= appeal.colour_and_light(spoiled) < appeal.colour_and_light(good) <= 10
        assert 1 <= appeal.composition(spoiled) <= 10


def test_gray_has_no_colourfulness():
    assert appeal.colourfulness(np.full((8, 8, 3), 77, np.uint8)) == 0

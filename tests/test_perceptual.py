"""LPIPS: the real network on random weights, read from files laid out as the published ones are."""
import cv2
import numpy as np
import pytest
import torch
from torchvision.models import alexnet

from pixverve_lib.models import perceptual
from pixverve_lib.models.aesthetics import WeightsMissing


@pytest.fixture(scope="module")
def picture():
    coarse = np.random.default_rng(1).integers(0, 256, (10, 15, 3), dtype=np.uint8)
    return cv2.resize(coarse, (240, 160), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder like PyTorch's, with random weights under the names of the published files."""
    folder = tmp_path_factory.mktemp("hub")
    for name in (perceptual.TRUNK, perceptual.LAYERS):
        (folder / name).parent.mkdir()
    torch.manual_seed(0)
    features = {f"features.{key}": value for key, value in alexnet().features.state_dict().items()}
    torch.save(features, folder / perceptual.TRUNK)
    torch.save({f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1) for i, width in
                enumerate((64, 192, 384, 256, 256))}, folder / perceptual.LAYERS)
    return folder


def test_the_distance_of_a_small_picture_is_that_of_pyiqas_network_with_the_weights_of_the_files(hub, picture):
    net = perceptual.network()
    trunk, layers = torch.load(hub / perceptual.TRUNK), torch.load(hub / perceptual.LAYERS)
    slices = [net.net.slice1, net.net.slice2, net.net.slice3, net.net.slice4, net.net.slice5]
    for index, convolution in zip((0, 3, 6, 8, 10), [s[-2] if len(s) > 1 else s[0] for s in slices], strict=True):
        convolution.weight.data = trunk[f"features.{index}.weight"]
        convolution.bias.data = trunk[f"features.{index}.bias"]
    for i, linear in enumerate(net.lins):
        linear.model[1].weight.data = layers[f"lin{i}.model.1.weight"]
    other = picture[:, ::-1]
    expected = net(*(torch.tensor(p.copy()).permute(2, 0, 1)[None] / 255 for p in (picture, other)))
    assert perceptual.load(hub)(picture, other) == pytest.approx(expected.item(), rel=1e-5)


def test_equal_pictures_have_no_distance_and_more_noise_has_more(hub, picture):
    metric, noise = perceptual.load(hub), np.random.default_rng(0).normal(0, 1, picture.shape)
    distances = [metric(picture, np.clip(picture + level * noise, 0, 255).astype(np.uint8)) for level in (0, 10, 40)]
    assert distances[0] == 0 < distances[1] < distances[2]


def test_no_patch_is_larger_than_the_bound_and_together_they_cover_the_picture(monkeypatch):
    seen = []
    monkeypatch.setattr(perceptual, "_patch_distance", lambda net, a, b: seen.append(a.shape) or float(a.mean()))
    picture = np.random.default_rng(0).integers(0, 256, (1025, 700, 3), dtype=np.uint8)
    assert perceptual.distance(None, picture, picture) == pytest.approx(picture.mean())
    assert len(seen) == 6 and all(max(shape[:2]) <= perceptual.PATCH for shape in seen)


def test_missing_weights_are_named_in_one_line_with_the_command_that_gets_them(tmp_path):
    with pytest.raises(WeightsMissing, match="create_metric") as missing:
        perceptual.load(tmp_path)
    assert "\n" not in str(missing.value) and "alexnet" in str(missing.value)


def test_weights_that_would_run_code_when_unpickled_are_refused(hub, tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("unpickled",)

    for name in (perceptual.TRUNK, perceptual.LAYERS):
        (tmp_path / name).parent.mkdir()
        torch.save(Evil(), tmp_path / name)
    with pytest.raises(Exception, match="(?i)weights.only"):
        perceptual.load(tmp_path)


def test_pictures_of_two_sizes_are_refused(picture):
    with pytest.raises(ValueError, match="one size"):
        perceptual.distance(None, picture, picture[1:])

"""FID and FID_patch: the distance and the network against torchmetrics, the resizing against Pillow on the whole."""
import tracemalloc
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pixverve_lib.bench import backends, distribution
from pixverve_lib.bench.lengths import NANO, PAPER
from pixverve_lib.imaging import distances
from pixverve_lib.models import aesthetics, inception, nano_clip
from pixverve_lib.models.shrinking import shrunk
from pixverve_lib.scenes import primer

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def picture():
    return primer.draw(primer.bench_prompts()[3].spec, 520)[:360]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A random state of the real class, as a file; convolutions by He's rule, so that the features are not all zero."""
    draw, state = torch.Generator().manual_seed(3), inception.empty().state_dict()
    for name, value in state.items():
        still = torch.ones if name.endswith(("bn.weight", "running_var")) else torch.zeros
        state[name] = still(value.shape, dtype=value.dtype) if value.ndim < 2 else \
            torch.randn(value.shape, generator=draw) * (2 / value[0].numel()) ** 0.5
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(state, path)
    return path


def test_the_distance_equals_that_of_torchmetrics_on_the_same_features():
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Given(torch.nn.Module):
        num_features = 24

        def forward(self, features):
            return features

    a, b = RNG.normal(size=(300, 24)), RNG.normal(0.3, 1.5, size=(300, 24))
    theirs = FrechetInceptionDistance(Given()).set_dtype(torch.float64)
    theirs.update(torch.from_numpy(a), real=True)
    theirs.update(torch.from_numpy(b), real=False)
    ours = distribution.fid(a[:, None], b[:, None])
    assert ours["value"] == pytest.approx(theirs.compute().item(), rel=1e-4)
    assert ours["low"] < ours["value"] < ours["high"] and "from 300 pictures:" in ours["warning"]


def test_the_network_sees_and_gives_what_that_of_torchmetrics_does(weights, picture):
    from torchmetrics.image.fid import NoTrainInceptionV3
    theirs = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))  # unpickles: the file is our own
    expected = theirs(torch.from_numpy(picture).permute(2, 0, 1)[None]).numpy()
    assert expected.std() > 1e-3
    assert np.allclose(inception.load(weights)([picture]), expected, rtol=1e-4, atol=1e-4 * expected.std())


def test_weights_may_be_safetensors_and_come_from_the_cache(weights, tmp_path, monkeypatch, picture):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(aesthetics.WeightsMissing, match="no Inception weights at .*6726825d.pth"):
        inception.load()
    inception.default_path().parent.mkdir()
    inception.default_path().write_bytes(weights.read_bytes())
    save_file(torch.load(weights, weights_only=True), tmp_path / "same.safetensors")
    assert np.array_equal(inception.load()([picture]), inception.load(tmp_path / "same.safetensors")([picture]))


def test_weights_that_are_not_the_published_ones_say_which_they_are(weights, picture):
    features = backends.chosen(features=str(weights), judge="classical").features
    assert (features.name, features.genuine, features.note) == ("FID (random)", False, "")
    assert features.weights.startswith("random.pth, ")
    assert "299" in features.resize and features([picture, picture[:50]]).shape == (2, 2048)


def test_weights_that_would_run_code_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("unpickled",)

    torch.save(Evil(), tmp_path / "evil.pth")
    with pytest.raises(Exception, match="(?i)weights.only"):
        inception.load(tmp_path / "evil.pth")


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_shrinking_in_bands_is_shrinking_the_whole(mode):
    tall = RNG.integers(0, 256, (1300, 300, 3), dtype=np.uint8)
    whole = torch.nn.functional.interpolate(torch.from_numpy(tall).permute(2, 0, 1)[None].float(), size=(130, 64),
                                            mode=mode, align_corners=False, antialias=True)[0]
    assert torch.allclose(shrunk(tall, 130, 64, mode), whole, atol=1e-3)


@pytest.mark.parametrize("side", [130, 1100])
def test_resizing_in_bands_is_pillow_s(picture, side):
    expected = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))
    off = np.abs(distribution.resized(picture, side).astype(int) - expected)
    assert off.max() <= 1 and (off > 0).mean() < 0.01


@pytest.mark.parametrize("side", [200, 360, 700])
def test_a_patch_is_cut_from_the_lanczos_resized_picture_though_only_its_pixels_are_resized(picture, side):
    places = [(0, 0), (side - 19, side - 19), (37, 101)]
    seen = distribution.patch_features(picture, np.stack, NANO, places, side)
    whole = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))
    cut = np.stack([whole[top:top + 19, left:left + 19] for top, left in places])
    off = np.abs(seen.astype(int) - cut)
    assert seen.shape == (3, 19, 19, 3) and off.max() <= 1 and (off > 0).mean() < 0.02


def test_a_picture_of_the_right_size_is_neither_resized_nor_changed_by_the_detour_over_floats():
    values = torch.arange(256, dtype=torch.uint8)
    assert ((values.float() / 255) * 255).to(torch.uint8).equal(values)
    rgb = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(distribution.whole_features(rgb, np.stack, 64)[0], rgb)


def test_places_are_those_of_python_s_random_stream_and_lie_inside():
    places = distribution.places([4096, 200, 8192], PAPER)
    stream = Random(42)
    first = [(stream.randint(0, 4096 - 299), stream.randint(0, 4096 - 299)) for _ in range(20)]
    third = (stream.randint(0, 8192 - 299), stream.randint(0, 8192 - 299))
    assert places[0] == first and places[1] == [] and places[2][0] == third and len(places[2]) == 20


def test_worse_pictures_are_farther_away_and_few_of_them_bring_a_warning():
    prompts = primer.bench_prompts()[:16]
    clip = nano_clip.load().pooled_features
    truth = [primer.draw(prompt.spec, 64, np.random.default_rng(i)) for i, prompt in enumerate(prompts)]
    again = [primer.draw(prompt.spec, 64, np.random.default_rng(99 + i)) for i, prompt in enumerate(prompts)]
    blurred = [np.asarray(Image.fromarray(rgb).resize((12, 12)).resize((64, 64))) for rgb in again]
    places = distribution.places([64] * 16, NANO)
    for look in (lambda rgb, i: distribution.whole_features(rgb, clip, 64),
                 lambda rgb, i: distribution.patch_features(rgb, clip, NANO, places[i], 64)):
        seen = [[look(rgb, i) for i, rgb in enumerate(pictures)] for pictures in (truth, again, blurred)]
        near, far = distribution.fid(seen[1], seen[0]), distribution.fid(seen[2], seen[0])
        assert far["value"] > 3 * near["value"] and far["low"] > near["high"]
        assert "2,048" in near["warning"] and "\n" not in near["warning"]


def test_one_pair_is_too_few():
    with pytest.raises(ValueError, match="FID needs at least two pictures with their references, got 1"):
        distribution.fid([RNG.normal(size=(1, 8))], [RNG.normal(size=(1, 8))])


def test_the_distance_of_many_pictures_needs_the_memory_of_a_few():
    class Drawn:
        """Features of 20 patches of each of 1200 pictures, made when they are asked for."""

        def __init__(self, shift):
            self.shift = shift

        def __len__(self):
            return 1200

        def __getitem__(self, number):
            if number >= len(self):
                raise IndexError
            return np.random.default_rng((number, self.shift)).normal(7, 1 + self.shift, (20, 64)).astype(np.float32)

    sides = Drawn(0), Drawn(1)
    expected = distances.frechet(*(np.concatenate(list(side)) for side in sides))
    tracemalloc.start()
    found = distribution._distance(*sides)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == pytest.approx(expected, rel=1e-6) and expected > 60
    assert peak < 1200 * 20 * 64 * 4 / 2, "half of what the features of one side need"


def test_the_warning_counts_pictures_for_their_patches_are_alike():
    assert "from 1000 pictures of 20 patches each" in distribution.warning("FID_patch", 1000, 20)
    assert not distribution.warning("FID_patch", 2048, 20)


def test_intervals_of_many_features_are_taken_along_the_strongest_directions():
    strength = np.geomspace(3, 0.003, 400)
    a = [RNG.normal(size=(4, 400)) * strength for _ in range(30)]
    b = [RNG.normal(size=(4, 400)) * strength + 0.1 * strength for _ in range(30)]
    found = distribution.fid(a, b)
    assert found["low"] < found["value"] < found["high"]
    fewer = [[features[:, :distribution.DIRECTIONS] for features in side] for side in (a, b)]
    exact = distribution.fid(*fewer)
    assert found["high"] - found["low"] == pytest.approx(exact["high"] - exact["low"], rel=0.2)

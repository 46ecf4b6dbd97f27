"""Training sets: what is refused before the first step, how sizes become buckets, and that nothing is encoded twice."""
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipeline import TEXT, pipeline, scenes

from pixverve_lib.schemes import dataset, flow
from pixverve_lib.schemes.dataset import BadTrainingSet
from pixverve_lib.schemes.order import Order


def prepared(folder, pictures, captions, **options):
    return dataset.prepare(pictures, captions, pipeline(), folder, **options, **TEXT)


@pytest.fixture
def photos(tmp_path):
    """A folder of four pictures with captions beside them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, (rgb, caption) in enumerate(zip(*scenes(4, 64), strict=True)):
        Image.fromarray(rgb).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(caption + "\n")
    return folder


def test_a_set_holds_the_latents_and_text_features_of_its_pictures(tmp_path):
    pictures, captions = scenes(5, 64)
    cached = prepared(tmp_path, pictures, captions)
    batch = cached.batch([3, 1])
    assert batch.names == ("picture-00003", "picture-00001") and len(cached) == 5
    assert torch.allclose(batch.latents, flow.encode(pipeline(), pictures[[3, 1]]), atol=1e-5)
    with torch.no_grad():
        text = pipeline().encode_prompt([captions[3], captions[1]], **TEXT)[0]
        empty = pipeline().encode_prompt([""], **TEXT)[0]
    assert torch.allclose(batch.text, text, atol=1e-5) and torch.allclose(batch.empty, empty[0], atol=1e-5)
    assert [len(part.names) for part in cached.all_batches(2)] == [2, 2, 1]


def test_captions_of_a_folder_lie_beside_its_pictures_or_come_by_name(photos, tmp_path):
    beside = prepared(tmp_path / "a", photos, None)
    mapping = {f"{n}.png": (photos / f"{n}.txt").read_text().strip() for n in range(4)}
    assert prepared(tmp_path / "b", photos, mapping).digest == beside.digest
    assert prepared(tmp_path / "c", photos, mapping | {"2.png": "red ring centre"}).digest != beside.digest


def test_nothing_is_encoded_twice_but_a_new_caption_or_another_encoder_is(tmp_path, monkeypatch):
    pictures, captions = scenes(3, 64)
    first, calls, encode = prepared(tmp_path, pictures, captions), [], flow.encode
    monkeypatch.setattr(flow, "encode", lambda *given: calls.append(1) or encode(*given))
    assert prepared(tmp_path, pictures, captions).digest == first.digest and not calls
    other = prepared(tmp_path, pictures, [captions[0], captions[1], "blue ring centre"])
    assert other.digest != first.digest and len(calls) == 1
    pipeline().vae.bn.running_mean += 1
    prepared(tmp_path, pictures, captions)
    pipeline().vae.bn.running_mean -= 1
    assert len(calls) == 2


def cut(data):
    return data[: len(data) // 2]


def flipped(data):
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


@pytest.mark.parametrize("damage", [cut, flipped, lambda data: b"", lambda data: b"nonsense" * 99])
def test_a_damaged_cache_is_named_and_made_again(tmp_path, capsys, damage):
    pictures, captions = scenes(3, 64)
    cached = prepared(tmp_path, pictures, captions)
    expected, file = cached.batch([0, 1, 2]), cached.shards[0].file
    file.write_bytes(damage(file.read_bytes()))
    again = prepared(tmp_path, pictures, captions).batch([0, 1, 2])
    assert "64x64-00000.safetensors is damaged" in capsys.readouterr().out
    assert torch.equal(again.latents, expected.latents) and torch.equal(again.text, expected.text)


def test_shards_of_an_earlier_set_go_and_other_files_stay(tmp_path):
    small, captions = scenes(2, 64)
    prepared(tmp_path, small, captions)
    (tmp_path / "mine-0.safetensors").touch()
    prepared(tmp_path, scenes(2, 128)[0], captions)
    assert {file.name for file in tmp_path.iterdir()} == {"128x128-00000.safetensors", "mine-0.safetensors"}


def test_what_cannot_be_trained_on_is_refused_in_one_line(photos, tmp_path):
    pictures, captions = scenes(2, 64)
    (tmp_path / "empty").mkdir()
    cases = [
        (tmp_path / "empty", None, r"^no picture in .*/empty: a training set has at least two \(.jpg"),
        (pictures[:1], captions[:1], "^only one picture given: a training set has at least two"),
        (pictures, captions[:1], "^captions do not fit the 2 pictures: give one for each"),
        (pictures, None, "^captions do not fit the 2 pictures"),
        (pictures, ["red ring centre", " "], r"^1 pictures without a caption \(NAME.txt .*: picture-00001$"),
        (photos, {"1.png": "red ring centre"}, "^3 pictures without a caption .*: 0.png, 2.png, 3.png$"),
    ]
    for given, texts, line in cases:
        with pytest.raises(BadTrainingSet, match=line):
            prepared(tmp_path / "cache", given, texts)
    (photos / "1.png").write_bytes(b"no picture")
    with pytest.raises(BadTrainingSet, match=r"^1 pictures that cannot be read .*: 1.png \("):
        prepared(tmp_path / "cache", photos, None)
    with pytest.raises(BadTrainingSet, match=r"^2 pictures smaller than .*: picture-00000 \(64 x 64 for 128 x 128\)"):
        prepared(tmp_path / "cache", pictures, captions, side=128)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("side", [64, 256, 4096])
def test_a_bucket_has_about_the_asked_for_area_and_hardly_anything_is_cut_off(side):
    rng = np.random.default_rng(0)
    for height, width in rng.integers(2 * side, 5 * side, (200, 2)):
        bucket = dataset.bucket((height, width), side)
        assert all(length % 16 == 0 for length in bucket) and (bucket[0] - bucket[1]) * (height - width) >= 0
        assert bucket[0] * bucket[1] == pytest.approx(side**2, rel=0.15 if side > 64 else 0.25)
        cut = np.log(width / height * bucket[0] / bucket[1])
        assert abs(cut) < (0.08 if side > 64 else 0.3) or max(height / width, width / height) > 2.3
    assert dataset.bucket((side, side), side) == (side, side)


def test_a_round_thing_stays_round_in_every_bucket():
    for height, width in ((400, 700), (700, 400), (512, 512)):
        canvas = np.zeros((height, width, 3), np.uint8)
        cv2.circle(canvas, (width // 2, height // 2), 120, (255, 255, 255), -1)
        rows, columns = np.nonzero(dataset.fit(canvas, *dataset.bucket((height, width), 256))[..., 0] > 127)
        assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


def test_mixed_sizes_train_in_batches_of_one_size_and_an_epoch_shows_every_picture_once(tmp_path):
    wide, captions = scenes(5, 128)
    pictures = [*scenes(4, 64)[0], *(picture[:64] for picture in wide)]
    cached = prepared(tmp_path, pictures, ["red ring centre"] * 4 + captions)
    assert {bucket: len(numbers) for bucket, numbers in cached.buckets.items()} == {(64, 64): 4, (64, 128): 5}
    order = Order(cached, batch=2, seed=7)
    epochs = [[order(number) for number in range(start, start + order.per_epoch)] for start in (0, order.per_epoch)]
    for epoch in epochs:
        assert Counter(name for batch in epoch for name in batch.names).most_common(1)[0][1] == 1
        assert sum(len(batch.names) for batch in epoch) == len(cached)
    names = [[batch.names for batch in epoch] for epoch in epochs]
    assert names[0] != names[1] and names[0] == [Order(cached, 2, 7)(number).names for number in range(order.per_epoch)]
    assert {tuple(batch.latents.shape[2:]) for batch in epochs[0]} == {(4, 4), (4, 8)}

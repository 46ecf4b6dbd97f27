"""GLCM Score, MSFI and ICS in a user's own code, by pyiqa's create_metric."""
import numpy as np
import pyiqa
import pytest
import torch

from pixverve_lib.bench import msfi, pyiqa_metrics  # noqa: F401, the second registers
from pixverve_lib.bench.lengths import NANO
from pixverve_lib.imaging import reading
from pixverve_lib.imaging.cooccurrence import glcm_scores
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import GLOBAL, LOCAL, Judge

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 320, 480, 3), np.uint8)
BATCH = torch.from_numpy(PICTURES.transpose(0, 3, 1, 2) / np.float32(255))


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level("WARNING", "pyiqa")


def judge(compliance=None):
    def rate_local(patch, whole, region):
        return dict.fromkeys(LOCAL, 1 + patch.mean() / 64)
    return Judge("test", lambda rgb: dict.fromkeys(GLOBAL, 4), rate_local, compliance)


@pytest.mark.parametrize(("options", "score"), [
    ({}, "published_symmetric"), ({"symmetric": False}, "published_asymmetric"),
    ({"variant": "formula"}, "formula_symmetric"), ({"variant": "formula", "symmetric": False}, "formula_asymmetric"),
])
def test_the_glcm_score_is_ours_for_every_picture_of_a_batch(options, score):
    metric = pyiqa.create_metric("pixverve_glcm", device="cpu", **options)
    expected = [getattr(glcm_scores(rgb), score) for rgb in PICTURES]
    assert metric(BATCH).tolist() == pytest.approx(expected, abs=1e-9) and not metric.lower_better


def test_a_gray_batch_and_a_file_are_scored_as_we_would(tmp_path):
    metric = pyiqa.create_metric("pixverve_glcm", device="cpu")
    assert metric(BATCH[:, :1])[1].item() == pytest.approx(glcm_scores(PICTURES[1, ..., 0])[0], abs=1e-9)
    reading.write_jpeg(tmp_path / "a.jpg", PICTURES[0])
    expected = glcm_scores(reading.read_rgb(tmp_path / "a.jpg"))[0]
    assert metric(str(tmp_path / "a.jpg")).item() == pytest.approx(expected, rel=1e-3), "decoders may differ by a level"


def test_msfi_asks_the_judge_that_is_given_and_warns_of_what_is_missing():
    metric = pyiqa.create_metric("pixverve_msfi", device="cpu", judge=judge(), lengths=NANO)
    assert metric(BATCH).tolist() == [msfi.measure(rgb, judge(), NANO)["msfi"] for rgb in PICTURES]
    mute = Judge("mute", lambda rgb: Failed("busy"), judge().rate_local, None)
    with pytest.warns(UserWarning, match="picture 0: 1 missing: busy"):
        scores = pyiqa.create_metric("pixverve_msfi", device="cpu", judge=mute, lengths=NANO)(BATCH[:1])
    assert scores.isnan().all()


def test_the_classical_judge_rates_msfi_where_none_is_given():
    score = pyiqa.create_metric("pixverve_msfi", device="cpu", lengths=NANO)(BATCH[:1]).item()
    assert 1.2 <= score <= 10


def test_ics_compares_each_picture_with_its_caption_and_needs_a_judge():
    said = {"a": {"iev": 10, "aaa": 10, "sra": 10}, "b": {"iev": 2.5, "aaa": 8, "sra": 8}}
    metric = pyiqa.create_metric("pixverve_ics", device="cpu", judge=judge(lambda rgb, caption: said[caption]))
    assert metric(BATCH, caption=["a", "b"]).tolist() == pytest.approx([10, 4])
    assert metric(BATCH, caption="b").tolist() == pytest.approx([4, 4])
    with pytest.raises(ValueError, match="give it a judge="):
        pyiqa.create_metric("pixverve_ics", device="cpu")
    with pytest.raises(ValueError, match="variant is `published` or `formula`"):
        pyiqa.create_metric("pixverve_glcm", device="cpu", variant="printed")

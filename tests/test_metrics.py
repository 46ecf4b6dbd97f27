"""The register of the eight metrics: golden values measured again, cards, and stand-ins under their own names."""
import hashlib

import numpy as np
import pytest

from pixverve_lib.bench import backends, cards, distribution, ics, msfi
from pixverve_lib.bench.lengths import NANO, PAPER
from pixverve_lib.bench.metrics import METRICS, Card
from pixverve_lib.imaging.cooccurrence import glcm_scores
from pixverve_lib.models import aesthetics, endpoint_judge, inception
from pixverve_lib.models.endpoint import EndpointError
from pixverve_lib.paper import published
from pixverve_lib.scenes import primer


@pytest.fixture(scope="module")
def nano():
    return backends.nano()


def again(key, nano):
    """The golden value of a metric, measured."""
    prompt = primer.bench_prompts()[0]
    rgb, rng = primer.draw(prompt.spec, 256), np.random.default_rng(0)
    if key == "fid":
        one = rng.normal(size=(50, 1, 2))
        return distribution.fid(one + (3, 4), one)["value"]
    if key == "fid_patch":
        seen = [distribution.patch_features(rgb, nano.features, NANO, at, 256)
                for at in distribution.places([256, 256], NANO)]
        return distribution.fid(seen, seen)["value"]
    return {
        "aesthetics": lambda: nano.aesthetics(rgb),
        "glcm_score": lambda: glcm_scores(np.full((128, 192, 3), 77, np.uint8)).published_symmetric,
        "msfi": lambda: msfi.index(msfi.dimension(dict.fromkeys(msfi.GLOBAL, 1), msfi.GLOBAL), [1] * 10),
        "clipscore": lambda: nano.clip(rgb, prompt.short).score,
        "fg_clip2_score": lambda: nano.fg_clip(rgb, prompt.long).score,
        "ics": lambda: ics.index(5, 8, 6),
    }[key]()


@pytest.mark.parametrize("key", METRICS)
def test_the_golden_value_is_measured_again(key, nano):
    golden = METRICS[key].golden
    assert again(key, nano) == pytest.approx(golden.value, abs=golden.tolerance)


def test_the_register_has_the_columns_directions_and_ranges_of_the_published_tables():
    table = published.numbers("tab_3")
    assert list(METRICS) == list(table.columns[3:])
    best = published.marks("tab_3")
    for key, metric in METRICS.items():
        assert table[key].dropna().between(metric.low, metric.high).all()
        winners = table[best[key] == "best"]
        for row in winners.itertuples():
            rivals = table[table["resolution"] == row.resolution][key]
            assert getattr(row, key) == (rivals.max() if metric.higher_is_better else rivals.min())
        assert len(winners) and metric.arrow == ("↑" if metric.higher_is_better else "↓")


def test_a_card_is_one_line_that_leaves_out_what_is_empty():
    assert Card("GLCM Score", pictures=9).line() == "GLCM Score | 9 pictures"
    full = Card("FID", "nano-FID", "nano-clip", "64 px", "20 of 19 px", 1, 2, 3, "torch 2", "few").line()
    assert full == ("FID | nano-FID | nano-clip | resize: 64 px | patches: 20 of 19 px | 1 picture | 2 texts cut | "
                    "3 missing | torch 2 | few")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without weights, hub or endpoint."""
    for name in ("PIXVERVE_JUDGE_URL", "PIXVERVE_CHAT_URL", "PIXVERVE_LAION_HEAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_without_weights_stand_ins_bear_their_own_names_and_the_rest_says_what_to_get(bare):
    found = backends.chosen()
    assert found.features.name == "nano-FID" and "no Inception weights" in found.features.note
    assert found.aesthetics.name == "classical-colour" and "laion" in found.aesthetics.note
    assert "hf download openai/clip-vit-base-patch16" in found.clip.reason
    assert "fg-clip2-base" in found.fg_clip.reason and "hf download" in found.fg_clip.reason
    assert "classical" in found.judge.maker
    lines = (found.features.note, found.aesthetics.note, found.clip.reason, found.fg_clip.reason)
    assert not any("\n" in line for line in lines)


def test_laion_s_head_makes_it_aesthetics_and_another_one_bears_its_file(bare, tmp_path, monkeypatch):
    monkeypatch.setattr("pixverve_lib.models.aesthetics.load", lambda name: lambda rgb: 5.0 + (max(rgb.shape) == 512))
    head = tmp_path / "some-head.pth"
    head.write_bytes(b"one")
    found = backends.chosen(aesthetics=str(head)).aesthetics
    assert found.name == "Aesthetics (some-head)" and not found.genuine
    assert found.weights == "some-head.pth, 3 bytes, sha256 7692c3ad"
    monkeypatch.setattr(aesthetics, "LAION_SHA256", hashlib.sha256(b"one").hexdigest())
    found = backends.chosen(aesthetics=str(head)).aesthetics
    assert found.name == "Aesthetics" and found.genuine
    assert found(np.zeros((2048, 1024, 3), np.uint8)) == 6.0


def test_what_was_asked_for_by_path_has_no_stand_in(bare, tmp_path):
    found = backends.chosen(features=str(tmp_path / "no.pth"), aesthetics=str(tmp_path / "head.pth"), judge="classical")
    assert isinstance(found.features, backends.Missing) and isinstance(found.aesthetics, backends.Missing)
    assert "no.pth" in found.features.reason and "head.pth" in found.aesthetics.reason
    with pytest.raises(ValueError, match="no judge 'somebody': it is `classical`, or none for"):
        backends.chosen(judge="somebody")


def test_a_damaged_file_costs_its_metric_only_and_says_so(bare, tmp_path):
    for name in ("bad.pth", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"no weights at all")
        reason = backends.chosen(features=str(tmp_path / name), judge="classical").features.reason
        assert f"{name} cannot be used: " in reason and reason.endswith("; download it again") and "\n" not in reason
    inception.default_path().parent.mkdir(parents=True)
    inception.default_path().write_bytes(b"cut sh")
    found = backends.chosen(judge="classical").features
    assert found.name == "nano-FID" and "6726825d.pth cannot be used" in found.note


def test_fid_with_other_weights_than_the_published_ones_bears_their_file(bare, tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "load", lambda path: None)
    (tmp_path / "mine.pth").write_bytes(b"one")
    found = backends.chosen(features=str(tmp_path / "mine.pth"), judge="classical")
    assert cards.name("fid_patch", found) == "FID_patch (mine)"
    card = cards.card("fid", found, PAPER, 3, 0)
    assert card.backend == "FID (mine)" and "sha256 7692c3ad" in card.line() and not cards.comparable("fid", card)
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(b"one").hexdigest())
    card = cards.card("fid", backends.chosen(features=str(tmp_path / "mine.pth"), judge="classical"), PAPER, 3, 0)
    assert card.backend == "FID" and cards.comparable("fid", card)
    assert "a picture that is not square to a square of equal area" in card.line()


def test_a_card_says_which_prompts_a_judge_had_and_only_the_paper_s_may_be_compared(bare, monkeypatch):
    monkeypatch.setenv("PIXVERVE_JUDGE_URL", "http://localhost:9/v1")
    card = cards.card("msfi", backends.chosen(), PAPER, 3, 0)
    assert cards.comparable("msfi", card) and endpoint_judge.OUR_WORDS in card.line()
    assert backends.chosen().judge.version in card.line() and "fewer where a picture holds fewer" in card.line()
    monkeypatch.setenv("PIXVERVE_JUDGE_MODEL", "some/Qwen3.5-35B-A3B-tuned")
    assert not cards.comparable("msfi", cards.card("msfi", backends.chosen(), PAPER, 3, 0))
    card = cards.card("msfi", backends.chosen(judge="classical"), PAPER, 3, 0)
    assert not cards.comparable("msfi", card) and ", pixverve-repro" in card.version and "limits " in card.version
    glcm = cards.card("glcm_score", backends.chosen(), PAPER, 3, 0)
    assert cards.comparable("glcm_score", glcm) and "JPEG" in glcm.note and METRICS["glcm_score"].high == 3


def test_an_endpoint_that_is_named_becomes_the_judge(bare, monkeypatch):
    monkeypatch.setenv("PIXVERVE_JUDGE_URL", "http://localhost:9/v1")
    monkeypatch.setenv("PIXVERVE_JUDGE_MODEL", "some-judge")
    assert backends.chosen().judge.maker.startswith("some-judge")
    assert "classical" in backends.chosen(judge="classical").judge.maker
    monkeypatch.delenv("PIXVERVE_JUDGE_URL")
    monkeypatch.setenv("PIXVERVE_CHAT_URL", "http://localhost:9/v1")
    monkeypatch.setenv("PIXVERVE_CHAT_MODEL", "some-chat")
    assert backends.chosen().judge.maker.startswith("some-chat"), "the chat model judges where no judge is named"
    monkeypatch.setenv("PIXVERVE_JUDGE_URL", "http://localhost:9/v1")
    monkeypatch.setenv("PIXVERVE_JUDGE_KEY", "two\nlines")
    with pytest.raises(EndpointError):
        backends.chosen()


def test_a_text_that_nano_clip_does_not_know_has_no_score(nano):
    rgb = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="zebra"):
        nano.clip(rgb, "a red zebra")
    assert (nano.clip.name, nano.fg_clip.name) == ("nano-CLIPScore", "nano-CLIPScore (long)")

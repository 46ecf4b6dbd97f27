"""The judge at an endpoint, against a local server that speaks the OpenAI protocol: what it is asked and believed."""

import base64
import json

import numpy as np
import pytest
import simplejpeg
from fake_chat_server import fake_chat_server, refuses, said, says, urls

from pixverve_lib.bench import ics, msfi
from pixverve_lib.bench.lengths import NANO
from pixverve_lib.models import endpoint_judge, judging
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.endpoint import EndpointError, Service
from pixverve_lib.models.multimodal import Multimodal, Settings, data_url
from pixverve_lib.models.replies import Replies

PICTURE = np.random.default_rng(0).integers(0, 255, (320, 480, 3), np.uint8)
GLOBAL = {"SC-global": 4, "PI": 5, "LC": 3, "CH": 2, "reasoning": "A bent horizon."}
LOCAL = {"NGE": 5, "GA": 4, "TF": 3, "MGC": 2, "SC-local": 1, "reasoning": "Waxy skin."}
COMPLIANCE = {"reasoning": "No hat.", "IEV": 6, "AAA": 8, "SRA": 9}


def tagged(answer):
    return says(f"<json>\n{json.dumps(answer, indent=2)}\n</json>")


def rates(request, authorization):
    """What the prompt asks for."""
    for answer in (GLOBAL, LOCAL, COMPLIANCE):
        if all(f'"{key}": int' in said(request) for key in answer if key != "reasoning"):
            return tagged(answer)(request, authorization)
    raise AssertionError(said(request))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for what in ("URL", "MODEL", "KEY"):
        monkeypatch.delenv(f"PIXVERVE_JUDGE_{what}", raising=False)
        monkeypatch.delenv(f"PIXVERVE_CHAT_{what}", raising=False)
    monkeypatch.delenv("PIXVERVE_PROMPTS", raising=False)
    with fake_chat_server() as server:
        server.usual = rates
        monkeypatch.setenv("PIXVERVE_JUDGE_URL", server.base)
        yield server


@pytest.fixture
def judge(server, tmp_path):
    return endpoint_judge.from_environment(tmp_path / "replies")


def size(url):
    return simplejpeg.decode_jpeg(base64.b64decode(url.partition(",")[2])).shape[:2]


def test_a_picture_is_rated_in_one_global_and_ten_local_rounds_and_nothing_is_asked_twice(server, judge):
    scores = msfi.measure(PICTURE, judge, NANO)
    assert (scores["global"], scores["local"], scores["missing"]) == (45 / 12, 43 / 14, 0)
    assert scores["msfi"] == pytest.approx(45 / 12 * (1 + 43 / 14 / 5))
    assert [scores[key] for key in judging.LOCAL] == [5, 4, 3, 2, 1] and scores["ch"] == 2
    assert ics.measure(PICTURE, "A cat.", judge)["ics"] == pytest.approx(0.6**0.5 * 8.4)
    assert len(server.asked) == 12 and msfi.measure(PICTURE, judge, NANO) == scores and len(server.asked) == 12
    assert judge.usage()["requests"] == 12 and judge.maker == "Qwen3.5-35B-A3B at endpoint"


def test_a_local_round_sends_the_patch_as_it_is_then_the_reduced_whole_and_the_place_in_words(server, judge):
    whole = np.random.default_rng(0).integers(0, 255, (1200, 2400, 3), np.uint8)
    patch = whole[:1024, 1200:2224]
    judge.rate_local(patch, whole, (0.5, 0, 0.92666666, 1024 / 1200))
    first, second = urls(server.asked[0])
    assert first == data_url(patch, 1024, 98) and size(first) == (1024, 1024) and size(second) == (1024, 2048)
    assert "[0.5000, 0.0000, 0.9267, 0.8533]" in said(server.asked[0])


def test_a_compliance_round_sends_the_whole_picture_and_the_caption_as_one_paragraph(server, judge):
    wide = np.zeros((100, 4000, 3), np.uint8)
    judge.rate_compliance(wide, 'A sign says\n "{region}".')
    judge.rate_global(wide)
    assert [size(url) for request in server.asked for url in urls(request)] == [(77, 3072), (51, 2048)]
    assert 'The caption: "A sign says "{region}"."' in said(server.asked[0])


def test_the_request_is_cool_asks_for_no_thinking_and_leaves_room_for_tags(server, judge, tmp_path):
    judge.rate_global(PICTURE)
    (asked,) = server.asked
    assert asked["model"] == "Qwen3.5-35B-A3B" and asked["temperature"] == 0.1 and "response_format" not in asked
    assert asked["chat_template_kwargs"] == {"enable_thinking": False}
    other = Multimodal(Service(server.base, "gemma-4", "none"), Replies(tmp_path))
    assert endpoint_judge.judge(other).rate_global(PICTURE) == {"sc_global": 4, "pi": 5, "lc": 3, "ch": 2}
    assert "chat_template_kwargs" not in server.asked[1], "a service that does not know the word may refuse it"


@pytest.mark.parametrize(("wrong", "reason"), [
    ({"TF": 6}, "TF"), ({"TF": 0}, "TF"), ({"TF": "4"}, "TF"), ({"TF": 3.5}, "TF"), ({"TF": None}, "TF"),
])
def test_a_rating_that_is_no_whole_number_of_the_scale_is_refused_and_in_the_end_missing(server, judge, wrong, reason):
    server.usual = tagged(LOCAL | wrong)
    failed = judge.rate_local(PICTURE[:9], PICTURE, (0, 0, 1, 1))
    assert isinstance(failed, Failed) and reason in failed.reason and len(server.asked) == 3
    server.plan = [tagged({"TF": 3}), tagged(LOCAL)]
    assert judge.rate_local(PICTURE[:9], PICTURE, (0, 0, 1, 1))["tf"] == 3, "asked again, a key must not be left out"


def test_a_service_that_fails_makes_rounds_missing_and_a_later_run_asks_only_those(server, judge):
    server.plan = [tagged(GLOBAL)] + [refuses(400)] * 4
    scores = msfi.measure(PICTURE, judge, NANO)
    assert scores["missing"] == 4 and scores["local"] == 43 / 14 and "400" in scores["why"]
    asked = len(server.asked)
    assert msfi.measure(PICTURE, judge, NANO)["missing"] == 0 and len(server.asked) == asked + 4


def test_asking_again_has_replies_of_its_own_and_shows_the_spread(server, tmp_path, monkeypatch):
    server.plan = [tagged(GLOBAL | {"PI": rating}) for rating in (3, 4, 5)]
    for _ in range(2):
        found = endpoint_judge.repeated(3, lambda judge: judge.rate_global(PICTURE), tmp_path)
        assert found["pi"] == (4.0, 1.0, 3, 0) and found["ch"].deviation == 0 and len(server.asked) == 3
    monkeypatch.delenv("PIXVERVE_JUDGE_URL")
    with pytest.raises(EndpointError, match="set PIXVERVE_JUDGE_URL"):
        endpoint_judge.repeated(3, lambda judge: judge.rate_global(PICTURE), tmp_path)
    kept = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    assert sorted(one["parameters"].get("repeat", 0) for one in kept) == [0, 1, 2]
    assert all("<json>" in one["replies"][0] and "A bent horizon." in one["replies"][0] for one in kept)


def test_other_prompts_or_settings_make_another_judge(server, tmp_path, monkeypatch):
    model = Multimodal(Service(server.base, "Qwen/qwen3.5-35b-a3b", "none"), Replies(tmp_path))
    ours, second = endpoint_judge.judge(model), endpoint_judge.judge(model, repeat=1)
    (tmp_path / "fidelity_local.txt").write_text("version: mine\nRate {region}.\n")
    other = endpoint_judge.judge(model, str(tmp_path))
    assert ours.version == endpoint_judge.judge(model).version and ours.genuine
    monkeypatch.setattr(endpoint_judge, "COMPLIANCE", Settings(long_side=1024))
    smaller = endpoint_judge.judge(model)
    assert len({judge.version for judge in (ours, second, other, smaller)}) == 4
    assert (ours.note, other.note) == (endpoint_judge.OUR_WORDS, "prompts of PIXVERVE_PROMPTS: fidelity_local")
    assert not endpoint_judge.judge(Multimodal(Service("", "gemma-4", ""), Replies(tmp_path))).genuine


def test_options_that_are_off_rename_no_reply_that_was_kept_before_they_existed():
    assert Settings(temperature=0).parameters() == {
        "long_side": 2048, "quality": 98, "temperature": 0, "max_tokens": 4096}


def test_the_chat_model_judges_where_no_judge_is_named_and_neither_without_both(server, tmp_path, monkeypatch):
    def asked():
        model = endpoint_judge.from_environment(tmp_path).rate_global.args[0]
        return model.service.url, model.service.model, model.service.key

    for what, value in {"URL": "http://chat/v1", "MODEL": "chatty", "KEY": "sk-chat"}.items():
        monkeypatch.setenv(f"PIXVERVE_CHAT_{what}", value)
    assert asked() == (server.base, "Qwen3.5-35B-A3B", "none")
    monkeypatch.setenv("PIXVERVE_JUDGE_KEY", "two words")
    with pytest.raises(EndpointError, match="PIXVERVE_JUDGE_KEY holds characters"):
        asked()
    monkeypatch.delenv("PIXVERVE_JUDGE_URL")
    assert asked() == ("http://chat/v1", "chatty", "sk-chat")
    monkeypatch.delenv("PIXVERVE_CHAT_URL")
    assert endpoint_judge.from_environment(tmp_path) is None


def test_json_without_its_tags_is_no_answer(server, judge):
    server.usual = says(json.dumps(GLOBAL))
    answer = judge.rate_global(PICTURE)
    assert isinstance(answer, Failed) and "no JSON between <json> and </json>" in answer.reason
    complaint = server.asked[1]["messages"][-1]["content"]
    assert complaint.endswith("in English, with the JSON object between <json> and </json>.")

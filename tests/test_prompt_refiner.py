"""The prompt refiner and the pairwise judge at an endpoint, against a local server, and the refiner's stand-in."""
import json

import numpy as np
import pytest
from fake_chat_server import fake_chat_server, said, says, urls

from pixverve_lib.models import pairwise_judge, prompt_refiner
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.endpoint import EndpointError, Service
from pixverve_lib.models.multimodal import Multimodal
from pixverve_lib.models.replies import Replies
from pixverve_lib.scenes import primer

GOOD = " ".join(["the quiet harbour lies under a pale morning sky and"] * 6)  # 60 words
RED, BLUE = (np.full((8, 12, 3), colour, np.uint8) for colour in ((200, 40, 90), (20, 40, 190)))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("PIXVERVE_CHAT_URL", "PIXVERVE_CHAT_MODEL", "PIXVERVE_JUDGE_URL", "PIXVERVE_PROMPTS"):
        monkeypatch.delenv(name, raising=False)
    with fake_chat_server() as server:
        yield server


def model(server, folder):
    return Multimodal(Service(server.base, "chat-1", "none"), Replies(folder))


def refines(text):
    return says(json.dumps({"refined": text}))


def prefers(preferred, a, b):
    return says(json.dumps({"preferred": preferred, "a_score": a, "b_score": b, "reasons": "clearer"}))


@pytest.mark.parametrize("bad", ["too short", GOOD * 2, GOOD.replace("the", "the\n", 1), f"1. {GOOD}", f'"{GOOD}"'])
def test_a_refined_prompt_of_another_form_is_asked_for_again(server, tmp_path, bad):
    server.plan, server.usual = [refines(bad)], refines(GOOD)
    assert prompt_refiner.by_model(model(server, tmp_path)).refine("harbour\nat dawn") == GOOD
    assert len(server.asked) == 2 and "harbour at dawn" in said(server.asked[0])


def test_failures_are_counted_and_named_and_good_replies_come_from_disk(server, tmp_path):
    server.usual = refines("too short")
    server.plan, told = [refines(GOOD)], []
    refiner = prompt_refiner.by_model(model(server, tmp_path))
    first, second, third = prompt_refiner.refined(refiner, ["harbour", "a red ring", " "], told.append)
    assert first == GOOD and isinstance(second, Failed) and "2 words, not 55 to 100" in second.reason
    assert isinstance(third, Failed) and len(told) == 1 and told[0].startswith("2 of 3 prompts not refined, first 'a r")
    asked = len(server.asked)
    assert refiner.refine("harbour") == GOOD and len(server.asked) == asked


def test_without_an_endpoint_nobody_refines_but_built_in_prompts_have_their_true_long_caption(server, tmp_path):
    assert prompt_refiner.from_environment(tmp_path) is None and pairwise_judge.from_environment(tmp_path) is None
    prompt = primer.bench_prompts()[0]
    refiner = prompt_refiner.by_truth({prompt.short: prompt.long})
    assert refiner.refine(prompt.short) == prompt.long
    assert "PIXVERVE_CHAT_URL" in refiner.refine("a cat").reason


@pytest.mark.parametrize(("question", "shows_text"), [
    ("Aesthetics", False), ("Fine Details", False), ("Prompt Alignment", True), ("Overall Quality", True)])
def test_the_judge_sees_both_pictures_and_the_text_only_where_it_counts(server, tmp_path, question, shows_text):
    server.usual = prefers("B", 40, 70.5)
    judge = pairwise_judge.judge(model(server, tmp_path))
    assert judge(question, "a red ring", RED, BLUE) == "second"
    assert len(urls(server.asked[0])) == 2 and ("a red ring" in said(server.asked[0])) == shows_text
    assert urls(server.asked[0])[0] != urls(server.asked[0])[1]


def test_an_answer_that_contradicts_itself_is_asked_for_again_and_then_failed(server, tmp_path):
    server.usual = prefers("A", 10, 90)
    answer = pairwise_judge.judge(model(server, tmp_path))("Aesthetics", "", RED, BLUE)
    assert isinstance(answer, Failed) and "prefers A but scores 10 to 90" in answer.reason and len(server.asked) == 3


def test_all_questions_of_the_related_papers_have_a_prompt_and_others_are_refused(server, tmp_path):
    from pixverve_lib.bench.preference_judging import QUESTIONS
    assert {question for each in QUESTIONS.values() for question in each} == set(pairwise_judge.PROMPT_OF)
    with pytest.raises(EndpointError, match="no prompt for 'Taste'"):
        pairwise_judge.judge(model(server, tmp_path))("Taste", "", RED, BLUE)

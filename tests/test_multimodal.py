"""Questions to a chat model: what is sent, what is believed, what is kept, and what happens when nobody answers."""

import base64
import json
import logging
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import simplejpeg
from fake_chat_server import broken, fake_chat_server, hang, refuses, says, urls
from pydantic import Field

from pixverve_lib.models import multimodal
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.endpoint import EndpointError, Service
from pixverve_lib.models.multimodal import Multimodal, Prompt, Settings, data_url, load_prompt
from pixverve_lib.models.replies import English, Form, Replies

KEY = "sk-s3cret-0123"
PROMPT = Prompt("rate", "1", "Rate it. JSON: {number}")
PICTURE = np.full((8, 12, 3), (200, 40, 90), np.uint8)
GOOD = '{"rating": 4, "why": "sharp edges"}'


class Rating(Form):
    rating: Annotated[int, Field(ge=1, le=5)]
    why: English


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_chat_server() as server:
        server.usual = says(GOOD)
        yield server


def model(server, folder, notify=print, **service):
    return Multimodal(Service(server.base, "judge-1", KEY, **service), Replies(folder, notify))


@pytest.mark.parametrize("text", [
    GOOD,
    f"```json\n{GOOD}\n```",
    f"<think>{{\"rating\": 1, \"why\": \"draft\"}}</think>Of course! {GOOD} Anything {{else}}?",
    f'An example is {{"rating": 9, "why": "x"}}. <json>{GOOD}</json>',
])
def test_prose_fences_and_thinking_around_the_json_do_no_harm(server, tmp_path, text):
    server.usual = says(text)
    assert model(server, tmp_path).ask(PROMPT, [PICTURE], Rating) == Rating(rating=4, why="sharp edges")
    assert len(server.asked) == 1


@pytest.mark.parametrize(("text", "complaint"), [
    ("I would rather not.", "no whole JSON"),
    ("", "no whole JSON"),
    ('{"rating": 4}', "why: Field required"),
    ('{"rating": 6, "why": "sharp"}', "rating: .*less than or equal to 5"),
    ('{"rating": "4", "why": "sharp"}', "rating: .*integer"),
    ('{"rating": NaN, "why": "sharp"}', "rating"),
    ('{"rating": 4, "why": "边缘清晰"}', "why: .*not English"),
    ('{"rating": 4, "why": "' + "Die Kanten sind scharf und das Licht ist weich, " * 4 + '"}', "why: .*not English"),
])
def test_a_bad_reply_is_sent_back_with_what_is_wrong_and_three_of_them_are_a_failure(server, tmp_path, text, complaint):
    server.plan = [says(text)]
    client = model(server, tmp_path)
    assert client.ask(PROMPT, [PICTURE], Rating).rating == 4
    first, second = server.asked
    assert second["messages"][:1] == first["messages"]
    assert second["messages"][1]["content"] == (text or "(nothing)")
    server.usual = says(text)
    failed = client.ask(PROMPT, [PICTURE[:4]], Rating)
    assert isinstance(failed, Failed) and len(server.asked) == 2 + 3
    assert re.search(complaint, failed.reason)


def test_a_reply_cut_short_is_named_as_such(server, tmp_path):
    server.usual = says(GOOD[:20], finish="length")
    assert "cut off after 4096 tokens" in model(server, tmp_path).ask(PROMPT, [PICTURE], Rating).reason


def test_a_busy_or_broken_service_is_asked_again(server, tmp_path):
    server.plan = [refuses(429), refuses(503), refuses(500)]
    client = model(server, tmp_path)
    assert client.ask(PROMPT, [PICTURE], Rating).rating == 4
    assert client.usage.counts() == {
        "requests": 1, "from_disk": 0, "failed": 0, "prompt_tokens": 100, "completion_tokens": 10,
    }


def test_a_service_that_hangs_or_talks_nonsense_or_is_gone_is_a_failure_with_one_line(server, tmp_path):
    server.plan = [hang, hang, broken]
    client = model(server, tmp_path, timeout=0.3, retries=1)
    silent, nonsense = (client.ask(PROMPT, [PICTURE[:rows]], Rating) for rows in (1, 2))
    assert "judge-1: APITimeoutError" in silent.reason and "judge-1: " in nonsense.reason
    assert client.ask(PROMPT, [PICTURE[:3]], Rating).rating == 4, "the rest goes on"
    gone = Multimodal(Service("http://127.0.0.1:9/v1", "judge-1", KEY, retries=0), Replies(tmp_path))
    assert "APIConnectionError" in gone.ask(PROMPT, [PICTURE[:4]], Rating).reason
    assert client.usage.counts()["failed"] == 2
    assert not any("\n" in failed.reason for failed in (silent, nonsense))


def test_a_service_that_cannot_be_reached_is_left_alone_for_a_while(server, tmp_path, monkeypatch):
    clock, replies = [0.0], Replies(tmp_path)
    monkeypatch.setattr(multimodal.time, "monotonic", lambda: clock[0])
    client = Multimodal(Service("http://127.0.0.1:9/v1", "judge-1", KEY, retries=0), replies, patience=2)
    reasons = [client.ask(PROMPT, [PICTURE[:rows]], Rating).reason for rows in (1, 2, 3)]
    assert ["not asked" in reason for reason in reasons] == [False, False, True]
    assert reasons[2] == "judge-1: endpoint not reachable, not asked" and client.usage.counts()["failed"] == 3
    client.service = Service(server.base, "judge-1", KEY)
    assert isinstance(client.ask(PROMPT, [PICTURE], Rating), Failed) and not server.asked
    clock[0] = multimodal.PAUSE
    assert client.ask(PROMPT, [PICTURE], Rating).rating == 4, "it is there again"
    server.plan = [refuses(400)] * 3
    refused = [client.ask(PROMPT, [PICTURE[:rows]], Rating) for rows in (1, 2, 3)]
    assert all("400" in failed.reason for failed in refused), "who refuses can be reached"


def test_make_clean_leaves_what_was_paid_for(tmp_path):
    shutil.copy(Path(__file__).parents[1] / "Makefile", tmp_path)
    for name in ("replies/ab/1.json", "weights/head.pth", "pnm/a.pnm", "../runs/a.csv"):
        path = tmp_path / ".cache" / name
        path.parent.mkdir(parents=True)
        path.touch()
    for _ in range(2):
        subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
        left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
        assert left == [".cache/replies/ab/1.json", ".cache/weights/head.pth", "Makefile"]
    shutil.rmtree(tmp_path / ".cache")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)


def test_the_key_is_in_no_file_no_log_and_no_reason_even_if_the_service_repeats_it(server, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    client = model(server, tmp_path, retries=0)
    server.plan = [refuses(401), says(f"Your key is {KEY}"), says(GOOD.replace("sharp edges", f"it says {KEY}"))]
    refused, answered = client.ask(PROMPT, [PICTURE], Rating), client.ask(PROMPT, [PICTURE], Rating)
    assert "no: Bearer ***" in refused.reason and answered.why == "it says ***"
    told = caplog.text + "".join(capfd.readouterr()) + repr((refused, answered, client.service, client.usage))
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1 and KEY not in told + "".join(files)


def test_an_answer_is_paid_for_once_and_anything_else_in_the_question_makes_it_another(server, tmp_path):
    ask = model(server, tmp_path).ask
    for _ in range(2):
        assert model(server, tmp_path).ask(PROMPT, [PICTURE], Rating).rating == 4
    assert len(server.asked) == 1
    ask(Prompt("rate", "2", PROMPT.text), [PICTURE], Rating)
    ask(Prompt("rate", "1", "Rate it!"), [PICTURE], Rating)
    ask(PROMPT, [PICTURE + 1], Rating)
    ask(PROMPT, [PICTURE.reshape(12, 8, 3)], Rating)
    ask(PROMPT, [PICTURE], Rating, Settings(temperature=0.7))
    Multimodal(Service(server.base, "judge-2", KEY), Replies(tmp_path)).ask(PROMPT, [PICTURE], Rating)
    assert len(server.asked) == 7
    ask(PROMPT, [PICTURE], Rating)
    assert len(server.asked) == 7


def test_raw_replies_are_kept_with_what_was_asked_of_whom_and_a_failure_is_asked_again(server, tmp_path):
    server.plan = [says("no"), says("never"), refuses(401)]
    client = model(server, tmp_path)
    assert isinstance(client.ask(PROMPT, [PICTURE], Rating), Failed)
    (path,) = tmp_path.rglob("*.json")
    kept = json.loads(path.read_text())
    assert kept["replies"] == ["no", "never"] and kept["parameters"]["temperature"] == 0.1
    assert [kept[name] for name in ("model", "prompt", "version")] == ["judge-1", "rate", "1"]
    assert client.ask(PROMPT, [PICTURE], Rating).rating == 4
    assert json.loads(path.read_text())["replies"] == [GOOD]


def test_a_file_cut_short_is_named_removed_and_asked_again(server, tmp_path):
    said = []
    client = model(server, tmp_path, said.append)
    client.ask(PROMPT, [PICTURE], Rating)
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(path.read_bytes()[:-9])
    assert client.ask(PROMPT, [PICTURE], Rating).rating == 4
    assert len(server.asked) == 2 and len(said) == 1 and path.name in said[0]
    assert client.ask(PROMPT, [PICTURE], Rating).rating == 4 and len(server.asked) == 2


RUN = """
import sys, numpy as np
sys.path[:0] = [{tests!r}]
from test_multimodal import PICTURE, PROMPT, Rating, model
from types import SimpleNamespace
client = model(SimpleNamespace(base={base!r}), {folder!r})
for number in range(1, 7):
    client.ask(PROMPT, [PICTURE[:number]], Rating)
"""


def test_a_killed_run_asks_only_what_was_not_answered(server, tmp_path):
    server.plan = [says(GOOD)] * 3 + [hang]
    code = RUN.format(tests=str(Path(__file__).parent), base=server.base, folder=str(tmp_path))
    run = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    while len(server.asked) < 4 and run.poll() is None:
        time.sleep(0.02)
    run.kill()
    assert run.wait() == -9 and len(server.asked) == 4
    client = model(server, tmp_path)
    assert [client.ask(PROMPT, [PICTURE[:n]], Rating).rating for n in range(1, 7)] == [4] * 6
    assert len(server.asked) == 4 + 3, "the fourth, which the kill cut off, and the two that never were asked"
    assert client.usage.counts()["from_disk"] == 3


def test_many_threads_share_a_client_and_no_more_than_allowed_wait_for_the_service(server, tmp_path):
    at_once, most = [], []

    def watched(request, authorization):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.02)
        at_once.pop()
        return says(GOOD)(request, authorization)

    server.usual = watched
    client = Multimodal(Service(server.base, "judge-1", KEY), Replies(tmp_path), concurrency=2)
    pictures = [np.full((2, 2, 3), value, np.uint8) for value in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda picture: client.ask(PROMPT, [picture], Rating).rating, pictures))
    assert answers == [4] * 12 and max(most) <= 2
    assert client.usage.counts()["requests"] == 12 and client.usage.counts()["prompt_tokens"] == 1200


def test_pictures_go_as_jpeg_at_the_stated_long_side_and_are_never_enlarged(server, tmp_path):
    def shape(rgb, long_side, quality):
        head, _, data = data_url(rgb, long_side, quality).partition(",")
        assert head == "data:image/jpeg;base64"
        return simplejpeg.decode_jpeg(base64.b64decode(data)).shape

    tall = np.random.default_rng(0).integers(0, 255, (400, 20, 3), np.uint8)
    assert [shape(tall, side, 98) for side in (100, 10, 2048)] == [(100, 5, 3), (10, 1, 3), (400, 20, 3)]
    assert len(data_url(tall, 400, 98)) > 1.5 * len(data_url(tall, 400, 60))
    model(server, tmp_path).ask(PROMPT, [PICTURE, tall], Rating, Settings(long_side=100))
    assert urls(server.asked[0]) == [data_url(PICTURE, 100, 98), data_url(tall, 100, 98)]


def test_a_prompt_is_filled_once_and_braces_of_json_or_of_a_value_stay(tmp_path):
    prompt = Prompt("p", "1", 'On {a} and {b}: {"k": 1}')
    assert prompt.fill(a="{b}", b="y").text == 'On {b} and y: {"k": 1}'
    with pytest.raises(EndpointError, match=r"prompt p: its text lacks \{c\}"):
        prompt.fill(a="", c="")


def test_own_prompts_replace_ours_by_name_and_must_say_their_version(tmp_path):
    (tmp_path / "judge_patch.txt").write_text("version: paper 1\nIs it good?\n")
    (tmp_path / "judge_instance.txt").write_text("Is it good?\n")
    assert load_prompt("judge_patch", tmp_path) == Prompt("judge_patch", "paper 1", "Is it good?")
    assert load_prompt("prune_tags", tmp_path) == load_prompt("prune_tags")
    with pytest.raises(EndpointError, match="judge_instance.txt: the first line must say"):
        load_prompt("judge_instance", tmp_path)
    with pytest.raises(EndpointError, match="no folder with prompts at nowhere"):
        load_prompt("judge_patch", "nowhere")

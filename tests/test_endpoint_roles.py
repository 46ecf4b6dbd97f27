"""The annotators of Sec. 3.1.5 played by a chat model, against a local server that speaks the OpenAI protocol."""

import numpy as np
import pytest
from fake_chat_server import fake_chat_server, refuses, said, says, urls

from pixverve_lib.models import endpoint_roles
from pixverve_lib.models.annotation import DIMENSIONS, Box, Description, Failed, Judgement, Tag
from pixverve_lib.models.endpoint import EndpointError

PICTURE = np.full((30, 40, 3), (90, 120, 60), np.uint8)
APPLE = Box("red apple", top=0.2, left=0.1, bottom=0.6, right=0.3, score=0.8)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("KEY", "PROMPTS"):
        monkeypatch.delenv(f"PIXVERVE_{name}", raising=False)
        monkeypatch.delenv(f"PIXVERVE_CHAT_{name}", raising=False)
    with fake_chat_server() as server:
        monkeypatch.setenv("PIXVERVE_CHAT_URL", server.base)
        monkeypatch.setenv("PIXVERVE_CHAT_MODEL", "Qwen3-VL-235B")
        yield server


@pytest.fixture
def roles(server, tmp_path):
    return endpoint_roles.from_environment(tmp_path / "replies")


def test_a_picture_goes_from_tags_to_captions_and_every_part_names_the_model(server, roles):
    tags = roles.tag(PICTURE)
    assert tags == [Tag("red apple", 0.9), Tag("calm mood", 0.4)]
    kept = roles.prune(tags)
    assert kept == [Tag("red apple", 0.9)], "what the model drops is dropped, what it makes up is not added"
    assert roles.find(PICTURE, kept) == [APPLE]
    described = roles.describe(PICTURE[:9], PICTURE, "red apple")
    assert described == Description("A red apple.", 0.9, {"colour": "red"})
    aesthetics = roles.analyse(PICTURE)
    assert tuple(aesthetics) == DIMENSIONS
    long = roles.long_caption(PICTURE, [Description("A fly.", 0.2), described], aesthetics)
    assert long == roles.short_caption(PICTURE, long) == "A red apple on a table."
    assert roles.judge_patch(PICTURE) == roles.judge_instance(PICTURE) == Judgement(True, ("doubled edge",))
    made = [role.maker for role in vars(roles).values() if hasattr(role, "maker")]
    assert made == ["Qwen3-VL-235B at endpoint"] * 9 and roles.segment is None
    assert roles.usage()["requests"] == len(server.asked) == 9


def test_the_questions_carry_the_pictures_and_what_earlier_steps_found(server, roles):
    roles.find(PICTURE, [Tag("door", 1), Tag("{caption}", 1)])
    roles.describe(PICTURE[:9], PICTURE, "door")
    roles.long_caption(PICTURE, [Description("A fly.", 0.2), Description("A door.", 1)], {"emotion": "Calm."})
    roles.prune([Tag("door", 1)])
    assert [len(urls(request)) for request in server.asked] == [1, 2, 1, 0]
    find, describe, caption, prune = map(said, server.asked)
    assert '["door", "{caption}"]' in find and '"door"' in describe and '["door"]' in prune
    assert "- (1.0) A door.\n- (0.2) A fly." in caption and "- emotion: Calm." in caption


def test_nothing_is_asked_about_nothing(server, roles):
    assert roles.prune([]) == roles.find(PICTURE, []) == [] and not server.asked


FIND = '{"boxes": [{"label": "a", "box": %s, "score": 1}]}'


@pytest.mark.parametrize(("role", "question", "reply"), [
    ("find", (PICTURE, [Tag("apple", 1)]), FIND % [5, 0, 5, 9]),
    ("find", (PICTURE, [Tag("apple", 1)]), FIND % [5, 0, 1001, 9]),
    ("describe", (PICTURE, PICTURE, "a"), '{"description": "An apple.", "importance": 11, "attributes": {}}'),
    ("analyse", (PICTURE,), '{"analysis": {"composition & design": "Good."}}'),
    ("analyse", (PICTURE,), '{"analysis": {"charm": "Good."}}'),
    ("short_caption", (PICTURE, "long"), '{"caption": "一个红苹果"}'),
    ("tag", (PICTURE,), '{"tags": [{"name": "apple", "score": 9}]}'),
])
def test_an_answer_that_cannot_be_is_a_failure_not_a_number(server, roles, role, question, reply):
    server.usual = says(reply)
    assert isinstance(getattr(roles, role)(*question), Failed) and len(server.asked) == 3


def test_a_judge_that_fails_calls_nothing_good_or_bad(server, roles):
    server.usual = refuses(401)
    judgement = roles.judge_patch(PICTURE)
    assert judgement.bad is None and "AuthenticationError" in judgement.reasons[0]


def test_a_rerun_asks_nothing_and_own_prompts_are_asked_anew(server, roles, tmp_path, monkeypatch):
    roles.judge_patch(PICTURE)
    assert endpoint_roles.from_environment(tmp_path / "replies").judge_patch(PICTURE).bad
    assert len(server.asked) == 1
    (tmp_path / "judge_patch.txt").write_text('version: own\nIs it bad? {"bad": ...}')
    monkeypatch.setenv("PIXVERVE_PROMPTS", str(tmp_path))
    endpoint_roles.from_environment(tmp_path / "replies").judge_patch(PICTURE)
    assert len(server.asked) == 2 and said(server.asked[1]).startswith("Is it bad?")


def test_without_an_endpoint_there_are_no_roles_and_half_of_one_is_named(server, tmp_path, monkeypatch):
    monkeypatch.delenv("PIXVERVE_CHAT_MODEL")
    with pytest.raises(EndpointError, match="set PIXVERVE_CHAT_MODEL "):
        endpoint_roles.from_environment(tmp_path)
    monkeypatch.setenv("PIXVERVE_CHAT_URL", " ")
    assert endpoint_roles.from_environment(tmp_path) is None


def test_odd_pictures_are_asked_about_like_any_other(server, roles):
    for shape in ((1, 20), (1, 1), (3000, 2)):
        assert roles.judge_instance(np.full((*shape, 3), 128, np.uint8)).bad is True

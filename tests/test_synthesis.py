"""Prompts and pictures from a local server that speaks the OpenAI protocol."""

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from pixverve_lib.curation.sources import SourceError, open_source
from pixverve_lib.curation.synthesis import synthesize
from pixverve_lib.models.endpoint import Endpoint, EndpointError

KEY = "sk-s3cret"


def _png() -> str:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "coral").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        service = self.server.service
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = "chat" if self.path.endswith("/chat/completions") else "image"
        service.asked.append((kind, request))
        status, reply = 401, {"error": {"message": f"bad key {self.headers['Authorization']}"}}
        if self.headers["Authorization"] == f"Bearer {KEY}":
            status, reply = service.plans[kind].pop(0) if service.plans[kind] else (200, service.answer(kind))
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(body)


class FakeService:
    """`plans`: answers given before the ordinary ones; `drawn` and `written` count."""

    def __init__(self):
        self.asked, self.plans, self.written = [], {"chat": [], "image": []}, 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.service = self
        self.base = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, kind):
        if kind == "image":
            return {"created": 0, "data": [{"b64_json": _png()}]}
        self.written += 3
        return says(json.dumps({"prompts": [f"A heron, study {n}" for n in range(self.written - 3, self.written)]}))

    def count(self, kind):
        return sum(one == kind for one, _ in self.asked)


def says(text):
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "writer", "choices": [message]}


@pytest.fixture
def service(monkeypatch):
    fake = FakeService()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for kind, model in (("CHAT", "writer-1"), ("IMAGE", "painter-1")):
        monkeypatch.setenv(f"PIXVERVE_{kind}_URL", fake.base)
        monkeypatch.setenv(f"PIXVERVE_{kind}_KEY", KEY)
        monkeypatch.setenv(f"PIXVERVE_{kind}_MODEL", model)
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


def test_prompts_become_pictures_at_4k_that_carry_their_prompt_and_model(service, tmp_path):
    found = list(open_source("synthesized:5", tmp_path))
    assert [picture.caption for picture in found] == [f"A heron, study {n}" for n in range(5)]
    assert {(one.source, one.licence) for one in found} == {("synthesized: painter-1", "synthesized")}
    sizes = {request["size"] for kind, request in service.asked if kind == "image"}
    assert sizes == {"4096x4096"}
    with Image.open(found[0].path) as picture:
        assert picture.format == "PNG" and Path(found[0].path).suffix == ".png"
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_stopped_run_goes_on_and_asks_for_nothing_twice(service, tmp_path):
    list(islice(open_source("synthesized:5", tmp_path), 2))
    prompts = service.count("chat")
    first = [picture.path for picture in open_source("synthesized:5", tmp_path)]
    assert (service.count("image"), service.count("chat")) == (5, prompts)
    assert [picture.path for picture in open_source("synthesized:5", tmp_path)] == first
    assert service.count("image") == 5


def test_duplicates_are_dropped_and_a_busy_or_confused_writer_is_asked_again(service):
    twice = '```json\n{"prompts": ["A fox", "A  fox", " An owl ", "", "Seen"]}\n```'
    busy = (429, {"error": {"message": "slow down"}})
    service.plans["chat"] = [busy, (200, says("I would rather not.")), (500, {}), (200, says(twice))]
    assert Endpoint.from_environment().write_prompts(5, avoid=["Seen"]) == ["A fox", "An owl"]
    assert service.count("chat") == 4


def test_a_writer_that_never_gives_json_or_only_repeats_itself_is_one_clear_line(service, tmp_path):
    service.plans["chat"] = [(200, says('{"prompts": "one"}'))] * 3
    with pytest.raises(EndpointError, match="3 replies without a JSON list"):
        Endpoint.from_environment().write_prompts(2)
    service.plans["chat"] = [(200, says('{"prompts": ["A fox"]}'))] * 9
    with pytest.raises(SourceError, match="repeats itself after 1 of 3"):
        list(open_source("synthesized:3", tmp_path))


def test_a_declined_prompt_is_reported_and_the_rest_goes_on(service, tmp_path):
    not_a_picture = {"created": 0, "data": [{"b64_json": base64.b64encode(b"<html>").decode()}]}
    service.plans["image"] = [(400, {"error": {"message": "declined"}}), (200, not_a_picture)]
    missed = []
    found = list(synthesize(4, Endpoint.from_environment(), tmp_path, missed.append))
    assert len(found) == 2 and [one.kind for one in missed] == ["failed", "failed"]
    assert "declined" in missed[0].reason and "no PNG" in missed[1].reason
    assert len(list(synthesize(4, Endpoint.from_environment(), tmp_path))) == 4


def test_a_wrong_key_stops_after_three_pictures_and_is_never_shown(service, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PIXVERVE_IMAGE_KEY", "sk-wrong")
    with pytest.raises(SourceError, match="3 pictures in a row failed") as error:
        list(open_source("synthesized:5", tmp_path))
    assert service.count("image") == 3
    assert "sk-wrong" not in str(error.value) + "".join(capfd.readouterr()) + repr(Endpoint.from_environment())


def test_without_an_endpoint_the_missing_variables_are_named(service, tmp_path, monkeypatch):
    monkeypatch.delenv("PIXVERVE_IMAGE_URL")
    monkeypatch.setenv("PIXVERVE_CHAT_KEY", "")
    with pytest.raises(SourceError, match="set PIXVERVE_CHAT_KEY, PIXVERVE_IMAGE_URL "):
        open_source("synthesized:5", tmp_path)
    monkeypatch.setenv("PIXVERVE_IMAGE_URL", service.base)
    monkeypatch.setenv("PIXVERVE_CHAT_KEY", "sk-\nbroken")
    with pytest.raises(SourceError, match="PIXVERVE_CHAT_KEY holds") as error:
        open_source("synthesized:5", tmp_path)
    assert "broken" not in str(error.value)

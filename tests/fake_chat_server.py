"""A local chat server that speaks the OpenAI protocol and answers as told: well, badly, slowly, or not at all."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAKE_UP = {  # a word of our prompts -> an answer of the form that it asks for
    '{"tags"': {"tags": [{"name": "Red apple", "score": 0.9}, {"name": "calm mood", "score": 0.4}]},
    '{"keep"': {"keep": ["red apple", "unicorn"]},
    '{"boxes"': {"boxes": [{"label": "Red apple", "box": [100, 200, 300, 600], "score": 0.8}]},
    '{"description"': {"description": "A red apple.", "importance": 9, "attributes": {"colour": "red"}},
    '{"analysis"': {"analysis": {name: f"On {name}." for name in (
        "composition & design", "visual elements & structure", "technical execution", "originality & creativity",
        "theme & communication", "emotion & viewer response",
    )}},
    '{"caption"': {"caption": "A red  apple on a table."},
    '{"bad"': {"bad": True, "reasons": ["doubled edge"]},
}


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server.chat
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.asked.append(request)
            answer = server.plan.pop(0) if server.plan else server.usual
        if answer is hang:
            server.released.wait(20)
            return
        status, body = answer(request, self.headers["Authorization"])
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(body)


class FakeChatServer:
    """`plan`: answers to come before the usual ones; `asked`: every request; `base`: the address."""

    def __init__(self):
        self.asked, self.plan, self.usual = [], [], well
        self.lock, self.released = threading.Lock(), threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.chat = self
        self.base = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def fake_chat_server():
    server = FakeChatServer()
    try:
        yield server
    finally:
        server.close()


def says(text, finish="stop"):
    """An answer: this text, whatever was asked."""
    message = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    reply = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [message], "usage": usage}
    return lambda request, authorization: (200, json.dumps(reply).encode())


def refuses(status):
    """An answer: an HTTP error that repeats the key, as careless servers do."""
    return lambda request, authorization: (status, json.dumps({"error": {"message": f"no: {authorization}"}}).encode())


def broken(request, authorization):
    """An answer that is no chat completion."""
    return 200, b'{"choices": null}'


def hang(request, authorization):
    """No answer at all."""


def well(request, authorization):
    """An answer of the form that the first message asks for."""
    text = said(request)
    return says(json.dumps(next(answer for word, answer in MAKE_UP.items() if word in text)))(request, authorization)


def said(request):
    """The text of the first message."""
    return next(part["text"] for part in request["messages"][0]["content"] if part["type"] == "text")


def urls(request):
    """The addresses of its pictures."""
    return [part["image_url"]["url"] for part in request["messages"][0]["content"] if part["type"] == "image_url"]

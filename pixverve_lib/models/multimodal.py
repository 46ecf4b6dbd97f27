"""Questions with pictures to a chat model elsewhere (OpenAI protocol), whose answers are JSON of a given form.

Pictures travel as JPEG data URLs. Busy, broken and silent services are asked again by the openai package with growing
pauses; a reply of the wrong form is sent back with what is wrong in it. A question ends as an answer or as `Failed`.
"""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.endpoint import EndpointError, Service
from pixverve_lib.models.replies import Answer, Record, Replies, parse

PROMPTS = Path(__file__).parent / "prompts"
ATTEMPTS = 3  # at a reply of the wrong form
AGAIN = "Your reply cannot be used ({}). Answer the first message again, in English, with {}."
PAUSE = 600  # seconds that a service is left alone which could not be reached; not in paper: choice


@dataclass(frozen=True)
class Prompt:
    """The text of a question; {names} in it are filled in. Name and version are kept beside each reply."""

    name: str
    version: str
    text: str

    def fill(self, **values: str) -> "Prompt":
        """Every {name} replaced by its value, once: braces in a value stay. Raises EndpointError for no place."""
        if missing := [name for name in values if f"{{{name}}}" not in self.text]:
            raise EndpointError(f"prompt {self.name}: its text lacks {{{missing[0]}}}; put it where the value belongs")
        places = re.compile("|".join(rf"\{{{name}\}}" for name in values))
        return replace(self, text=places.sub(lambda place: values[place[0][1:-1]], self.text))


def load_prompt(name: str, folder: str | Path = "") -> Prompt:
    """`name`.txt of the folder, ours where the folder has none; its first line is `version: ...`.

    Raises EndpointError for a file without that line, or a folder that is not there.
    """
    if folder and not Path(folder).is_dir():
        raise EndpointError(f"no folder with prompts at {folder}: correct or unset PIXVERVE_PROMPTS")
    path = next(path for path in (Path(folder or PROMPTS) / f"{name}.txt", PROMPTS / f"{name}.txt") if path.is_file())
    first, _, text = path.read_text(encoding="utf-8").partition("\n")
    if not (version := re.fullmatch(r"version: *(\S.*?)\s*", first)):
        raise EndpointError(f"{path}: the first line must say `version: 1` or the like, so that old replies stay apart")
    return Prompt(name, version[1], text.strip())


@dataclass(frozen=True)
class Settings:
    """How a question is put. Sizes in pixels; a picture smaller than long_side goes as it is."""

    long_side: int = 2048  # not in paper: that of its released evaluation code
    quality: int = 98  # JPEG, 4:4:4; not in paper: as above
    temperature: float = 0.1  # not in paper: as above
    max_tokens: int = 4096  # not in paper: choice, several times the longest caption
    tags: bool = False  # the JSON must stand inside <json> tags, which a service in its JSON mode could not write
    no_thinking: bool = False  # what Qwen's chat template understands; other services may refuse it as unknown
    repeat: int = 0  # the same question asked for the second time is 1, and has a reply of its own

    def parameters(self) -> dict[str, int | float]:
        """What is kept beside a reply: options that are off are left out, so that a new one renames no older reply."""
        return {name: value for name, value in asdict(self).items() if value or name == "temperature"}

    def again(self, wrong: str) -> str:
        """What is said to a reply that cannot be used."""
        place = "the JSON object between <json> and </json>" if self.tags else "the JSON object alone"
        return AGAIN.format(wrong, place)

    def options(self) -> dict:
        """The request's arguments beside model and messages."""
        options = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        if not self.tags:
            options["response_format"] = {"type": "json_object"}
        if self.no_thinking:
            options["extra_body"] = {"chat_template_kwargs": {"enable_thinking": False}}
        return options


@dataclass
class Usage:
    """What was asked so far: requests sent (repeats inside the openai package apart), answers from disk, tokens."""

    requests: int = 0
    from_disk: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **counts: int) -> None:
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def counts(self) -> dict[str, int]:
        with self._lock:
            return {name: count for name, count in vars(self).items() if isinstance(count, int)}


class _Line:
    """Whether a service is worth a try: not for PAUSE seconds after `patience` questions in a row found no connection.
    """

    def __init__(self, patience: float):
        self._patience, self._lost, self._until, self._lock = patience, 0, -inf, threading.Lock()

    def open(self) -> bool:
        return time.monotonic() >= self._until

    def tell(self, reached: bool) -> None:
        with self._lock:
            self._lost = 0 if reached else self._lost + 1
            self._until = time.monotonic() + PAUSE if self._lost >= self._patience else -inf


class Multimodal:
    """A chat model that sees. `ask` may be called from many threads; at most `concurrency` wait for the service.

    patience: so many questions in a row may find no connection before others fail at once, for PAUSE seconds.
    """

    def __init__(self, service: Service, replies: Replies, concurrency: int = 8, patience: float = inf):
        self.service, self.replies, self.usage, self._line = service, replies, Usage(), _Line(patience)
        self._slots = threading.BoundedSemaphore(concurrency)

    def ask(
        self, prompt: Prompt, pictures: Sequence[np.ndarray], form: type[Answer], settings: Settings | None = None
    ) -> Answer | Failed:
        """The answer to a filled prompt about pictures  # H W 3 uint8; from disk if it was given before."""
        settings = settings or Settings()
        key = _key(self.service.model, prompt, pictures, settings)
        if (known := self._known(key, form, settings)) is not None:
            self.usage.add(from_disk=1)
            return known
        if not self._line.open():
            self.usage.add(failed=1)
            return Failed(f"{self.service.model}: endpoint not reachable, not asked")
        replies: list[str] = []
        answer = self._converse(_question(prompt, pictures, settings), form, settings, replies)
        if replies:
            record = Record(model=self.service.model, prompt=prompt.name, version=prompt.version,
                            parameters=settings.parameters(), replies=replies)
            self.replies.write(key, record)
        self.usage.add(failed=isinstance(answer, Failed))
        return answer

    def _known(self, key: str, form: type[Answer], settings: Settings) -> Answer | None:
        record = self.replies.read(key)
        try:
            return parse(_said(record.replies[-1], settings), form) if record else None
        except ValueError:  # it was no answer then, or is none to the form of now
            return None

    def _converse(self, question: list, form: type[Answer], settings: Settings, replies: list[str]) -> Answer | Failed:
        """Ask until a reply fits; raw replies are appended to `replies`."""
        from openai import APIConnectionError, OpenAIError

        messages = question
        for _ in range(ATTEMPTS):
            try:
                text, whole = self._reply(messages, settings)
                self._line.tell(reached=True)
            except (OpenAIError, AttributeError, IndexError, TypeError, ValueError) as error:
                self._line.tell(reached=not isinstance(error, APIConnectionError))
                return Failed(self.service.explain(error))
            replies.append(text)
            try:
                return parse(_said(text, settings), form)
            except ValueError as error:
                wrong = str(error) if whole else f"cut off after {settings.max_tokens} tokens"
            said = {"role": "assistant", "content": text or "(nothing)"}
            messages = [*question, said, {"role": "user", "content": settings.again(wrong)}]
        return Failed(f"{self.service.model}: {ATTEMPTS} replies that cannot be used, the last: {wrong}")

    def _reply(self, messages: list, settings: Settings) -> tuple[str, bool]:
        """What the model says, and whether it came to an end."""
        with self._slots:
            reply = self.service.client.chat.completions.create(
                model=self.service.model, messages=messages, **settings.options()
            )
        choice, used = reply.choices[0], reply.usage
        self.usage.add(requests=1, prompt_tokens=used.prompt_tokens if used else 0,
                       completion_tokens=used.completion_tokens if used else 0)
        return self._without_key(choice.message.content or ""), choice.finish_reason != "length"

    def _without_key(self, text: str) -> str:
        """A service that echoes the key must not bring it into files; a mere word as key stays a word."""
        key = self.service.key
        return text.replace(key, "***") if len(key) >= 8 and re.search(r"\d", key) else text


def _said(text: str, settings: Settings) -> str:
    """The part of a reply that counts: what stands between the last <json> tags, where those were asked for."""
    if not settings.tags:
        return text
    inside = re.findall(r"<json>(.*?)</json>", text, re.DOTALL | re.IGNORECASE)
    if not inside:
        raise ValueError("no JSON between <json> and </json>")
    return inside[-1]


def _key(model: str, prompt: Prompt, pictures: Sequence[np.ndarray], settings: Settings) -> str:
    """What an answer depends on, as one name; of the pictures the pixels, for encoders change."""
    seen = [[picture.shape, hashlib.sha256(np.ascontiguousarray(picture)).hexdigest()] for picture in pictures]
    parts = [model, prompt.name, prompt.version, prompt.text, seen, settings.parameters()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _question(prompt: Prompt, pictures: Sequence[np.ndarray], settings: Settings) -> list[dict]:
    urls = [data_url(picture, settings.long_side, settings.quality) for picture in pictures]
    seen = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"role": "user", "content": [*seen, {"type": "text", "text": prompt.text}]}]


def data_url(rgb: np.ndarray, long_side: int, quality: int) -> str:
    """The picture (H W 3 uint8) as a JPEG inside a URL, area-averaged to the long side where it is larger."""
    scale = long_side / max(rgb.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
        rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality, colorsubsampling="444")
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()

"""A thin client for models that live elsewhere and speak the OpenAI protocol: one writes prompts, one draws.

The paper uses GPT-5.1 and Nano Banana Pro (Sec. 3.1.1). Keys are sent to their address and shown nowhere.
"""

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import BaseModel, Field, ValidationError

MAX_RETRIES = 5  # of the openai package: 429, 5xx and broken connections, with growing pauses
TIMEOUT = 300  # seconds; a 4K picture takes its time
ATTEMPTS = 3  # at a reply of the wrong form
REQUEST = """Write {n} prompts for a text-to-image model, wide-ranging and expressive. Each is one English paragraph of
40 to 80 words that names the subject, its surroundings, materials and textures, light, viewpoint and style. No two may
share their subject: mix people, animals, landscapes, cities, interiors, food, objects, plants, weather, the abstract.
Reply with JSON only: {{"prompts": ["...", "..."]}}"""  # not in paper: its own instruction is not printed


class EndpointError(RuntimeError):
    """A service that is not configured, does not answer, or answers something else; one line, never with a key."""


class _Prompts(BaseModel):
    prompts: list[str] = Field(min_length=1)


@dataclass(frozen=True)
class Service:
    """One model behind an address."""

    url: str
    model: str
    key: str = field(repr=False)
    timeout: float = TIMEOUT
    retries: int = MAX_RETRIES

    @cached_property
    def client(self):
        from openai import OpenAI  # slow to import

        return OpenAI(base_url=self.url, api_key=self.key, max_retries=self.retries, timeout=self.timeout)

    def explain(self, error: Exception) -> str:
        """The error in one line, without the key even if the service sent it back."""
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return f"{self.model}: {line.replace(self.key, '***')[:300]}"


def services(*kinds: str, key: str = "", model: str = "") -> list[Service]:
    """Read PIXVERVE_{kind}_{URL,MODEL,KEY} for each kind; `key` and `model` stand for those that are not set.

    Raises EndpointError that names what is missing.
    """
    names = [f"PIXVERVE_{kind}_{what}" for kind in kinds for what in ("URL", "MODEL", "KEY")]
    usual = {"KEY": key, "MODEL": model}
    values = [os.environ.get(name, "").strip() or usual.get(name.rpartition("_")[2], "") for name in names]
    if missing := [name for name, value in zip(names, values, strict=True) if not value]:
        raise EndpointError(f"no endpoint: set {', '.join(missing)} (a local server takes any word as key)")
    for name, value in zip(names, values, strict=True):
        if name.endswith("KEY") and not re.fullmatch(r"[!-~]+", value):  # the HTTP client would print it
            raise EndpointError(f"{name} holds characters that no key has: set it again, without spaces in it")
    return [Service(*values[start : start + 3]) for start in range(0, len(values), 3)]


@dataclass(frozen=True)
class Endpoint:
    """A chat service and an image service."""

    chat: Service
    image: Service

    @classmethod
    def from_environment(cls) -> "Endpoint":
        """Read PIXVERVE_{CHAT,IMAGE}_{URL,KEY,MODEL}. Raises EndpointError that names what is missing."""
        return cls(*services("CHAT", "IMAGE"))

    def write_prompts(self, n: int, avoid: Sequence[str] = ()) -> list[str]:
        """Ask the chat model for n prompts, none of `avoid`; gives those that are distinct and new, at most n.

        Raises EndpointError when the service fails or its reply is of the wrong form three times.
        """
        request = REQUEST.format(n=n)
        if avoid:
            request += "\nDo not come back to the subjects of these:\n" + "\n".join(avoid)
        for _ in range(ATTEMPTS):
            try:
                written = _Prompts.model_validate_json(_between_braces(self._chat(request))).prompts
            except ValidationError as error:
                wrong = error.errors()[0]["msg"]
                continue
            distinct = dict.fromkeys(" ".join(prompt.split()) for prompt in written)
            return [prompt for prompt in distinct if prompt and prompt not in avoid][:n]
        raise EndpointError(f"{self.chat.model}: {ATTEMPTS} replies without a JSON list of prompts ({wrong})")

    def draw(self, prompt: str, size: tuple[int, int]) -> bytes:
        """Draw one picture of size (height, width) in pixels; gives the encoded file as the service sends it.

        Raises EndpointError when the service fails, declines the prompt, or sends no picture.
        """
        from openai import OpenAIError

        height, width = size
        try:
            reply = self.image.client.images.generate(
                model=self.image.model, prompt=prompt, size=f"{width}x{height}", n=1, response_format="b64_json"
            )
            return base64.b64decode(reply.data[0].b64_json, validate=True)
        except (OpenAIError, AttributeError, IndexError, TypeError, ValueError) as error:
            raise EndpointError(self.image.explain(error)) from None

    def _chat(self, request: str) -> str:
        from openai import OpenAIError

        try:
            reply = self.chat.client.chat.completions.create(
                model=self.chat.model,
                messages=[{"role": "user", "content": request}],
                response_format={"type": "json_object"},
            )
            return reply.choices[0].message.content or ""
        except (OpenAIError, AttributeError, IndexError, TypeError) as error:
            raise EndpointError(self.chat.explain(error)) from None


def _between_braces(text: str) -> str:
    """Some models wrap their JSON in a fence or a sentence."""
    return text[text.find("{") : text.rfind("}") + 1]

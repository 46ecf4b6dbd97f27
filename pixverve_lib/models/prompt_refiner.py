"""UltraFlux's prompt refiner (Supp. Sec. 12): a few words in, one long prompt out.

The paper asks GPT-4O for lists in one request; here each prompt is a request of its own, so that one bad reply spoils
one prompt. The words are ours (`prompts/refine_prompt.txt`; PIXVERVE_PROMPTS replaces them), English only.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import field_validator

from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.endpoint import services
from pixverve_lib.models.multimodal import Multimodal, Settings, load_prompt
from pixverve_lib.models.replies import English, Form, Replies

WORDS = (55, 100)  # UltraFlux Supp. Sec. 12
SETTINGS = Settings(temperature=0.7)  # not in paper: choice, a writer and no judge
BULLET = re.compile(r"\s*(?:[-*•]|\d+[.)])\s")
QUOTES = "\"“”«»„"


class _Refined(Form):
    refined: English

    @field_validator("refined")
    @classmethod
    def _one_line_of_the_right_length(cls, text: str) -> str:
        count = len(text.split())
        if "\n" in text or BULLET.match(text):
            raise ValueError("it must be one line without list or number")
        if any(mark in text for mark in QUOTES):
            raise ValueError("it must hold no quotation marks")
        if not WORDS[0] <= count <= WORDS[1]:
            raise ValueError(f"it has {count} words, not {WORDS[0]} to {WORDS[1]}")
        return text


Refine = Callable[[str], str | Failed]


@dataclass(frozen=True)
class Refiner:
    """name: who refines, for tables; refine: (prompt) -> refined prompt or Failed; note: what a reader must know."""

    name: str
    refine: Refine
    note: str = ""


def from_environment(cache_folder: str | os.PathLike) -> Refiner | None:
    """The refiner of PIXVERVE_CHAT_{URL,MODEL} (and _KEY, where the service wants one); None if neither is set.

    cache_folder keeps every reply. Raises EndpointError.
    """
    if not (os.environ.get("PIXVERVE_CHAT_URL", "").strip() or os.environ.get("PIXVERVE_CHAT_MODEL", "").strip()):
        return None
    (chat,) = services("CHAT", key="none")
    return by_model(Multimodal(chat, Replies(cache_folder)), os.environ.get("PIXVERVE_PROMPTS", ""))


def by_model(model: Multimodal, prompts_folder: str = "") -> Refiner:
    """A chat model as refiner; replies of another form or length are asked for again, three times in all."""
    prompt = load_prompt("refine_prompt", prompts_folder)

    def refine(text: str) -> str | Failed:
        words = " ".join(text.split())
        if not words:
            return Failed("an empty prompt cannot be refined")
        answer = model.ask(prompt.fill(prompt=words), [], _Refined, SETTINGS)
        return answer if isinstance(answer, Failed) else " ".join(answer.refined.split())
    return Refiner(f"{model.service.model} at endpoint", refine, "prompt in this kit's words")


def by_truth(long_of: Mapping[str, str]) -> Refiner:
    """The offline stand-in for built-in prompts: their long caption is looked up, nothing is written.

    long_of: {short caption: long caption}. It says no more than the truth and is far below 55 words.
    """
    def refine(text: str) -> str | Failed:
        return long_of.get(text) or Failed(f"not a built-in prompt, nobody to refine it: {text[:60]!r}; "
                                           "set PIXVERVE_CHAT_URL and PIXVERVE_CHAT_MODEL")
    return Refiner("looked up", refine, "the true long caption of a built-in scene, not a refiner's words")


def refined(refiner: Refiner, prompts: Sequence[str], notify: Callable[[str], None] = print) -> list[str | Failed]:
    """An answer for each prompt, in order. `notify` gets one line with the count and the first of the failures."""
    answers = [refiner.refine(prompt) for prompt in prompts]
    failed = [(prompt, answer.reason) for prompt, answer in zip(prompts, answers, strict=True)
              if isinstance(answer, Failed)]
    if failed:
        notify(f"{len(failed)} of {len(prompts)} prompts not refined, first {failed[0][0][:40]!r}: {failed[0][1]}")
    return answers

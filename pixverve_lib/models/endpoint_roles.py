"""The roles of Sec. 3.1.4-3.1.5 played by a multimodal chat model at an endpoint: all but the masks.

The paper has RAM++ for tags, Rex-Omni for boxes and ArtiMuse for the analysis; here the one configured model does these
too, and says so by its name. Prompts are files in `prompts/`, in our own words; PIXVERVE_PROMPTS names a folder whose
files of the same names replace them.
"""

import json
import os
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from pixverve_lib.models.annotation import DIMENSIONS, Aesthetics, Box, Description, Failed, Judgement, Role, Roles, Tag
from pixverve_lib.models.endpoint import services
from pixverve_lib.models.multimodal import Multimodal, Prompt, load_prompt
from pixverve_lib.models.replies import English, Form, Replies

THOUSANDTHS = 1000  # of the picture's sides: how Qwen-VL and others say where a box is
IMPORTANCE = 10  # the highest score; not in paper: choice, its scale is not printed
PROMPTS = (
    "tag_objects", "prune_tags", "find_objects", "describe_instance", "aesthetic_analysis", "long_caption",
    "short_caption", "judge_patch", "judge_instance",
)

Share = Annotated[float, Field(ge=0, le=1)]
Place = Annotated[int, Field(ge=0, le=THOUSANDTHS)]


class _Tag(Form):
    name: English
    score: Share


class _Tags(Form):
    tags: list[_Tag]


class _Kept(Form):
    keep: list[str]


class _Box(Form):
    label: English
    box: list[Place] = Field(min_length=4, max_length=4)
    score: Share

    @model_validator(mode="after")
    def _has_an_area(self):
        left, top, right, bottom = self.box
        if left >= right or top >= bottom:
            raise ValueError(f"box {self.box} is not left < right, top < bottom")
        return self


class _Boxes(Form):
    boxes: list[_Box]


class _Description(Form):
    description: English
    importance: int = Field(ge=1, le=IMPORTANCE)
    attributes: dict[str, str]  # writing in the picture may be in any language


class _Analysis(Form):
    analysis: dict[Literal[DIMENSIONS], English] = Field(min_length=len(DIMENSIONS))


class _Caption(Form):
    caption: English


class _Verdict(Form):
    bad: bool
    reasons: list[English]


def from_environment(cache_folder: str | os.PathLike) -> Roles | None:
    """Roles by the model of PIXVERVE_CHAT_{URL,MODEL} (and _KEY, where the service wants one); None if neither is set.

    cache_folder keeps every reply. Raises EndpointError when only one
    of the two is set, or PIXVERVE_PROMPTS is no folder with prompts.
    """
    if not (os.environ.get("PIXVERVE_CHAT_URL", "").strip() or os.environ.get("PIXVERVE_CHAT_MODEL", "").strip()):
        return None
    (chat,) = services("CHAT", key="none")
    return roles(Multimodal(chat, Replies(cache_folder)), os.environ.get("PIXVERVE_PROMPTS", ""))


def roles(model: Multimodal, prompts_folder: str = "") -> Roles:
    """All that a chat model can do; `segment` is None. Other models for single roles: `dataclasses.replace` of two.

    Raises EndpointError for a folder that holds no prompts, or prompts that cannot be read.
    """
    prompts = {name: load_prompt(name, prompts_folder) for name in PROMPTS}
    made = partial(Role, f"{model.service.model} at endpoint")
    return Roles(
        tag=made(partial(_tag, model, prompts["tag_objects"])),
        prune=made(partial(_prune, model, prompts["prune_tags"])),
        find=made(partial(_find, model, prompts["find_objects"])),
        segment=None,
        describe=made(partial(_describe, model, prompts["describe_instance"])),
        analyse=made(partial(_analyse, model, prompts["aesthetic_analysis"])),
        long_caption=made(partial(_long_caption, model, prompts["long_caption"])),
        short_caption=made(partial(_short_caption, model, prompts["short_caption"])),
        judge_patch=made(partial(_judge, model, prompts["judge_patch"])),
        judge_instance=made(partial(_judge, model, prompts["judge_instance"])),
        usage=model.usage.counts,
    )


def _tag(model: Multimodal, prompt: Prompt, rgb: np.ndarray) -> list[Tag] | Failed:
    answer = model.ask(prompt, [rgb], _Tags)
    if isinstance(answer, Failed):
        return answer
    return [Tag(tag.name.lower(), tag.score) for tag in answer.tags]


def _prune(model: Multimodal, prompt: Prompt, tags: Sequence[Tag]) -> list[Tag] | Failed:
    """Those of the tags that the model keeps; a name that it made up is not among them."""
    if not tags:
        return []
    answer = model.ask(prompt.fill(tags=_names(tags)), [], _Kept)
    if isinstance(answer, Failed):
        return answer
    keep = {name.strip().lower() for name in answer.keep}
    return [tag for tag in tags if tag.name.lower() in keep]


def _find(model: Multimodal, prompt: Prompt, rgb: np.ndarray, tags: Sequence[Tag]) -> list[Box] | Failed:
    if not tags:
        return []
    answer = model.ask(prompt.fill(tags=_names(tags)), [rgb], _Boxes)
    return answer if isinstance(answer, Failed) else [_shares(found) for found in answer.boxes]


def _shares(found: _Box) -> Box:
    left, top, right, bottom = (place / THOUSANDTHS for place in found.box)
    return Box(found.label.lower(), top, left, bottom, right, found.score)


def _describe(
    model: Multimodal, prompt: Prompt, crop: np.ndarray, highlighted: np.ndarray, label: str
) -> Description | Failed:
    answer = model.ask(prompt.fill(label=label), [crop, highlighted], _Description)
    if isinstance(answer, Failed):
        return answer
    return Description(answer.description, answer.importance / IMPORTANCE, answer.attributes)


def _analyse(model: Multimodal, prompt: Prompt, rgb: np.ndarray) -> Aesthetics | Failed:
    answer = model.ask(prompt, [rgb], _Analysis)
    return answer if isinstance(answer, Failed) else {name: answer.analysis[name] for name in DIMENSIONS}


def _long_caption(
    model: Multimodal, prompt: Prompt, rgb: np.ndarray, descriptions: Sequence[Description], aesthetics: Aesthetics
) -> str | Failed:
    ranked = sorted(descriptions, key=lambda one: -one.importance)
    instances = "\n".join(f"- ({one.importance:.1f}) {one.text}" for one in ranked) or "- none"
    notes = "\n".join(f"- {name}: {text}" for name, text in aesthetics.items()) or "- none"
    return _caption(model.ask(prompt.fill(instances=instances, aesthetics=notes), [rgb], _Caption))


def _short_caption(model: Multimodal, prompt: Prompt, rgb: np.ndarray, long: str) -> str | Failed:
    return _caption(model.ask(prompt.fill(caption=long), [rgb], _Caption))


def _caption(answer: _Caption | Failed) -> str | Failed:
    return answer if isinstance(answer, Failed) else " ".join(answer.caption.split())


def _judge(model: Multimodal, prompt: Prompt, rgb: np.ndarray) -> Judgement:
    answer = model.ask(prompt, [rgb], _Verdict)
    if isinstance(answer, Failed):
        return Judgement(None, (answer.reason,))
    return Judgement(answer.bad, tuple(answer.reasons))


def _names(tags: Sequence[Tag]) -> str:
    return json.dumps([tag.name for tag in tags], ensure_ascii=False)

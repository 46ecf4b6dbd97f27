"""Replies of a chat model: what may be believed of one, and where they are kept so that none is paid for twice."""

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

COMMON = {"the", "of", "and", "with", "is", "are", "its", "on", "by", "from", "at", "to", "that", "has", "this", "for"}
FOREIGN_SHARE = 0.3  # of letters outside ASCII: `café` 0.25 and a quoted sign pass, Chinese and Russian do not
ENOUGH_WORDS = 30  # a shorter text, a mere list for instance, need hold no common word
COMMON_SHARE = 0.03  # English sentences 0.1 to 0.35, French, German, Spanish and Italian 0 (Dutch, 0.05, passes)


def english(text: str) -> str:
    """The text, if it is English as far as its letters and its commonest words tell. Raises ValueError."""
    letters = [letter for letter in text if letter.isalpha()]
    words = re.findall(r"[a-z']+", text.lower())
    foreign = sum(not letter.isascii() for letter in letters) > FOREIGN_SHARE * len(letters)
    odd = len(words) >= ENOUGH_WORDS and sum(word in COMMON for word in words) < COMMON_SHARE * len(words)
    if not letters or foreign or odd:
        raise ValueError("not English")
    return text


English = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(english)]


class Form(BaseModel):
    """What a reply must hold. Strict: "7", 7.5 and true are no whole numbers, and NaN is no number."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


Answer = TypeVar("Answer", bound=BaseModel)


def parse(text: str, form: type[Answer]) -> Answer:
    """The last JSON object in the text that fits the form: fences, prose and thinking around it are passed over.

    Raises ValueError whose message says in a few words what is wrong with the reply.
    """
    wrong = "no whole JSON object in it"
    for value in reversed(list(_objects(text.rpartition("</think>")[2]))):
        try:
            return form.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            wrong = f"{'.'.join(map(str, first['loc'])) or 'reply'}: {first['msg']}"
    raise ValueError(wrong[:200])


def _objects(text: str) -> Iterator[dict]:
    decoder, at = json.JSONDecoder(strict=False), text.find("{")  # not strict: line breaks inside strings
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
            yield value
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)


class Record(BaseModel):
    """One question's file: enough to see what was asked of whom, and every raw reply, the last one last."""

    model: str
    prompt: str
    version: str
    parameters: dict[str, int | float]
    replies: list[str]


class Replies:
    """A folder with one JSON file per question. A file cut short is named, removed, and counts as not there."""

    def __init__(self, folder: str | os.PathLike, notify: Callable[[str], None] = print):
        self.folder, self.notify = Path(folder), notify

    def read(self, key: str) -> Record | None:
        path = self._path(key)
        try:
            return Record.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            self.notify(f"{path.name} in {path.parent.parent} is damaged: removed, the model is asked again")
            path.unlink(missing_ok=True)
            return None

    def write(self, key: str, record: Record) -> None:
        """Whole or not at all, whatever ends the run. Raises OSError when the disk is full."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            temporary.write_text(record.model_dump_json(), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"  # a pool asks a million questions: too many for one folder

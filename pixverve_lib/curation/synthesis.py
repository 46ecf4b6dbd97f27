"""Synthesized pictures (Sec. 3.1.1): a chat model writes wide-ranging prompts, an image model draws each at 4K.

Below the cache: `synthesized/prompts.json` (prompt -> the model that wrote it) and one file for each picture, named by
the SHA-256 of image model and prompt. What is there is not asked for again.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from pixverve_lib.curation.sources import Missed, Picture, Report, SourceError, print_missed
from pixverve_lib.kit.artefacts import write_bytes_atomically
from pixverve_lib.models.endpoint import Endpoint, EndpointError

SIZE = (4096, 4096)  # height, width; Sec. 3.1.1: "4K images" (square is not in paper: choice)
BATCH = 20  # prompts a request
REMEMBERED = 40  # latest prompts shown to the writer, so that it does not come back to them
PATIENCE = 3  # requests without one new prompt, or failed pictures, in a row
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}


def open_synthesis(number: str, cache: Path, report: Report = print_missed) -> Iterator[Picture]:
    """The source `synthesized:NUMBER`. Raises SourceError for a wrong number or without an endpoint."""
    if not (number.isdecimal() and int(number)):
        raise SourceError(f"'synthesized:{number}' needs a whole number above 0, as in synthesized:20")
    try:
        return synthesize(int(number), Endpoint.from_environment(), cache, report)
    except EndpointError as error:
        raise SourceError(f"synthesized pictures: {error}") from None


def synthesize(n: int, endpoint: Endpoint, cache: Path, report: Report = print_missed) -> Iterator[Picture]:
    """Yield n synthesized pictures in the order of their prompts, fewer if the image model declines some.

    Raises SourceError when the writer has no new prompt, or three pictures in a row fail: what is done is kept.
    """
    folder = Path(cache).absolute() / "synthesized"
    failures = 0
    for prompt in tqdm(_prompts(n, endpoint, folder / "prompts.json"), desc="synthesized", total=n, mininterval=1):
        try:
            path, failures = _draw(prompt, endpoint, folder), 0
        except EndpointError as error:
            failures += 1
            report(Missed("failed", "synthesized", prompt[:60], f"{error}; the next run tries again"))
            if failures == PATIENCE:
                raise SourceError(f"{PATIENCE} pictures in a row failed, the last with {error}") from None
            continue
        yield Picture(str(path), f"synthesized: {endpoint.image.model}", "synthesized", caption=prompt)


def _prompts(n: int, endpoint: Endpoint, file: Path) -> list[str]:
    """n prompts: those kept in `file`, and new ones, kept after every request."""
    writers: dict[str, str] = json.loads(file.read_bytes()) if file.exists() else {}
    fruitless = 0
    while len(writers) < n:
        try:
            fresh = endpoint.write_prompts(min(BATCH, n - len(writers)), avoid=list(writers)[-REMEMBERED:])
        except EndpointError as error:
            raise SourceError(f"{error}; {len(writers)} of {n} prompts are kept: run again, it goes on there") from None
        before = len(writers)
        writers |= {prompt: endpoint.chat.model for prompt in fresh if prompt not in writers}
        fruitless = fruitless + 1 if len(writers) == before else 0
        if fruitless == PATIENCE:
            raise SourceError(f"{endpoint.chat.model} repeats itself after {before} of {n} prompts: ask for fewer")
        write_bytes_atomically(file, json.dumps(writers, indent=1, ensure_ascii=False).encode())
    return list(writers)[:n]


def _draw(prompt: str, endpoint: Endpoint, folder: Path) -> Path:
    name = hashlib.sha256(f"{endpoint.image.model}\n{prompt}".encode()).hexdigest()
    for suffix in SUFFIXES.values():
        if (folder / f"{name}{suffix}").exists():
            return folder / f"{name}{suffix}"
    data = endpoint.draw(prompt, SIZE)
    path = folder / f"{name}{_suffix(data)}"
    write_bytes_atomically(path, data)
    return path


def _suffix(data: bytes) -> str:
    """By content. Raises EndpointError if this is no picture: a paid error page must not stay in the cache."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return SUFFIXES[picture.format]
    except (OSError, KeyError, Image.DecompressionBombError):
        raise EndpointError(f"the image service sent {len(data)} bytes that are no PNG, JPEG or WebP") from None

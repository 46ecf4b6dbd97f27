"""Where the raw pool comes from (Sec. 3.1.1): a source yields `Picture` after `Picture`, each a file on this machine.

It hands over all it finds, good or bad; reading and screening come later. What it cannot hand over goes to `report`.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath

from pydantic import AliasChoices, BaseModel, Field, ValidationError
from tqdm import tqdm

from pixverve_lib.imaging.reading import SUFFIXES
from pixverve_lib.paper import constants

ARCHIVE_SUFFIXES = (".tar", ".gz", ".tgz", ".zip", ".parquet", ".arrow")
METADATA_NAMES = ("metadata.jsonl", "metadata.csv")  # the Hugging Face imagefolder convention
CAPTION_BYTES = 65_536  # of a .txt beside a picture; what follows is no caption
LINK = "links that leave the folder are not followed: name a folder that holds their targets too"


class SourceError(RuntimeError):
    """A source that cannot be opened or cannot go on; the message is one line that says what to do."""


@dataclass(frozen=True)
class Picture:
    """One found picture. `path` is absolute; `author`, `page` and `caption` are empty where the source has none."""

    path: str
    source: str
    licence: str
    author: str = ""
    page: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Missed:
    """What a source found but did not hand over. `kind`: screened (too small), refused (not acceptable), failed."""

    kind: str
    source: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.name!r} {self.kind}: {self.reason}"


Wanted = Callable[[int, int], bool]  # (height, width) in pixels -> worth downloading
Report = Callable[[Missed], None]
Opener = Callable[[str, Path, Wanted, Report], Iterator[Picture]]  # (what follows the colon, cache, wanted, report)


def any_size(height: int, width: int) -> bool:
    """The screen that lets everything through."""
    return True


def print_missed(missed: Missed) -> None:
    """One line a thing; what the resolution screen drops is only counted, it may be most of what a site offers."""
    if missed.kind != "screened":
        tqdm.write(str(missed))


def open_source(spec: str, cache: Path, wanted: Wanted = any_size, report: Report = print_missed) -> Iterator[Picture]:
    """Open the comma-separated sources of `spec`, now, and yield their pictures one source after the other.

    A source is a folder or PREFIX:ARGUMENT with a prefix of `SOURCES`. Downloads go below `cache` and are lazy;
    `wanted` is asked before each. Raises SourceError at once for a missing key, folder or number.
    """
    parts = [spec] if os.path.isdir(os.path.expanduser(spec)) else [part.strip() for part in spec.split(",")]
    if not any(parts):
        raise SourceError(f"no source given: name a folder or one of {_known()}")
    return chain.from_iterable([_open(part, Path(cache), wanted, report) for part in parts if part])


def _open(part: str, cache: Path, wanted: Wanted, report: Report) -> Iterator[Picture]:
    prefix, colon, argument = part.partition(":")
    if colon and prefix.lower() in SOURCES:
        if not argument.strip():
            raise SourceError(f"{part!r} says nothing after the colon; the sources are a folder or {_known()}")
        return SOURCES[prefix.lower()](argument.strip(), cache, wanted, report)
    return read_folder(Path(part), report)


def read_folder(folder: Path, report: Report = print_missed) -> Iterator[Picture]:
    """The user's own pictures: all below `folder`, sorted by path. Raises SourceError if there is none."""
    root, files = _list_files(folder, "folder", report)
    paths = _list_pictures(root, files, "folder", report)
    return (Picture(path, "folder", "unknown: the user's own") for path in paths)


def read_local_copy(folder: Path, source: str, licence: str, report: Report = print_missed) -> Iterator[Picture]:
    """A downloaded data set: all pictures below `folder`, sorted, with their captions.

    A caption is the text column of metadata.jsonl or metadata.csv, else a .txt of the same name beside the picture.
    Raises SourceError if there is no picture.
    """
    root, files = _list_files(folder, source, report)
    paths = _list_pictures(root, files, source, report)
    captions = _read_captions(root, files, set(paths), source, report)
    beside = {file for file in files if file.endswith(".txt") and not _refusal(root, file)}
    return (Picture(path, source, licence, caption=_caption(path, captions, beside)) for path in paths)


def _list_files(folder: Path, source: str, report: Report) -> tuple[str, list[str]]:
    """The absolute folder and every file below it, sorted; linked folders are not entered."""
    root = os.path.abspath(os.path.expanduser(folder))
    if not os.path.isdir(root):
        raise SourceError(f"{str(folder)!r} is no folder; a source is a folder or one of {_known()}")

    def unlisted(error: OSError) -> None:
        report(Missed("failed", source, str(error.filename), f"cannot be listed ({error.strerror})"))

    files = []
    for here, folders, names in os.walk(root, onerror=unlisted):
        for link in (os.path.join(here, name) for name in sorted(folders)):
            if os.path.islink(link) and not _is_inside(root, link):
                report(Missed("refused", source, os.path.relpath(link, root), LINK))
        files += [os.path.join(here, name) for name in names]
    return root, sorted(files)


def _list_pictures(root: str, files: list[str], source: str, report: Report) -> list[str]:
    found = [file for file in files if file.lower().endswith(SUFFIXES)]
    refused = {path: reason for path in found if (reason := _refusal(root, path))}
    for path, reason in refused.items():
        report(Missed("refused", source, os.path.relpath(path, root), reason))
    if len(refused) == len(found):
        archives = sum(file.lower().endswith(ARCHIVE_SUFFIXES) for file in files)
        hint = f"; unpack its {archives} archives first" if archives else ""
        hint = f"; {len(found)} were refused, the lines above say why" if found else hint
        raise SourceError(f"no pictures below {root!r} (looked for {' '.join(SUFFIXES)}){hint}")
    return [path for path in found if path not in refused]


def _refusal(root: str, path: str) -> str:
    """Why this file is not taken, or nothing."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8: rename it"
    if os.path.islink(path) and not _is_inside(root, path):
        return LINK
    return "" if os.path.isfile(path) else "not a regular file, or a link that leads nowhere"


def _is_inside(root: str, path: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


class _Row(BaseModel):
    file_name: str
    text: str = Field("", validation_alias=AliasChoices("text", "caption", "prompt"))


def _read_captions(root: str, files: list[str], pictures: set[str], source: str, report: Report) -> dict[str, str]:
    """Absolute picture path -> caption. What is wrong with a metadata file is one line a kind, with its number."""
    captions = {}
    for path in files:
        if os.path.basename(path) not in METADATA_NAMES or _refusal(root, path):
            continue
        wrong = Counter()
        for row in _read_rows(path):
            target = os.path.normpath(os.path.join(os.path.dirname(path), row.file_name)) if row else ""
            if row is None:
                wrong["cannot be read"] += 1
            elif _leaves(row.file_name):
                wrong["have a file_name that leaves the folder"] += 1
            elif target not in pictures:
                wrong["name a picture that is not there"] += 1
            else:
                captions[target] = row.text.strip()
        for reason, number in wrong.items():
            report(Missed("refused", source, os.path.relpath(path, root), f"{number} entries {reason}"))
    return captions


def _read_rows(path: str) -> Iterator[_Row | None]:
    """None stands for a row that is no row."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        is_csv = path.endswith(".csv")
        rows = csv.DictReader(file) if is_csv else (line for line in file if line.strip())
        try:
            for row in rows:
                try:
                    yield _Row.model_validate(row) if is_csv else _Row.model_validate_json(row)
                except ValidationError:
                    yield None
        except csv.Error:
            yield None


def _leaves(name: str) -> bool:
    """Is `name` absolute or does it climb, on any system?"""
    windows = PureWindowsPath(name)  # splits at both kinds of slash
    return bool(windows.drive or windows.root) or PurePosixPath(name).is_absolute() or ".." in windows.parts


def _caption(path: str, captions: dict[str, str], beside: set[str]) -> str:
    text = os.path.splitext(path)[0] + ".txt"
    if path in captions or text not in beside:
        return captions.get(path, "")
    with open(text, "rb") as file:
        return file.read(CAPTION_BYTES).decode("utf-8-sig", errors="replace").strip()


def _known() -> str:
    return ", ".join(f"{prefix}:..." for prefix in SOURCES)


def _open_pexels(query: str, cache: Path, wanted: Wanted, report: Report) -> Iterator[Picture]:
    from pixverve_lib.curation.photo_sites import Pexels  # it imports this module

    return Pexels(cache, wanted, report).pictures(query)


def _open_unsplash(query: str, cache: Path, wanted: Wanted, report: Report) -> Iterator[Picture]:
    from pixverve_lib.curation.photo_sites import Unsplash

    return Unsplash(cache, wanted, report).pictures(query)


def _open_aesthetic_train(folder: str, cache: Path, wanted: Wanted, report: Report) -> Iterator[Picture]:
    return read_local_copy(Path(folder), "Aesthetic-Train-V2", constants.AESTHETIC_TRAIN_V2_LICENSE, report)


def _open_ultrahr(folder: str, cache: Path, wanted: Wanted, report: Report) -> Iterator[Picture]:
    return read_local_copy(Path(folder), "UltraHR-100K", constants.ULTRAHR_100K_LICENSE, report)


def _open_synthesis(number: str, cache: Path, wanted: Wanted, report: Report) -> Iterator[Picture]:
    from pixverve_lib.curation.synthesis import open_synthesis

    return open_synthesis(number, cache, report)


SOURCES: dict[str, Opener] = {
    "pexels": _open_pexels,
    "unsplash": _open_unsplash,
    "aesthetic-train-v2": _open_aesthetic_train,
    "ultrahr-100k": _open_ultrahr,
    "synthesized": _open_synthesis,
}

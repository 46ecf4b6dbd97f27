"""figures/manifest.json: what the committed reference run made, and enough of it to compare without git.

    python -m pixverve_lib.exhibits.manifest      after a reference run (make manifest); compare.py reads it

A reviewer's own run writes over figures/, so the manifest keeps the cells of every table and, of every figure, the
means of 32 x 32 fields in gray.
"""
import base64
import csv
import hashlib
import io
import json
import os
import re
import sys
from typing import Annotated, Literal

from PIL import Image
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pixverve_lib.exhibits.catalogue import EXHIBITS, KINDS
from pixverve_lib.kit.run import REFERENCE, home, start

SIDE = 32  # of a thumbnail, px
IS_REFERENCE = {"budget": REFERENCE, "images": "built-in scenes", "seed": 0}
Text = Annotated[str, StringConstraints(max_length=20_000)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+\.(csv|md|png)$")]  # nothing that leaves its folder
Count = Annotated[int, Field(ge=0)]


class NotReference(ValueError):
    """The files in figures/ are no whole reference run; the message says what to run."""


class BadManifest(ValueError):
    """figures/manifest.json is missing or damaged; the message says how to get it back."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class File(_Strict):
    """One file of an exhibit as it was committed."""

    bytes: Count
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Entry(_Strict):
    """One exhibit. A table has columns and rows, a figure a thumbnail (SIDE x SIDE gray levels)."""

    notebook: Text
    kind: Literal[KINDS]
    time: Text  # when it was emitted, ISO 8601
    files: dict[Name, File]
    columns: list[Text] | None = None
    rows: list[list[Text]] | None = None
    thumbnail: Annotated[Base64Bytes, Field(min_length=SIDE * SIDE, max_length=SIDE * SIDE)] | None = None


class Notebook(_Strict):
    """How one notebook ran."""

    seconds: Annotated[float, Field(ge=0)]
    time: Text
    revision: Text | None
    dirty: bool
    machine: dict[str, str | int | float | list[str]]


class Manifest(_Strict):
    """The whole file."""

    budget: Literal[REFERENCE]
    images: Text
    seed: Literal[0]
    python: Text
    packages: dict[Text, Text]
    notebooks: dict[Text, Notebook]
    exhibits: dict[Text, Entry]


def main():
    """Write figures/manifest.json. Returns 0, or 1 when figures/ is no whole reference run."""
    try:
        data = dumped(make(start("manifest").figures, home() / "runs" / REFERENCE))
    except NotReference as error:
        print(error, file=sys.stderr)
        return 1
    from pixverve_lib.kit.artefacts import write_bytes_atomically  # pandas: not before it is needed

    write_bytes_atomically(path(), data)
    print(f"figures/{path().name}: {len(EXHIBITS)} exhibits, {len(data) / 1000:.0f} kB")
    return 0


def path():
    """Where the manifest is: beside the exhibits that it describes."""
    return home() / "figures" / "manifest.json"


def read(file):
    """The manifest, checked, as a Manifest. Raises BadManifest with one line."""
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        what = "is damaged" if isinstance(error, ValidationError) else "cannot be read"
        remedy = f"get it back with: git checkout figures/{file.name}"
        raise BadManifest(f"{os.path.relpath(file)} {what}; {remedy}") from None


def make(figures, runs):
    """The manifest of the files in figures and the records in runs, ready for JSON.

    Raises NotReference when an exhibit or a record is missing, or is not of the reference run.
    """
    records = {stem: _record(runs / stem / f"{stem}.json") for stem in sorted({e.notebook for e in EXHIBITS.values()})}
    latest = max(records.values(), key=lambda record: record["time"])
    return IS_REFERENCE | {
        "python": latest["python"], "packages": latest["packages"],
        "notebooks": {stem: _notebook(record) for stem, record in records.items()},
        "exhibits": {name: _entry(figures, name, exhibit) for name, exhibit in EXHIBITS.items()},
    }


def dumped(manifest):
    """JSON bytes with one line for each notebook, exhibit and package, in sorted order."""
    lines = [f"{_json(key)}: {_lines(value)}" for key, value in sorted(manifest.items())]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def table(data):
    """Columns and rows of CSV bytes, all as text."""
    columns, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    return {"columns": columns, "rows": rows}


def thumbnail(data):
    """Bytes of SIDE x SIDE gray levels of PNG bytes, whatever their size."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").convert("L").resize((SIDE, SIDE), Image.Resampling.BOX).tobytes()


def described(data):
    """SHA-256 and size of a file's bytes."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _record(file):
    if not file.is_file():
        number = file.stem.split("_")[0]
        raise NotReference(f"no record of notebook {file.stem} at {REFERENCE}; run: make notebook NB={number}")
    return _of_reference(json.loads(file.read_text("utf8")), f"notebook {file.stem}")


def _of_reference(about, what):
    other = [f"{key} {about.get(key)!r}" for key, value in IS_REFERENCE.items() if about.get(key) != value]
    if other:
        raise NotReference(f"{what} is of {', '.join(other)}, not of {REFERENCE}, built-in scenes, seed 0")
    return about


def _notebook(record):
    git = record["git"] or {"revision": None, "dirty": False}
    return {"seconds": record["seconds"], "time": record["time"], "machine": record["machine"], **git}


def _entry(figures, name, exhibit):
    try:
        about = json.loads((figures / f"{exhibit.stem}.json").read_text("utf8"))
        files = {file: (figures / file).read_bytes() for file in _names(exhibit, about["files"])}
    except FileNotFoundError as error:
        remedy = f"run: make notebook NB={exhibit.notebook.split('_')[0]}"
        raise NotReference(f"{name} is missing ({os.path.relpath(error.filename)}); {remedy}") from None
    _of_reference(about, name)
    first = next(iter(files.values()))
    is_table = f"{exhibit.stem}.csv" in files
    shown = table(first) if is_table else {"thumbnail": base64.b64encode(thumbnail(first)).decode()}
    return {"notebook": exhibit.notebook, "kind": exhibit.kind, "time": about["time"],
            "files": {file: described(data) for file, data in files.items()}} | shown


def _names(exhibit, listed):
    """The files of an exhibit, which are named after its stem whatever is listed beside it."""
    return [file for file in sorted(listed) if re.fullmatch(re.escape(exhibit.stem) + r"\.(csv|md|png)", file)]


def _lines(value):
    if not isinstance(value, dict):
        return _json(value)
    return "{\n" + ",\n".join(f" {_json(key)}: {_json(item)}" for key, item in sorted(value.items())) + "\n}"


def _json(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit(main())

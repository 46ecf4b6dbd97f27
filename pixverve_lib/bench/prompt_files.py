"""Prompts files: the texts that come with a folder of pictures; bench/matching.py finds which picture is meant.

A file is CSV, JSONL or Parquet in UTF-8 with a row a picture: `file` (its name below the folder), `short` and `long`
(captions). The released benchmark.jsonl (`file_name`, `short_caption`, `long_caption`) is read as it is. What does not
fit costs one `Note`, never the run.
"""
import csv
import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import pyarrow as pa
import pyarrow.parquet as pq

NAMES = {  # a column's name in the file -> ours
    "file": "file", "short": "short", "long": "long",
    "file_name": "file", "short_caption": "short", "long_caption": "long",  # released benchmark.jsonl
}
TEXTS = {"short": "CLIPScore", "long": "FG-CLIP2 Score and ICS"}  # column -> what needs it (Sec. 3.3.2)


class PromptsError(ValueError):
    """A prompts file or folder of which nothing can be used; one line that says what to do."""


@dataclass(frozen=True)
class Note:
    """One thing that did not fit. kind: what is wrong, to count by; name: of file or row; text: what was done."""

    kind: str
    name: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.name}: {self.text}"


def read(file):
    """Rows of a prompts file as dicts (file, short, long; "" where there is no text) and a list of Note.

    Raises PromptsError for a file that cannot be read, is not UTF-8, or has no column of file names.
    """
    file = Path(file).expanduser()
    reader = READERS.get(file.suffix.lower())
    if not reader:
        raise PromptsError(f"{file.name}: a prompts file is {', '.join(READERS)}")
    try:
        raw, notes = reader(file)
    except UnicodeDecodeError as error:
        raise PromptsError(f"{file.name} is not UTF-8 (byte {error.start + 1}): save it as UTF-8") from error
    except OSError as error:
        raise PromptsError(f"{file.name} cannot be opened: {error.strerror or error}") from error
    except (csv.Error, pa.ArrowException) as error:
        raise PromptsError(f"{file.name} cannot be read as {file.suffix[1:]}: {error}") from error
    columns = list(dict.fromkeys(name for row in raw.values() for name in row))
    notes += _columns(file.name, columns)
    rows = {place: _row(row, place, columns, notes) for place, row in raw.items()}
    return _once(rows, notes), notes


def _read_csv(file):
    notes, rows = [], {}
    with open(file, encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        for row in reader:
            place = f"line {reader.line_num}"
            if None in row:
                notes.append(Note("row with too many fields", place, "left out: put texts with commas into quotes"))
            else:
                rows[place] = row
    return rows, notes


def _read_jsonl(file):
    notes, rows = [], {}
    for number, line in enumerate(file.read_text("utf-8-sig").split("\n"), 1):
        try:
            row = json.loads(line) if line.strip() else None
        except ValueError:
            row = line
        if isinstance(row, dict):
            rows[f"line {number}"] = row
        elif row is not None:
            notes.append(Note("line that is no JSON object", f"line {number}", "left out"))
    return rows, notes


def _read_parquet(file):
    known = [name for name in pq.read_schema(file).names if name in NAMES]
    others = [name for name in pq.read_schema(file).names if name not in NAMES]
    rows = pq.read_table(file, columns=known).to_pylist()
    return {f"row {number}": row | dict.fromkeys(others) for number, row in enumerate(rows, 1)}, []


READERS = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}


def _columns(name, columns):
    """Notes about the columns of a prompts file.  Raises PromptsError without a column of file names."""
    ours = {NAMES.get(column) for column in columns}
    if "file" not in ours:
        shown = ", ".join(map(repr, columns)) or "nothing"
        raise PromptsError(f"{name} has no column `file` (or `file_name`); found {shown}, separate columns by commas")
    notes = [Note("unknown column", column, "not read") for column in columns if column not in NAMES]
    return notes + [Note("no such column", column, f"no {needs}") for column, needs in TEXTS.items()
                    if column not in ours]


def _row(raw, place, columns, notes):
    """A row under our names; texts that are empty or no text become "" with a note."""
    known = [column for column in columns if column in NAMES]
    row = {"place": place, "file": "", "short": "", "long": ""}
    for column in known:
        value = raw.get(column)
        row[NAMES[column]] = row[NAMES[column]] or (value.strip() if isinstance(value, str) else "")
    for column in known:
        ours, value = NAMES[column], raw.get(column)
        if ours in TEXTS and not row[ours]:
            kind = "empty prompt" if value is None or isinstance(value, str) else "prompt that is no text"
            notes.append(Note(kind, row["file"] or place, f"{ours}: no {TEXTS[ours]} for it"))
    return row


def _once(rows, notes):
    """The rows that name a picture, each name once."""
    kept = {}
    for place, row in rows.items():
        name = row["file"].replace("\\", "/")
        if not name:
            notes.append(Note("row without a file name", place, "left out"))
        elif _leaves(name):
            notes.append(Note("path that leaves the folder", name, "refused"))
        elif (key := composed(name)) in kept:
            notes.append(Note("file named twice", name, f"{place} left out, {kept[key]['place']} counts"))
        else:
            kept[key] = row | {"file": str(PurePosixPath(name))}
    return list(kept.values())


def composed(name):
    """A name of a picture to compare by: macOS writes letters with accents in two parts."""
    return unicodedata.normalize("NFC", str(PurePosixPath(name.replace("\\", "/"))))


def _leaves(name):
    """Is `name` absolute or does it climb, on any system?"""
    windows = PureWindowsPath(name)  # splits at both kinds of slash
    return bool(windows.drive or windows.root) or PurePosixPath(name).is_absolute() or ".." in windows.parts

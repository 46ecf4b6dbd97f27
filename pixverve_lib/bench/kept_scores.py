"""What is finished of a folder, on disk: no score is made twice, whatever ended the run before.

Three files a picture, whose common name is a digest of its own: .json (its row, unfinished metrics named), .npz
(features for FID), .jpg (thumbnail). The first two say in which way they were made: file, texts, settings and code. One
made in another way, or damaged, counts as missing.
"""
import hashlib
import json
import os
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from pixverve_lib.imaging import reading
from pixverve_lib.kit import fingerprint
from pixverve_lib.kit.artefacts import atomic, write_bytes_atomically

CODE = "from pixverve_lib.bench import backends, scoring"  # what decides the numbers


class Kept:
    """The files of one picture in `folder`; file: its name there, from which theirs are made."""

    def __init__(self, folder, file):
        base = Path(folder) / digest(file)
        self.json, self.npz, self.jpg = (base.with_suffix(end) for end in (".json", ".npz", ".jpg"))

    def row(self, way):
        """The row, some metrics of which may be unfinished, or None."""
        try:
            found = json.loads(self.json.read_bytes())
            return found["row"] if found["way"] == way and self.jpg.exists() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def features(self, way):
        """The features {name: array}, or None; those of a reference that could not be read lack in them."""
        try:
            with np.load(self.npz, allow_pickle=False) as found:
                arrays = dict(found)
            return arrays if arrays.pop("way").item() == way else None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, measured, row_way, features_way):
        """Write scoring.Measured, the row last. Raises DiskFull."""
        self.json.parent.mkdir(parents=True, exist_ok=True)
        reading.write_jpeg(self.jpg, measured.thumbnail, 85)
        if measured.features is not None:
            with atomic(self.npz) as temporary:
                np.savez(temporary, way=features_way, **measured.features)
        write_bytes_atomically(self.json, json.dumps({"way": row_way, "row": measured.row}).encode())


class Column:
    """One array of each of many pictures, each read from its file whenever it is asked for.

    files: .npz of Kept; name: of the array
    """

    def __init__(self, files, name):
        self.files, self.name = files, name

    def __len__(self):
        return len(self.files)

    def __getitem__(self, number):
        with np.load(self.files[number], allow_pickle=False) as found:
            return found[self.name]


def remembered(folder, key, make):
    """What make() gives, a JSON value; from disk if the same key (a JSON value) was asked for before."""
    file = Path(folder) / f"{digest(key)}.value.json"
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        value = make()
        write_bytes_atomically(file, json.dumps(value).encode())
        return value


def digest(value):
    """Sixteen letters that stand for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def stamp(path):
    """Size and time of a file: another picture under the same name is another picture. None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@cache
def code():
    """Stands for the code that scores and its data; what only a report needs does not count."""
    files = [file for file in fingerprint.library_files(CODE) if file.suffix != ".jinja"]
    return digest([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])

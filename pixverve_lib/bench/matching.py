"""Which pictures of a folder are scored, with which texts and references: names matched with names.

A prompts file decides what is scored; without one every picture is, without texts. References are paired by name,
whatever the extension. What does not fit costs one `Note`, never the run.
"""
import os
from collections import Counter
from pathlib import Path, PurePosixPath

import pandas as pd
from PIL import Image

from pixverve_lib.bench.prompt_files import Note, PromptsError, composed, read
from pixverve_lib.imaging import reading

UNREAD = (".heic", ".heif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".raw", ".psd",
          ".exr", ".hdr", ".tga", ".ico", ".svg", ".qoi")
SUFFIXES = tuple(suffix for suffix, name in Image.registered_extensions().items() if name in (*reading.FORMATS, "MPO"))


def pictures(folder, prompts=None):
    """What to score, as a frame (file, path, short, long; an absent text is ""), and a list of Note.

    folder: of the pictures, searched in all its subfolders; prompts: the prompts file, None for every picture without
    texts. Raises PromptsError where nothing is left to score.
    """
    found, notes = listed(folder)
    if prompts is None:
        rows = [{"file": name, "path": path, "short": "", "long": ""} for name, path in found.items()]
        notes += _equal_stems(found)
    else:
        wanted, more = read(prompts)
        rows, unmatched = _matched(wanted, found)
        notes += more + unmatched
    if not rows:
        raise PromptsError(f"no picture of {str(folder)!r} is named in {str(prompts)!r}: its column `file` holds names "
                           f"such as {next(iter(found))!r}")
    return pd.DataFrame(rows, columns=["file", "path", "short", "long"]), notes


def listed(folder):
    """Pictures below a folder, {name relative to it, with /: path}, and a list of Note.  Raises PromptsError."""
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise PromptsError(f"{str(folder)!r} is no folder: name the one that holds the pictures")
    found, notes = {}, []
    for here, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(here, name) for name in folders + names if not name.startswith(".")):
            name = path.relative_to(root).as_posix()
            if refused := _refusal(path, root, name):
                notes.append(Note(refused[0], _printable(name), refused[1]))
            elif path.suffix.lower() in SUFFIXES and not path.is_dir():
                found[name] = str(path)
    if not found:
        raise PromptsError(f"no pictures below {str(folder)!r} (looked for {' '.join(sorted(SUFFIXES))})")
    return dict(sorted(found.items())), notes


def _refusal(path, root, name):
    """Why what lies in the folder is not scored though it may hold pictures, as kind and text of a Note, or None."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return ("linked folder", "not followed: put the folder itself there") if path.is_symlink() else None
    if suffix not in SUFFIXES:
        return ("kind that is not read", "save it as PNG or JPEG") if suffix in UNREAD else None
    if _printable(name) != name:
        return "name that is not UTF-8", "not read: rename it"
    if not path.is_file():  # a pipe, a link that leads nowhere
        return "no regular file", "not read"
    outside = not path.resolve().is_relative_to(root)
    return ("link out of the folder", "not followed: put the picture itself there") if outside else None


def _printable(name):
    """A name as it is; bytes of another encoding, as os.walk passes them on, as \\udcXX."""
    return name.encode("utf-8", "backslashreplace").decode()


def paired(files, reference, notes):
    """{file: path of its reference}; what has no partner becomes a Note.  reference: {name: path}, or None"""
    if reference is None:
        return {}
    by_stem = _grouped(reference, stem)
    near = {file: by_stem.get(stem(file), []) for file in files}
    partner = {file: next((name for name in names if composed(name) == composed(file)), names[0])
               for file, names in near.items() if names}
    used = set(partner.values())
    notes += [Note("picture without a reference", file, "counts for every metric but FID and FID_patch")
              for file in files if file not in partner]
    notes += [Note("equal names", file, f"compared with {name}; other references differ by their extension only")
              for file, name in partner.items() if len(near[file]) > 1 and composed(name) != composed(file)]
    notes += [Note("reference without a picture", name, "not used") for name in reference if name not in used]
    return {file: reference[name] for file, name in partner.items()}


def _matched(wanted, found):
    """Rows with the paths of their pictures, and notes about prompts and pictures that have no partner."""
    by_stem = _grouped(found, stem)
    partner = _partners([row["file"] for row in wanted], _grouped(found, composed), by_stem)
    taker = {file: name for name, file in partner.items()}
    rows = [{"file": file, "path": found[file], "short": row["short"], "long": row["long"]}
            for row in wanted if (file := partner.get(row["file"]))]
    notes = [_unmatched(row["file"], by_stem, taker) for row in wanted if row["file"] not in partner]
    notes += [Note("picture without a prompt", name, "not scored: the prompts file decides what is")
              for name in found if name not in taker]
    return rows, notes


def _partners(names, by_key, by_stem):
    """{name of a row: its picture}: exact names first, then equal stems, then names whose folder is not here."""
    partner, taken = {}, set()
    for candidates in (lambda name: by_key.get(composed(name), []), lambda name: by_stem.get(stem(name), []),
                       lambda name: _bare(name, by_stem)):
        for name in names:
            free = [one for one in candidates(name) if one not in taken]
            if name not in partner and len(free) == 1:
                partner[name] = free[0]
                taken.add(free[0])
    return partner


def _bare(name, by_stem):
    """Pictures for a name without its folder, if none fits it with the folder."""
    return [] if stem(name) in by_stem else by_stem.get(stem(PurePosixPath(name).name), [])


def _grouped(names, key):
    groups = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return groups


def _unmatched(name, by_stem, taker):
    near = by_stem.get(stem(name)) or _bare(name, by_stem)
    free = [one for one in near if one not in taker]
    if len(free) > 1:
        return Note("name that fits several pictures", name, f"{' and '.join(free)}: write the extension")
    if near and composed(taker[near[0]]) != composed(near[0]):
        return Note("file named twice", name, f"{near[0]} is taken already by another row")
    why = "its picture is named exactly by another row" if near else "no picture of this name, whatever its extension"
    return Note("prompt without a picture", name, why)


def _equal_stems(found):
    stems = Counter(map(stem, found))
    return [Note("equal names", name, "differs from another picture by its extension only; both are scored")
            for name in found if stems[stem(name)] > 1]


def stem(name):
    """Without its picture's extension, for the released code writes .jpg whatever the benchmark's file_name says."""
    key = composed(name)
    return str(PurePosixPath(key).with_suffix("")) if PurePosixPath(key).suffix.lower() in SUFFIXES else key

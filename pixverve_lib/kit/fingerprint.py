"""What a notebook depends on, as a dictionary of hashes: two of them compared say why it must run again."""

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
LOCK = PACKAGE.parent / "requirements.lock"


def of_notebook(notebook: Path, parameters: dict, artefacts: dict[str, Path]) -> dict[str, str]:
    """Everything `notebook` depends on: name of the thing -> hash, stamp or value.

    `artefacts` maps the names it reads to their files. Modules imported by name at run time are not seen.
    """
    cells = json.loads(notebook.read_text("utf8"))["cells"]
    sources = [(cell["cell_type"], cell["metadata"].get("tags"), source(cell)) for cell in cells]
    found = {"notebook": _hash(repr(sources).encode())}
    code = "\n".join(text for kind, _, text in sources if kind == "code")
    found |= {file.relative_to(PACKAGE.parent).as_posix(): _hash(file.read_bytes()) for file in library_files(code)}
    found |= {f"parameter {name}": json.dumps(value) for name, value in parameters.items()}
    found |= {f"artefact {name}": _stamp(file) for name, file in artefacts.items()}
    found |= {f"input pictures {folder.name}": of_pictures(folder) for folder in folders(parameters.get("images", ""))}
    return found | {LOCK.name: _hash(LOCK.read_bytes()) if LOCK.exists() else "none"}


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Why `new` is not `old`, in words: "notebook changed", "artefact raw_pool changed"."""
    changed = [f"{name} changed" for name in new if name in old and new[name] != old[name]]
    added = [f"{name} is new" for name in new if name not in old]
    return changed + added + [f"{name} is gone" for name in old if name not in new]


def of_pictures(folder: Path) -> str:
    """Hash of relative names, sizes and modification times: reading the pixels of 95 K 100 MP pictures takes hours."""
    rows = []
    for where, _, names in os.walk(folder):
        for name in names:
            file = Path(where, name)
            rows.append((file.relative_to(folder).as_posix(), _stamp(file)))
    return _hash(repr(sorted(rows)).encode())


def folders(images: str) -> list[Path]:
    """The folders among comma-separated sources: `/a/folder` or `prefix:/a/folder`."""
    if Path(images or "nowhere").is_dir():  # its name may hold a comma
        return [Path(images)]
    parts = [part.strip() for part in images.split(",")]
    return [path for part in parts if part and (path := Path(part.partition(":")[2] or part)).is_dir()]


def of_library() -> str:
    """Hash of every source and data file of the package."""
    files = [file for file in sorted(PACKAGE.rglob("*")) if _is_input(file)]
    rows = [(file.relative_to(PACKAGE).as_posix(), _hash(file.read_bytes())) for file in files]
    return _hash(repr(rows).encode())


def library_files(code: str, package: Path = PACKAGE) -> list[Path]:
    """The modules of `package` that `code` imports, those they import, and the data files of their rooms."""
    found, queue = set(), list(_modules(code, (), package))
    while queue:
        module = queue.pop()
        if module not in found:
            found.add(module)
            here = module.relative_to(package.parent).with_suffix("").parts
            queue += _modules(module.read_text("utf8"), here, package)
    rooms = {package / module.relative_to(package).parts[0] for module in found} - found
    data = {file for room in rooms for file in room.rglob("*") if _is_input(file) and file.suffix != ".py"}
    return sorted(found | data)


def declared(notebook: Path) -> tuple[list[str], list[str]]:
    """The artefacts a notebook reads and writes: names in backticks on its `**Reads** ... **Writes** ...` line."""
    cells = json.loads(notebook.read_text("utf8"))["cells"]
    line = re.search(r"\*\*Reads\*\*(.*)\*\*Writes\*\*(.*)", source(cells[0]) if cells else "")
    return tuple(re.findall(r"`(\w+)`", part) for part in line.groups()) if line else ([], [])


def source(cell: dict) -> str:
    """A cell's text; the file format allows one string or a list of lines."""
    return "".join(cell["source"])


def _modules(code: str, here: tuple[str, ...], package: Path) -> Iterator[Path]:
    """The files of `package` that this code imports; `here` are the parts of the importing module's own name."""
    for level, name in _imports(code):
        parts = (*here[: len(here) - level], *name.split(".")) if level else tuple(name.split("."))
        file = package.parent.joinpath(*parts)
        if parts[0] == package.name and len(parts) > 1:
            yield from (path for path in (file.with_suffix(".py"), file / "__init__.py") if path.is_file())


@cache
def _imports(code: str) -> frozenset[tuple[int, str]]:
    """(level, dotted name) of every import, also inside functions; `from a import b` gives `a` and `a.b`."""
    found = set()
    with suppress(SyntaxError):  # running it will say so better
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                found |= {(0, alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = f"{node.module}." if node.module else ""
                found |= {(node.level, base + alias.name) for alias in node.names}
                found |= {(node.level, node.module)} if node.module else set()
    return frozenset(found)


def _is_input(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts and not file.name.startswith(".")


def _stamp(file: Path) -> str:
    """Size and modification time: a file that was made again counts as changed, whatever is in it."""
    with suppress(OSError):
        state = file.stat()
        return f"{state.st_size} bytes at {state.st_mtime_ns}, mode {state.st_mode:o}"
    return "missing"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]

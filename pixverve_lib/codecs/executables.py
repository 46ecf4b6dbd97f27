"""Bring your own executable: the rows of Tab. A5 that no package brings, run from programs that a user has.

`executables.toml` ships the arguments; the user writes a TOML file of paths, relative to that file or absolute:

    fnbli = "bin/fNBLI"
    halic = { encode = "bin/HALIC072e", decode = "bin/HALIC072d" }  # two programs
    [limits]  # may be left out
    seconds = 1800  # a picture and direction
    gigabytes = 8  # of address space; Wine reserves more than it uses

A Windows program runs through a script of two lines: `#!/bin/sh` and `exec wine /path/to/program.exe "$@"`.

The program reads and writes files (PNM and its own) in a private temporary folder where it also runs, without a shell,
on one thread. What encode and decode take therefore includes its start and those files, as in the paper's benchmark.
"""

import functools
import hashlib
import os
import re
import resource
import signal
import stat
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pixverve_lib.codecs.codec import Codec, CodecFailed, CodecMissing
from pixverve_lib.imaging import reading
from pixverve_lib.kit import isolation

TEMPLATES = Path(__file__).with_suffix(".toml")
PICTURE = "picture.pnm"  # the benchmark's suffix; both ways
LOG = "log.txt"
PLACEHOLDERS = ("{input}", "{output}")
SUFFIX = re.compile(r"\.[a-z0-9]+")
GROWTH = 2  # a compressed file above this many times the picture is no compressed file ...
SLACK = 2**20  # ... and this allowance for headers, bytes
LARGEST_PICTURE = 3 * reading.MAX_PIXELS + SLACK  # bytes

Image.MAX_IMAGE_PIXELS = reading.MAX_PIXELS  # Pillow alone would refuse to decode 179 MP


@dataclass(frozen=True)
class Limits:
    """What one run may take."""

    seconds: float = 1800
    gigabytes: float = 8


@dataclass(frozen=True)
class Program:
    """One direction of a codec: a program, its arguments and how its output file is called."""

    name: str  # of the codec, for messages
    path: Path
    arguments: tuple[str, ...]
    input: str
    output: str
    limits: Limits


def rows() -> list[str]:
    """The rows of Tab. A5 that need an executable, in its order."""
    return [template["row"] for template in _templates().values()]


def executable_codecs(table: Path | None) -> list[Codec]:
    """The codecs whose programs the user's TOML `table` names, in the order of Tab. A5; none without a table.

    A path where no program is found is reported by its codec, as CodecMissing on first use: the other rows go on.
    Raises ValueError with one line for a table that is none, an unknown id or a missing path of a pair.
    """
    if table is None:
        return []
    entries = _read(Path(table))
    limits = _limits(entries.pop("limits", {}), table)
    templates = _templates()
    if unknown := sorted(set(entries) - set(templates)):
        raise ValueError(f"{table}: no codec is called {unknown[0]}; there are {', '.join(templates)}")
    folder = Path(table).parent
    return [
        _codec(id, template, _paths(id, template, entries[id], folder), limits)
        for id, template in templates.items()
        if id in entries
    ]


def _read(table: Path) -> dict:
    try:
        return tomllib.loads(table.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{table} cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOML or UTF-8
        raise ValueError(f"{table} is no TOML file: {error}") from error


def _limits(entry: dict, table: Path) -> Limits:
    known = isinstance(entry, dict) and set(entry) <= {"seconds", "gigabytes"}
    if not known or not all(type(value) in (int, float) and value > 0 for value in entry.values()):
        raise ValueError(f"{table}: [limits] takes seconds and gigabytes, both numbers above 0")
    return Limits(**entry)


def _paths(id: str, template: dict, entry: object, folder: Path) -> tuple[Path, Path]:
    """Encoder and decoder as the user's table names them."""
    if template.get("programs", 1) == 1:
        names = [entry, entry]
        wanted = f'{id} = "path"'
    else:
        names = [entry.get("encode"), entry.get("decode")] if isinstance(entry, dict) else [None]
        wanted = f'{id} = {{ encode = "path", decode = "path" }}'
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"write {wanted} in the table of executables")
    return tuple((folder / Path(name).expanduser()).absolute() for name in names)


@functools.cache
def _templates() -> dict[str, dict]:
    templates = tomllib.loads(TEMPLATES.read_text("utf-8"))
    for id, template in templates.items():
        _check_template(id, template)
    return templates


def _check_template(id: str, template: dict) -> None:
    """Raise ValueError if a program could be told to write anywhere but to its output file."""
    if not SUFFIX.fullmatch(template["suffix"]):
        raise ValueError(f"{id}: the suffix {template['suffix']!r} is no dot and letters")
    for arguments in (template["encode"], template["decode"]):
        if any(" ".join(arguments).count(placeholder) != 1 for placeholder in PLACEHOLDERS):
            raise ValueError(f"{id}: arguments name {{input}} and {{output}} once each, not {arguments}")
        rest = functools.reduce(lambda text, name: text.replace(name, ""), PLACEHOLDERS, " ".join(arguments))
        if re.search(r"[{}/\\~:]|\.\.", rest):
            raise ValueError(f"{id}: arguments hold nothing but switches, {{input}} and {{output}}, not {arguments}")


def _codec(id: str, template: dict, paths: tuple[Path, Path], limits: Limits) -> Codec:
    row, packed = template["row"], f"packed{template['suffix']}"
    encoder = Program(row, paths[0], tuple(template["encode"]), PICTURE, packed, limits)
    decoder = Program(row, paths[1], tuple(template["decode"]), packed, PICTURE, limits)
    label = f"{row} ({paths[0].name}, {_fingerprint(paths[0])})"
    encode, decode = functools.partial(_encode, encoder), functools.partial(_decode, decoder)
    return Codec(id, row, label, encode, decode, tuple(template["modes"]))


def _fingerprint(path: Path) -> str:
    """Closed programs have no version to ask for: what they are is their bytes."""
    try:
        return f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
    except OSError:
        return "not found"


def _encode(program: Program, picture: np.ndarray) -> bytes:
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        Image.fromarray(picture).save(Path(folder, program.input), "PPM")
        return _run(program, folder, GROWTH * picture.nbytes + SLACK).read_bytes()


def _decode(program: Program, data: bytes) -> np.ndarray:
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        Path(folder, program.input).write_bytes(data)
        file = _run(program, folder, LARGEST_PICTURE)
        try:
            return np.asarray(Image.open(file, formats=("PPM",)))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = " ".join(str(error).split())
            raise CodecFailed(f"{program.name}: its output is no PNM picture ({reason})") from error


def _run(program: Program, folder: str, largest: int) -> Path:
    """Run program in folder -> its output file of at most `largest` bytes. Raises CodecMissing, CodecFailed."""
    names = dict(zip(PLACEHOLDERS, (program.input, program.output), strict=True))
    fill = functools.partial(re.sub, "|".join(map(re.escape, PLACEHOLDERS)), lambda match: names[match[0]])
    command = [str(program.path), *map(fill, program.arguments)]
    with open(Path(folder, LOG), "wb") as log:
        code = _wait(program, _start(program, command, folder, log, largest))
    if code:
        raise CodecFailed(f"{program.name}: {_end(code)}{_last_words(Path(folder, LOG))}")
    return _output(program, Path(folder, program.output), largest)


def _start(program: Program, command: list[str], folder: str, log, largest: int) -> subprocess.Popen:
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | isolation.ONE_THREAD | {"TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a group of its own: what it starts ends with it
            preexec_fn=functools.partial(_limit, int(program.limits.gigabytes * 2**30), largest),
        )
    except OSError as error:
        reason = f"{program.path} does not start ({error.strerror})"
        raise CodecMissing(f"{program.name}: {reason}: correct the path, or `chmod +x` it") from error


def _limit(memory: int, largest: int) -> None:
    for kind, wanted in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, largest), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (wanted, wanted))


def _wait(program: Program, process: subprocess.Popen) -> int:
    try:
        return process.wait(program.limits.seconds)
    except subprocess.TimeoutExpired as error:
        raise CodecFailed(f"{program.name}: no result after {program.limits.seconds:g} s") from error
    finally:
        if process.returncode is None:  # time-out, or the user's Ctrl-C
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _end(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _last_words(log: Path) -> str:
    """The end of what a program printed, as " (text)", or ""."""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 400))
        lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return f" ({' '.join(lines[-1].split())})" if lines else ""


def _output(program: Program, file: Path, largest: int) -> Path:
    if not os.path.lexists(file):
        raise CodecFailed(f"{program.name}: ended well, but wrote no {file.name}")
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise CodecFailed(f"{program.name}: its {file.name} is no ordinary file")
    if not 0 < status.st_size <= largest:
        raise CodecFailed(f"{program.name}: its {file.name} has {status.st_size} bytes, not 1 to {largest}")
    return file

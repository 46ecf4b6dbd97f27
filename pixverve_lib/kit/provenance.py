"""Where a result comes from: written as JSON beside every executed notebook and every exhibit."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pixverve_lib.kit import fingerprint
from pixverve_lib.kit.run import Run, is_source


def describe(run: Run) -> dict:
    """Budget, seed, pictures, code, packages, machine and time of a run, ready for JSON. No path of this machine."""
    return {
        "notebook": run.notebook,
        "budget": run.budget,
        "seed": run.seed,
        "images": _pictures(run.images),
        "git": _git(),
        "library": fingerprint.of_library(),
        "python": platform.python_version(),
        "packages": _packages(),
        "machine": _machine(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _pictures(images: str) -> dict | str:
    if not images:
        return "built-in scenes"
    if is_source(images):
        return {"sources": [_source(part.strip()) for part in images.split(",")]}
    return {"folder": Path(images).name, "fingerprint": fingerprint.of_pictures(Path(images))}


def _source(part: str) -> dict:
    prefix, _, argument = part.partition(":")
    folder = Path(argument or prefix)
    if folder.is_dir():
        return {"source": prefix if argument else "folder", "folder": folder.name,
                "fingerprint": fingerprint.of_pictures(folder)}
    return {"source": prefix, "argument": argument}


def _git() -> dict | None:
    """Revision and whether the tree differs from it; None without git. figures/ is what runs change, so not counted."""
    revision = _output("git", "rev-parse", "HEAD")
    changes = _output("git", "status", "--porcelain", "--", ".", ":(exclude)figures")
    return None if revision is None or changes is None else {"revision": revision, "dirty": bool(changes)}


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, cwd=fingerprint.PACKAGE.parent, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _packages() -> dict[str, str]:
    """Versions of the packages named in requirements.in, which the installed project lists as its own needs."""
    names = (re.match(r"[\w.-]+", line)[0] for line in metadata.requires("pixverve-repro") or ())
    installed = {name.lower(): metadata.version(name) for name in names if _is_installed(name)}
    return dict(sorted(installed.items()))


def _is_installed(name: str) -> bool:
    return next(iter(metadata.distributions(name=name)), None) is not None


def _machine() -> dict:
    """CPU model, cores, memory in GB, and NVIDIA's GPUs by name, asked without importing torch (seconds)."""
    gpus = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpus": gpus.splitlines() if gpus else [],
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")  # Linux; elsewhere the platform module knows
    named = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return named[1] if named else platform.processor() or platform.machine()

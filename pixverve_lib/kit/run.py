"""One run of one notebook: its budget, its seed, its input pictures, and the folders it writes to."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

BUDGETS = ("smoke", "laptop", "gpu", "paper")
REFERENCE = "laptop"  # the run whose figures are committed


class BadParameter(ValueError):
    """A budget, images folder or parameter that cannot be used; the message says which would be."""


@dataclass(frozen=True)
class Run:
    """What a notebook needs to know about where it is.

    `images` is "" (built-in scenes), the full path of a folder, or PREFIX:ARGUMENT.
    """

    notebook: str
    budget: str
    images: str
    seed: int

    @property
    def name(self) -> str:
        """The budget; with own pictures or another seed something else: they never overwrite the reference run."""
        budget = f"{self.budget}-seed{self.seed}" if self.seed else self.budget
        if not self.images:
            return budget
        slug = re.sub(r"[^a-z0-9]+", "-", Path(self.images).name.lower()).strip("-")
        return f"{budget}-{slug or 'images'}-{hashlib.sha256(self.images.encode()).hexdigest()[:6]}"

    @property
    def folder(self) -> Path:
        """Where this notebook's artefacts go; made when asked for."""
        return _made(home() / "runs" / self.name / self.notebook)

    @property
    def figures(self) -> Path:
        """Where exhibits go: figures/ for the reference run, a folder below it for every other."""
        return _made(home() / "figures" if self.name == REFERENCE else home() / "figures" / self.name)

    @property
    def cache(self) -> Path:
        """What may be thrown away at any time, shared by all runs."""
        return _made(home() / ".cache")


def start(notebook: str, budget: str = REFERENCE, images: str = "", seed: int = 0) -> Run:
    """Check the parameters of a notebook and return its run.

    `images` is a full path, for a notebook's working folder depends on who started it, or the PREFIX:ARGUMENT of a
    source that is no folder (curation/sources.py knows which there are).
    Raises BadParameter with one line that says what to write instead.
    """
    if budget not in BUDGETS:
        raise BadParameter(f"budget {budget!r} is unknown; use one of: {', '.join(BUDGETS)}")
    return Run(notebook, budget, _checked(images) if images else "", int(seed))


def home() -> Path:
    """The project's root: where this package was cloned to, or PIXVERVE_HOME (tests)."""
    return Path(os.environ.get("PIXVERVE_HOME") or Path(__file__).resolve().parents[2])


def is_source(images: str) -> bool:
    """Whether `images` names a source by its prefix, as in `pexels:mountain lake`, rather than being a folder."""
    return not Path(images).is_dir() and re.search(r"(^|,)\s*[a-z][a-z0-9-]+:", images, re.IGNORECASE) is not None


def _checked(images: str) -> str:
    if is_source(images):
        return images
    folder = Path(images).expanduser()
    if not folder.is_absolute():
        raise BadParameter(f"images {images!r} is a relative path; write the full one, starting with '/' or '~'")
    if not folder.is_dir():
        raise BadParameter(f"images {images!r} is not a folder; give an existing folder of pictures, or '' for scenes")
    return str(folder.resolve())


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder

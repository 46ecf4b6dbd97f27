"""Artefacts: the tables that notebooks hand to each other. One name, one producer, declared columns, one file."""

import errno
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from pixverve_lib.kit.run import Run

SAMPLES = Path(__file__).parent / "samples"
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)  # no space, file size limit, quota


@dataclass(frozen=True)
class Artefact:
    """`notebook` is the only one that may write it; `columns` are what readers may rely on."""

    notebook: str
    columns: tuple[str, ...]


POOL = (
    "id", "path", "source", "licence", "author", "page", "caption", "height", "width", "bytes", "tier", "exposure",
    "sharpness", "flatness", "flatness_800", "entropy", "aesthetics_l", "aesthetics_a", "predictors",
)
UHR = (
    "id", "path", "source_path", "tier", "scale", "upscaler", "source_height", "source_width", "height", "width",
    "seconds", "tiles", "seam_ratio", "psnr", "ssim", "lpips", "seam", "consistency", "kept",
)
ANNOTATIONS = (
    "id", "path", "height", "width", "tags", "pruned_tags", "instances", "boxes_found", "boxes_left_out", "trivial",
    "duplicates", "aesthetics", "long_caption", "short_caption", "makers", "failed",
)
FINAL = (
    "id", "path", "source_path", "split", "height", "width", "tier", "scale", "upscaler", "source", "licence", "author",
    "page", "predictors", "exposure", "sharpness", "flatness", "entropy", "aesthetics_l", "aesthetics_a",
)
SCORES = ("scale", "method", "score", "value", "low", "high", "pictures")
BENCH = ("method", "scale", "caption")
BENCH_ROW = (  # bench/folder.py: Scored.rows
    "file", "path", "status", "height", "width", "aesthetics", "glcm_score", "glcm_formula", "msfi", "global",
    "sc_global", "pi", "lc", "ch", "local", "nge", "ga", "tf", "mgc", "sc_local", "clipscore", "fg_clip2_score", "ics",
    "iev", "aaa", "sra", "msfi_missing", "ics_missing", "clipscore_cut", "fg_clip2_score_cut", "reasons", "unfinished",
    "thumbnail",
)
PICTURES = ("method", "scale", "caption", "number", "path", "seconds")
ARTEFACTS: dict[str, Artefact] = {
    "raw_pool": Artefact("01_curation", POOL),
    "candidate_pool": Artefact("01_curation", POOL),
    "rejected": Artefact("01_curation", ("path", "step", "reason")),
    "uhr_pool": Artefact("02_super_resolution", UHR),
    "uhr_rejected": Artefact("02_super_resolution", ("path", "step", "reason")),
    "region_patches": Artefact("02_super_resolution", ("id", "top", "left", "side", "why", "sobel_variance")),
    "annotations": Artefact("03_captioning", ANNOTATIONS),
    "judgements": Artefact("03_captioning", (
        "id", "kind", "number", "label", "top", "left", "bottom", "right", "bad", "reasons", "maker",
    )),
    "final_pool": Artefact("03_captioning", FINAL),
    "final_rejected": Artefact("03_captioning", ("path", "step", "reason")),
    "scheme1_cost": Artefact("05_scheme1_full_attention", ("method", "scale", "epochs", "device_hours")),
    "scheme1_latency": Artefact("05_scheme1_full_attention", ("scale", "side", "tokens", "seconds")),
    "scheme1_pictures": Artefact("05_scheme1_full_attention", PICTURES),
    "scheme1_scores": Artefact("05_scheme1_full_attention", SCORES),
    "scheme2_cost": Artefact("06_scheme2_window_attention", ("method", "scale", "epochs", "device_hours")),
    "scheme2_growth": Artefact("06_scheme2_window_attention", (
        "attention", "tokens", "operations", "layers", "law", "seconds",
    )),
    "scheme2_pictures": Artefact("06_scheme2_window_attention", PICTURES),
    "scheme2_scores": Artefact("06_scheme2_window_attention", SCORES),
    "scheme3_cost": Artefact("07_scheme3_pixel_patch", ("method", "scale", "epochs", "device_hours")),
    "scheme3_latency": Artefact("07_scheme3_pixel_patch", ("scale", "seconds", "trunk", "head")),
    "scheme3_pictures": Artefact("07_scheme3_pixel_patch", PICTURES),
    "scheme3_scores": Artefact("07_scheme3_pixel_patch", SCORES),
    "bench_rows": Artefact("08_pixverve_bench", (*BENCH, "number", *BENCH_ROW)),
    "bench_scores": Artefact("08_pixverve_bench", (*BENCH, "metric", "name", "value", "low", "high", "pictures")),
    "bench_sensitivity": Artefact("08_pixverve_bench", (
        "damage", "severity", "level", "metric", "value", "relative",
    )),
    "codec_jobs": Artefact("09_compression_bench", (
        "part", "picture", "codec", "side", "height", "width", "status", "reason", "bytes", "encode_s",
        "encode_median_s", "encode_wall_s", "decode_s", "decode_median_s", "decode_wall_s", "peak_mb", "verified",
        "repeats",
    )),
}


class MissingArtefact(FileNotFoundError):
    """An artefact that no run has made yet; the message is the command that makes it."""


class DiskFull(OSError):
    """No room for a file; the old file, if there was one, is untouched."""


def path(run: Run, name: str) -> Path:
    """Where the artefact of this run is, or will be. Raises KeyError for a name that is not in ARTEFACTS."""
    return replace(run, notebook=_declared(name).notebook).folder / f"{name}.parquet"


def write(run: Run, name: str, frame: pd.DataFrame) -> Path:
    """Write the artefact whole or not at all.

    Raises ValueError when `run.notebook` is not its producer or the columns are not the declared ones.
    """
    declared = _declared(name)
    if run.notebook != declared.notebook:
        raise ValueError(f"artefact {name!r} is written by {declared.notebook} only, not by {run.notebook}")
    if set(frame.columns) != set(declared.columns):
        missing = sorted(set(declared.columns) - set(frame.columns))
        extra = sorted(set(frame.columns) - set(declared.columns))
        raise ValueError(f"artefact {name!r}: columns missing {missing}, not declared {extra} (kit/artefacts.py)")
    target = path(run, name)
    with atomic(target) as temporary:
        frame[list(declared.columns)].to_parquet(temporary, index=False)
    return target


def read(run: Run, name: str) -> pd.DataFrame:
    """Read the artefact of this run. Raises MissingArtefact, whose line is the command that makes it."""
    source = path(run, name)
    if not source.exists():
        remedy = command(run, _declared(name).notebook)
        raise MissingArtefact(f"artefact {name!r} is not there yet; make it with: {remedy}")
    return pd.read_parquet(source)


def read_or_sample(run: Run, name: str) -> tuple[pd.DataFrame, bool]:
    """The artefact of this run and False; where it is missing at smoke or laptop the shipped sample and True.

    A sample stands for the built-in pictures only. Raises MissingArtefact as `read` does for own pictures and at the
    other budgets, and KeyError when nothing is shipped under that name.
    """
    try:
        return read(run, name), False
    except MissingArtefact:
        if run.images or run.budget not in ("smoke", "laptop"):
            raise
    file = SAMPLES / f"{name}.csv"
    if not file.exists():
        raise KeyError(f"no sample of artefact {name!r} is shipped")
    return pd.read_csv(file, keep_default_na=False), True


def command(run: Run, notebook: str = "") -> str:
    """The exact command that runs `notebook`, or without one all of them, with this run's parameters."""
    what = f"notebook NB={notebook.split('_')[0]}" if notebook else "reproduce"
    line = f"make {what} BUDGET={run.budget}"
    if run.images:
        line += f" IMAGES={shlex.quote(run.images)}"
    return line + (f" SEED={run.seed}" if run.seed else "")


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` (same suffix); it becomes `target` when the block ends well.

    Whatever ends the block otherwise, Ctrl-C included, removes it and leaves the old file as it was.
    Raises DiskFull when there is no room.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.partial{target.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(f"no room to write {target}: free some space there, or raise the quota, and rerun") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A fresh folder that takes the place of `target`, and of what is there, once the block has ended well."""
    fresh, old = (target.with_name(f".{target.name}.{word}.partial") for word in ("fresh", "old"))
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    yield fresh
    if target.exists():
        os.replace(target, old)
    os.replace(fresh, target)
    shutil.rmtree(old, ignore_errors=True)


def write_bytes_atomically(target: Path, data: bytes) -> None:
    """Write `data` to `target` whole or not at all. Raises DiskFull when there is no room."""
    with atomic(target) as temporary:
        temporary.write_bytes(data)


def _declared(name: str) -> Artefact:
    if name not in ARTEFACTS:
        raise KeyError(f"artefact {name!r} is unknown; known: {', '.join(ARTEFACTS)}")
    return ARTEFACTS[name]

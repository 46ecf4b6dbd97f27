"""One function over many pictures: in shards, resumable, on this machine or unchanged on a Ray cluster."""

import hashlib
import inspect
import json
import math
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

import joblib
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pixverve_lib.kit import isolation
from pixverve_lib.kit.artefacts import FULL, DiskFull, atomic
from pixverve_lib.kit.progress import progress

HEAD = pa.schema([("path", pa.string()), ("status", pa.string()), ("reason", pa.string())])
IDLE = 20  # seconds after which an unused loky worker frees its memory
PATIENCE = 3  # a dying worker may take finished results along, so once is no proof that none was finished


def map_pictures(measure: Callable[..., dict], paths: Sequence[str | os.PathLike], folder: str | os.PathLike, *,
                 options: Mapping | None = None, version: str = "", shard_size: int = 64, n_jobs: int | None = None,
                 timeout: float | None = 120.0, memory_limit: int | None = None, address: str | None = None,
                 label: str = "") -> pd.DataFrame:
    """Measure every picture of a manifest: one row per picture, in the manifest's order whatever `n_jobs`.

    `measure(path, **options)` is a top-level function of a module and returns a flat dict of plain values or NumPy
    scalars. Each row has `path`, `status` and `reason`, then what `measure` returned. Status is `ok`; `rejected` when
    `measure` raised (reason: the error's own `reason`, or "TypeName: message"); `quarantined` when the picture, also
    tried again alone, took longer than `timeout` (seconds), killed its process or needed more than `memory_limit`
    (bytes on top of what its process holds before; Linux only). The run goes on in every case.

    Work is kept under `folder/<digest>/`, the digest being that of the function's name, `options`, `version` (change it
    when the measurement changes), the shard size, and the manifest with each local file's size and time. A finished
    picture is a line of `shard-00012.jsonl`, a finished shard is `shard-00012.parquet`; the same call resumes from both
    after kill -9, any other call starts in its own subfolder. What was rejected or quarantined is finished, too.

    `n_jobs` defaults to the environment's PIXVERVE_JOBS, else to all cores, of the cluster with `address` (or
    RAY_ADDRESS): then the workers are Ray actors spread over its nodes, and the paths must mean the same on each.

    Raises ValueError for a function that workers cannot import, TypeError for options that `measure` does not take,
    RuntimeError when workers die without finishing one picture, and DiskFull.
    """
    paths, options = [os.fspath(path) for path in paths], dict(options or {})
    plan = {"stage": _importable_name(measure), "options": options, "version": version, "shard_size": shard_size}
    inspect.signature(measure).bind("", **options)
    shards = _Shards(Path(folder), plan, paths)
    job = isolation.Job(plan["stage"], options, timeout, memory_limit, driver=os.getpid())
    with progress(len(paths), label, kept=shards.statuses()) as count:
        suspects = {}
        with closing(_results(job, shards.todo(), n_jobs, address)) as results:
            for index, line, fault in results:
                if fault:
                    suspects[index] = paths[index]
                else:
                    count(shards.keep(index, line))
        with closing(_results(job, suspects, 1, address)) as results:  # one at a time, nothing beside it
            for index, line, fault in results:
                count(shards.keep(index, line or isolation.row(paths[index], "quarantined", f"twice: {fault}")))
    return shards.frame()


def _importable_name(function: Callable) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", repr(function))
    try:
        importable = module != "__main__" and pkgutil.resolve_name(f"{module}:{name}") is function
    except (ImportError, AttributeError, ValueError):
        importable = False
    if not importable:
        raise ValueError(f"workers cannot import {name}: move it to the top level of a module (not of a notebook)")
    return f"{module}:{name}"


class _Shards:
    """What is finished of one plan: journals and Parquet files in a folder of its own."""

    def __init__(self, folder: Path, plan: dict, paths: list[str]):
        plan = json.dumps(plan, sort_keys=True, indent=1, default=os.fspath)
        key = json.dumps([plan, [(path, _stamp(path)) for path in paths]])
        self.folder = folder / hashlib.sha256(key.encode()).hexdigest()[:12]
        self.paths, self.size = paths, json.loads(plan)["shard_size"]
        self.rows = [{} for _ in range(math.ceil(len(paths) / self.size))]  # unfinished shards: index -> row
        self.tables = {}  # finished shards
        with atomic(self.folder / "plan.json") as file:
            file.write_text(plan, encoding="utf-8")
        for number in range(len(self.rows)):
            self._resume(number)

    def todo(self) -> dict[int, str]:
        """index -> path of the pictures without a record."""
        return {index: path for index, path in enumerate(self.paths)
                if index // self.size not in self.tables and index not in self.rows[index // self.size]}

    def statuses(self) -> list[str]:
        finished = [status for table in self.tables.values() for status in table["status"].to_pylist()]
        return finished + [row["status"] for rows in self.rows for row in rows.values()]

    def keep(self, index: int, line: str) -> str:
        """Journal one record, at once; write its shard if it was the last. Returns the record's status."""
        number = index // self.size
        journal = self._file(number, "jsonl")
        try:
            with journal.open("a", encoding="utf-8") as file:
                file.write(f"[{index}, {line}]\n")
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DiskFull(f"no room to write {journal}: free some space and rerun, what is done is kept") from error
        row = self.rows[number][index] = json.loads(line)
        self._finish_if_complete(number)
        return row["status"]

    def frame(self) -> pd.DataFrame:
        tables = [self.tables[number] for number in sorted(self.tables)]
        # permissive: a column may be empty, or all integers, in one shard only
        return pa.concat_tables([HEAD.empty_table(), *tables], promote_options="permissive").to_pandas()

    def _resume(self, number: int) -> None:
        shard, journal = self._file(number, "parquet"), self._file(number, "jsonl")
        if shard.exists():
            self.tables[number] = pq.read_table(shard)
            journal.unlink(missing_ok=True)  # killed between the two
        elif journal.exists():
            text = journal.read_text(encoding="utf-8", errors="replace")
            self.rows[number] = dict(filter(None, map(_record, text.splitlines())))
            if not text.endswith("\n"):  # killed while writing: the next record must not join the half one
                with journal.open("a", encoding="utf-8") as file:
                    file.write("\n")
            self._finish_if_complete(number)

    def _finish_if_complete(self, number: int) -> None:
        rows = self.rows[number]
        if len(rows) < min(self.size, len(self.paths) - number * self.size):
            return
        self.tables[number] = _table([rows[index] for index in sorted(rows)])
        with atomic(self._file(number, "parquet")) as file:
            pq.write_table(self.tables[number], file)
        self._file(number, "jsonl").unlink(missing_ok=True)
        self.rows[number] = {}

    def _file(self, number: int, suffix: str) -> Path:
        return self.folder / f"shard-{number:05d}.{suffix}"


def _stamp(path: str) -> tuple[int, int] | None:
    """Size and time of a local file: another picture under the same name is another picture."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def _record(line: str) -> tuple[int, dict] | None:
    try:
        index, row = json.loads(line)
    except ValueError:  # half a line
        return None
    return index, row


def _table(rows: list[dict]) -> pa.Table:
    columns = dict.fromkeys(key for row in rows for key in row)  # in order of appearance
    return pa.table({key: [row.get(key) for row in rows] for key in columns})


def _results(job: isolation.Job, todo: Mapping[int, str], n_jobs: int | None,
             address: str | None) -> Iterator[tuple[int, str, str]]:
    """Yield (index, line, fault) as pictures finish. Lost workers are replaced as long as pictures get finished."""
    left, failures = dict(todo), 0
    while left:
        before = len(left)
        tasks = [joblib.delayed(isolation.measure)(job, index, path) for index, path in left.items()]
        try:
            for index, line, fault in _parallel(n_jobs, address)(tasks):
                del left[index]
                yield index, line, fault
        except BrokenProcessPool as error:
            failures = failures + 1 if len(left) == before else 0
            if failures == PATIENCE:
                raise RuntimeError(f"workers died {failures} times before one picture was finished; {before} pictures "
                                   "are left: check the memory, give a smaller n_jobs, and run again") from error


def _parallel(n_jobs: int | None, address: str | None) -> joblib.Parallel:
    """Two workers at least, one of them idle for n_jobs=1: joblib would run a single one inside the notebook."""
    n_jobs = n_jobs or int(os.environ.get("PIXVERVE_JOBS") or 0)
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        from pixverve_lib.kit import ray_backend

        backend, cpus = ray_backend.connect(address)
        n_jobs, settings = min(n_jobs or cpus, cpus), {"backend": backend}
    else:
        n_jobs, settings = n_jobs or joblib.cpu_count(), {"backend": "loky", "idle_worker_timeout": IDLE}
    return joblib.Parallel(n_jobs=max(n_jobs, 2), pre_dispatch="2*n_jobs" if n_jobs > 1 else 1, batch_size=1,
                           return_as="generator_unordered", **settings)

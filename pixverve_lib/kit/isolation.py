"""One picture at a time in a process that may die: what runs on a worker's side of `kit/parallel.py`.

joblib's *worker* (a loky process here, an actor on Ray) holds no picture. It supervises one *child* (a pebble pool of
one process) that measures one picture at a time under a timeout and a memory limit. So a picture that hangs, crashes or
eats the memory costs a child, never a worker, and is known by name. Every worker imports this module: no pandas here.
"""

import functools
import json
import multiprocessing
import os
import pkgutil
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

# One picture, one core: two threads each on a busy 2-core machine are many times slower than one.
ONE_THREAD = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
                            "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"], "1")
ADDRESS_SPACE = Path("/proc/self/statm")  # Linux; its first number is in pages
OUT_OF_MEMORY = "Failed to allocate"  # OpenCV raises no MemoryError, but its own error with these words


@dataclass(frozen=True)
class Job:
    """What all pictures of one call have in common. `stage` is "module:function", `driver` the caller's process id."""

    stage: str
    options: Mapping
    timeout: float | None  # seconds a picture
    memory_limit: int | None  # bytes a picture may take on top of what its process holds before
    driver: int


def row(path: str, status: str, reason: str, record: Mapping | tuple = ()) -> str:
    """One record as a JSON line. Raises TypeError for values that are neither plain nor NumPy's."""
    head = {"path": _encodable(path), "status": status, "reason": _encodable(reason)}
    return json.dumps(head | dict(record) | head, default=_plain)


def measure(job: Job, index: int, path: str) -> tuple[int, str, str]:
    """Measure one picture in this worker's child -> (index, line, fault); one of the two strings is empty.

    A fault is what the picture did to its process. An error that is not the picture's (the stage cannot be imported, no
    child can be started) is raised.
    """
    task = (job.stage, path, job.options, job.memory_limit)
    try:
        return index, *_child(job.driver).schedule(_measure, task, timeout=job.timeout).result()
    except TimeoutError:
        return index, "", f"no result after {job.timeout:g} s"
    except ProcessExpired as error:
        return index, "", _cause_of_death(error.exitcode)


def _measure(stage: str, path: str, options: Mapping, memory_limit: int | None) -> tuple[str, str]:
    function = pkgutil.resolve_name(stage)  # outside the try: a stage that is not there is no picture's fault
    with _limited(memory_limit):
        try:
            return row(path, "ok", "", function(path, **options)), ""
        except (Exception, SystemExit) as error:
            if isinstance(error, MemoryError) or OUT_OF_MEMORY in str(error):
                return "", f"out of memory ({_one_line(error)})"
            reason = getattr(error, "reason", None)
            return row(path, "rejected", reason if isinstance(reason, str) else _one_line(error)), ""


@contextmanager
def _limited(memory_limit: int | None) -> Iterator[None]:
    if memory_limit is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(ADDRESS_SPACE.read_text().split()[0]) * resource.getpagesize()
    limit = used + memory_limit if hard == resource.RLIM_INFINITY else min(used + memory_limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _child(driver: int) -> ProcessPool:
    if not _started_child(driver).active:  # killed from outside while it was idle
        _started_child.cache_clear()
    return _started_child(driver)


@functools.cache
def _started_child(driver: int) -> ProcessPool:
    os.environ.update(ONE_THREAD)  # read by the libraries that the child, a fresh interpreter, will load
    # Spawned: forking Ray's threads is not safe. As the default: the child inherits it, and cannot start with loky's.
    multiprocessing.set_start_method("spawn", force=True)
    # The child would first import what this worker was started with: 2.4 s and 100 MB of Ray.
    vars(sys.modules["__main__"]).update(__spec__=None, __file__=None)
    pool = ProcessPool(max_workers=1)
    Finalize(pool, _stop, (pool,), exitpriority=100)  # before multiprocessing joins the child, which would never end
    if os.getppid() == driver:  # loky; Ray ends the workers of a dead driver itself
        threading.Thread(target=_leave_with, args=(driver, pool), daemon=True).start()
    return pool


def _leave_with(driver: int, pool: ProcessPool) -> None:
    """loky's workers outlive a driver that was killed: they would wait for ever."""
    while os.getppid() == driver:
        time.sleep(1)
    _stop(pool)
    os._exit(1)


def _stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


def _cause_of_death(exitcode: int) -> str:
    if exitcode < 0:
        return f"its process was killed by {signal.Signals(-exitcode).name}"
    return f"its process ended with exit code {exitcode}"


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def _encodable(text: str) -> str:
    """File names may hold bytes that are not UTF-8, Parquet may not."""
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: object) -> object:
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return value.tolist()
    raise TypeError(f"a record holds a {type(value).__name__}: return numbers, text, or lists of them")

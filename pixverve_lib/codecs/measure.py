"""Times one codec on one picture: one thread pinned to one core, in a process of its own, every round trip verified.

A job is a line `codec|side|path`: side 0 is the whole picture, else the square of that side from its middle. Jobs go
through kit.parallel one at a time, which keeps finished ones, stops those that hang, and says why others failed.
"""
import os
import resource
import sys
import time
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil

from pixverve_lib.codecs import codec as codecs
from pixverve_lib.codecs import pictures
from pixverve_lib.codecs.executables import executable_codecs
from pixverve_lib.codecs.wheels import wheel_codecs, with_threads
from pixverve_lib.kit.parallel import map_pictures

VERSION = "1"  # change it when a number below changes: finished jobs are then run again
TIMEOUT = 1800  # seconds a job may take
WARM_UP_SIDE = 64  # pixels; loads the library before the clock starts


@lru_cache
def known(executables=""):
    """All codecs by id: from wheels, and those whose executable the user's TOML names."""
    table = Path(executables) if executables else None
    return {codec.id: codec for codec in (*wheel_codecs(), *executable_codecs(table))}


def job(codec, path, side=0):
    """The line that stands for one measurement."""
    return f"{codec}|{side}|{path}"


def run_jobs(jobs, folder, repeats=1, threads=1, executables="", label="measuring"):
    """One row a job: codec, side, file, status, reason, and what `measure` returns.  Finished jobs are not repeated."""
    files = sorted({line.split("|", 2)[2] for line in jobs})
    stamps = ",".join(f"{os.path.getsize(file)}:{os.stat(file).st_mtime_ns}" for file in files)
    options = {"repeats": repeats, "threads": threads, "executables": executables}
    frame = map_pictures(measure, jobs, folder, options=options, version=f"{VERSION} {stamps}",
                         shard_size=len(jobs) or 1, n_jobs=1, timeout=TIMEOUT, label=label)
    parts = frame.path.str.split("|", n=2, expand=True).reindex(columns=range(3))
    return frame.assign(codec=parts[0], side=parts[1].astype(int), file=parts[2]).drop(columns="path")


def measure(line, repeats=1, threads=1, executables=""):
    """One job, in a forked child so that its peak memory is its own.  Returns a flat dict.

    encode_s, decode_s: best CPU seconds; *_median_s, *_wall_s: median CPU and best wall seconds; peak_mb: beyond the
    process with the picture loaded; verified: every decoded picture equalled the original.
    """
    name, side, path = line.split("|", 2)
    codec = known(executables)[name] if threads == 1 else with_threads(name, threads)
    return measured(codec, path, int(side), repeats, threads)


def measured(codec, path, side=0, repeats=1, threads=1):
    """The same of any Codec, those of your own among them, on one PNM file."""
    context = get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_measure_in_child, args=(codec, path, side, repeats, threads, there))
    child.start()
    there.close()
    try:
        found = here.recv()
    except EOFError:
        child.join()
        found = MemoryError(f"the process ended with code {child.exitcode} before it had a result")
    child.join()
    if isinstance(found, Exception):
        raise found
    return found


def _measure_in_child(codec, path, side, repeats, threads, answer):
    try:
        answer.send(_measure(codec, path, side, repeats, threads))
    except Exception as error:
        answer.send(error)
    finally:
        answer.close()
        os._exit(0)


def _measure(codec, path, side, repeats, threads):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    picture = pictures.load(path, side)
    codecs.check(codec, picture)
    _refuse_what_does_not_fit(codec, picture.nbytes)
    codec.decode(codec.encode(np.ascontiguousarray(picture[:WARM_UP_SIDE, :WARM_UP_SIDE])))
    before = _peak_mb()
    encodes, decodes, verified = [], [], True
    for _ in range(repeats):
        data, spent = _timed(codec.encode, picture)
        encodes.append(spent)
        decoded, spent = _timed(codec.decode, data)
        decodes.append(spent)
        verified = verified and not codecs.difference(picture, decoded)
        del decoded
    return {"height": picture.shape[0], "width": picture.shape[1], "raw_bytes": picture.nbytes, "bytes": len(data),
            **_summary("encode", encodes), **_summary("decode", decodes), "peak_mb": round(_peak_mb() - before, 1),
            "verified": verified, "repeats": repeats, "threads": threads}


def _refuse_what_does_not_fit(codec, raw_bytes):
    """A row with a reason instead of a machine that swaps.  Raises Unsuitable."""
    needed, free = (codec.memory + 1) * raw_bytes, psutil.virtual_memory().available  # + 1: the decoded picture
    if needed > free:
        raise codecs.Unsuitable(f"needs about {needed / 1e9:.1f} GB beside the picture, {free / 1e9:.1f} GB are free")


def _timed(function, argument):
    """(result, (CPU seconds of this process and its children, wall seconds))"""
    cpu, wall = _cpu(), time.perf_counter()
    result = function(argument)
    return result, (_cpu() - cpu, time.perf_counter() - wall)


def _cpu():
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def _peak_mb():
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _summary(what, spent):
    cpu, wall = np.array(spent).T
    return {f"{what}_s": float(cpu.min()), f"{what}_median_s": float(np.median(cpu)),
            f"{what}_wall_s": float(wall.min())}

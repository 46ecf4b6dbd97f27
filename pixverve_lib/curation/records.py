"""One JSON file a picture: what a stage of questions to models has found out, kept when the run is killed."""
import hashlib
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

from tqdm import tqdm

from pixverve_lib.imaging.reading import UnreadableImage
from pixverve_lib.kit.artefacts import DiskFull, write_bytes_atomically
from pixverve_lib.kit.progress import progress

AT_ONCE = 2  # pictures; most of the time is spent waiting for an endpoint, and one that is no tiled file fills 315 MB


def each(folder, ways, make, label, at_once=AT_ONCE):
    """Make the record of every picture, or find it in `folder`.  Returns (id -> record, id -> reason of what failed).

    ways: id -> what decides the record (a JSON value): one that was made another way is made again, as is one that says
    "incomplete": true, for an endpoint may answer now. make(id) gives a JSON object; it runs in threads, and whatever
    it raises costs one picture and leaves one line. Raises DiskFull; what is finished stays.
    """
    ways = {name: json.loads(json.dumps(way)) for name, way in ways.items()}  # as they are read again: lists, no tuples
    records = {name: record for name, way in ways.items() if (record := _finished(folder / file_name(name), way))}
    failures = {}
    with progress(len(ways), label, kept=["ok"] * len(records)) as count, ThreadPoolExecutor(at_once) as pool:
        futures = {pool.submit(_make, folder, name, way, make): name
                   for name, way in ways.items() if name not in records}
        try:
            for future in as_completed(futures):
                name = futures[future]
                try:
                    records[name] = future.result()
                    count("ok")
                except DiskFull:
                    raise
                except Exception as error:  # a model may raise anything, and costs one picture by it
                    failures[name] = _reason(error)
                    tqdm.write(f"{label}: {name}: {failures[name]}", file=sys.stdout)
                    count("rejected")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return {name: records[name] for name in ways if name in records}, failures


def file_name(name, suffix=".json"):
    """A file name for an id: its own, or a digest where it could lead out of the folder or hide in it."""
    name = str(name)
    safe = re.fullmatch(r"[A-Za-z0-9_-]{1,128}", name)
    return (name if safe else hashlib.sha256(name.encode()).hexdigest()[:16]) + suffix


def _finished(file, way):
    """The record in a file, or None where it is missing, damaged, incomplete or of another way."""
    try:
        found = json.loads(file.read_bytes())
        return found["record"] if found["way"] == way and not found["record"].get("incomplete") else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _make(folder, name, way, make):
    record = json.loads(json.dumps(make(name), allow_nan=False))
    text = json.dumps({"way": way, "record": record}, ensure_ascii=False)
    write_bytes_atomically(folder / file_name(name), text.encode())
    return record


def _reason(error):
    words = " ".join(str(error).split())  # one line
    return words if isinstance(error, UnreadableImage) else f"{type(error).__name__}: {words}"

"""The exported data set as WebDataset: plain tar shards, read in order over a network."""
import io
import json
import os
import tarfile
from pathlib import Path

from pixverve_lib.curation import export
from pixverve_lib.kit.artefacts import atomic

SHARD_BYTES = 2**30  # of pictures in one tar; not in paper: choice


def write(rows, target, shard_bytes=SHARD_BYTES):
    """Tar shards below `target`/webdataset, for streaming.  Returns their paths.

    Samples are ID.SUFFIX (the picture), ID.json (the record) and ID.txt (the long caption), in the order of rows; a
    shard is closed when its pictures exceed shard_bytes. Equal input gives equal bytes. Raises BadExport and DiskFull.
    """
    export.refuse(rows)
    paths = []
    for part in export.SPLITS:
        here = [row for row in rows if row["split"] == part]
        for number, shard in enumerate(_shards(here, shard_bytes)):
            paths.append(Path(target) / "webdataset" / f"{part}-{number:05d}.tar")
            with atomic(paths[-1]) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
                for row in shard:
                    _add_sample(tar, row)
    return paths


def _shards(rows, most):
    shard, filled = [], 0
    for row in rows:
        shard.append(row)
        filled += os.path.getsize(row["path"])
        if filled > most:
            yield shard
            shard, filled = [], 0
    if shard:
        yield shard


def _add_sample(tar, row):
    key, suffix = os.path.splitext(row["file_name"])
    with open(row["path"], "rb") as file:
        tar.addfile(_entry(key + suffix, os.path.getsize(row["path"])), file)
    record = {name: row[name] for name in export.SCHEMA.names}
    for ending, text in ((".json", json.dumps(record, ensure_ascii=False)), (".txt", row["long_caption"])):
        data = text.encode()
        tar.addfile(_entry(key + ending, len(data)), io.BytesIO(data))


def _entry(name, size):
    entry = tarfile.TarInfo(name)  # time 0 and owner 0: the same pool gives the same bytes
    entry.size = size
    return entry

"""The data set as people use it: pictures, one annotation record each, and three ways to read them.

    FOLDER/README.md                data set card; `datasets.load_dataset(FOLDER)` reads what it lists
    FOLDER/train/metadata.parquet   one record a picture (SCHEMA), with the licence and source of each (App. C)
    FOLDER/train/ID.tif, ID.jpg     the pictures, as they are in the pool, named by id
    FOLDER/bench/...                the same of the held-out reference pictures
    FOLDER/croissant.json           what machines want to know (MLCommons Croissant 1.0): croissant.py
    FOLDER/webdataset/*.tar         written on demand: shards for streaming: webdataset.py

A picture of 100 MP is 50 to 400 MB, so that it stays a file of its own, linked (not copied) where the disk allows.
"""
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pixverve_lib.curation import records
from pixverve_lib.curation.captioning import STAGES
from pixverve_lib.kit.artefacts import atomic, write_bytes_atomically
from pixverve_lib.models.annotation import DIMENSIONS

ROWS = 16  # records in a row group; large ones fill the memory of whoever streams them
SPLITS = ("train", "bench")
SCORES = ("exposure", "sharpness", "flatness", "entropy", "aesthetics_l", "aesthetics_a")  # our reading of Tab. 2's 6


def _field(name, kind, meaning):
    return pa.field(name, kind, metadata={"description": meaning})


_STRING, _NUMBER = pa.string(), pa.float64()
_PLACE = [pa.field(edge, _NUMBER) for edge in ("top", "left", "bottom", "right")]
SCHEMA = pa.schema([
    _field("file_name", _STRING, "the picture, relative to the folder of this table"),
    _field("id", _STRING, "first 16 digits of the SHA-256 of the picture that was collected"),
    _field("split", _STRING, "train, or bench: held out, never trained on"),
    _field("height", pa.int64(), "px"),
    _field("width", pa.int64(), "px"),
    _field("source", _STRING, "where the picture was collected"),
    _field("licence", _STRING, "of the picture, as its source states it"),
    _field("author", _STRING, "empty where the source names none"),
    _field("page", _STRING, "web page of the picture; empty where there is none"),
    _field("tier", _STRING, "native, 2x or 4x: how it came to 100 MP (Sec. 3.1.3)"),
    _field("upscaler", _STRING, "name of the up-scaler; empty for a native picture"),
    _field("scores", pa.struct([pa.field(name, _NUMBER) for name in SCORES]),
           "basic visual scores of the collected picture, before super-resolution (Sec. 3.1.2): share of too dark or "
           "too bright pixels; variance of the Laplacian; share of textureless patches; gray entropy (bits); S_L; S_A"),
    _field("predictors", _STRING, "which predictors gave S_L and S_A"),
    _field("tags", pa.list_(_STRING), "tangible objects, after pruning (Sec. 3.1.5)"),
    _field("boxes", pa.list_(pa.struct([pa.field("label", _STRING), *_PLACE, pa.field("score", _NUMBER)])),
           "one an instance; edges as shares of height and width, score in [0, 1]"),
    _field("aesthetics", pa.struct([pa.field(name, _STRING) for name in DIMENSIONS]),
           "aesthetic analysis in six dimensions; 'not assessed' where nobody could"),
    _field("instances", pa.list_(pa.struct([
        pa.field("label", _STRING), pa.field("text", _STRING), pa.field("importance", _NUMBER),
        pa.field("area", _NUMBER), pa.field("attributes", _STRING), pa.field("mask", _STRING)])),
        "in the order of boxes: description, importance in [0, 1], area as share of the picture, attributes as JSON, "
        "mask as COCO run lengths (JSON) at the size of the analysis picture; null where the describer failed"),
    _field("long_caption", _STRING, "Sec. 3.1.5"),
    _field("short_caption", _STRING, "Sec. 3.1.5"),
    _field("makers", pa.struct([pa.field(role, _STRING) for role in STAGES]), "who made each part"),
])


class BadExport(ValueError):
    """Something that cannot be exported; the line says what and what to do."""


def annotation_records(final, pool, annotations):
    """One dict of SCHEMA a picture of the final pool, in its order, plus `path`, where the picture is now.

    final: rows of status "final" with split; pool: the candidate pool; annotations: from captioning.annotate.
    """
    sources, found = (frame.set_index("id").to_dict("index") for frame in (pool, annotations))
    rows = []
    for row in final.itertuples():
        source, made = sources[row.id], found[row.id]
        rows.append({
            "path": row.path, "id": row.id, "split": row.split, "height": int(row.height), "width": int(row.width),
            "file_name": records.file_name(row.id, _suffix(row.path)), "tier": row.tier, "upscaler": row.upscaler,
            **{name: _text(source[name]) for name in ("source", "licence", "author", "page", "predictors")},
            "scores": {name: _number(source[name]) for name in SCORES}, "tags": made["pruned_tags"],
            "boxes": made["instances"], "instances": [_flat(instance) for instance in made["instances"]],
            **{name: made[name] for name in ("aesthetics", "long_caption", "short_caption", "makers")},
        })
    return rows


def table(rows):
    """Records as an Arrow table of SCHEMA; keys that are not in it are left out."""
    return pa.Table.from_pylist([{name: row[name] for name in SCHEMA.names} for row in rows], schema=SCHEMA)


def folder(rows, target, name):
    """Write pictures, tables and card below `target`; `name` is the data set's.  Returns the files written, by split.

    rows: from `annotation_records`. Files are written whole or not at all, a picture that is there is kept. Raises
    BadExport for two records of one id, an empty pool, a picture that is gone, a folder in other use; DiskFull.
    """
    target = Path(target)
    refuse(rows)
    written = {}
    for part in SPLITS:
        here = [row for row in rows if row["split"] == part]
        _clear(target / part, [row["file_name"] for row in here])
        if not here:
            (target / part / "metadata.parquet").unlink(missing_ok=True)
            continue
        for row in here:
            _place(row["path"], target / part / row["file_name"])
        with atomic(target / part / "metadata.parquet") as file:
            pq.write_table(table(here), file, row_group_size=ROWS)
        written[part] = [target / part / "metadata.parquet", *(target / part / row["file_name"] for row in here)]
    write_bytes_atomically(target / "README.md", _card(name, rows, list(written)).encode())
    return written


def licences(rows):
    """How many pictures come from where, under which licence: {(source, licence): count}, the most first."""
    counts = {}
    for row in rows:
        counts[row["source"], row["licence"]] = counts.get((row["source"], row["licence"]), 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def refuse(rows):
    if not rows:
        raise BadExport("the final pool is empty: there is nothing to export")
    names = [row["file_name"] for row in rows]
    if len(set(names)) < len(names):
        raise BadExport(f"two records have one id: {next(name for name in names if names.count(name) > 1)}")
    for row in rows:
        if row["split"] not in SPLITS:
            raise BadExport(f"{row['id']} belongs to {row['split']!r}: call final_pool.split first")
        if not Path(row["path"]).is_file():
            raise BadExport(f"{row['path']} is gone: run notebook 02 again, then this export")


def _flat(instance):
    packed = {name: json.dumps(instance[name], ensure_ascii=False) for name in ("attributes", "mask")}
    return {name: instance[name] for name in ("label", "text", "importance", "area")} | packed


def _text(value):
    return value if isinstance(value, str) else ""  # pandas reads an empty cell as NaN


def _number(value):
    return None if pd.isna(value) else float(value)


def _suffix(path):
    suffix = Path(path).suffix.lower()
    return suffix if suffix[1:].isalnum() else ".img"


def _clear(part, names):
    """Remove what an earlier export listed and this one does not; refuse files that no export has listed."""
    if not part.is_dir():
        return
    listed, there = part / "metadata.parquet", {path.name for path in part.iterdir()}
    before = set(pq.read_table(listed, columns=["file_name"])["file_name"].to_pylist()) if listed.exists() else set()
    if strangers := there - before - set(names) - {listed.name}:
        raise BadExport(f"{part} holds files of something else, such as {min(strangers)}: export to an empty folder")
    for name in (before & there) - set(names):
        (part / name).unlink()


def _place(source, target):
    """The picture under its new name: a link to the same bytes, or a copy where the disk has no such links."""
    if target.exists() and target.stat().st_size == os.stat(source).st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        with atomic(target) as temporary:
            shutil.copyfile(source, temporary)


def _card(name, rows, parts):
    """The data set card: what `datasets` reads between the lines of dashes, then words for people."""
    files = "\n".join(f"  - split: {part}\n    path: {part}/**" for part in parts)
    kept = "\n".join(f"* {source}: {licence}, {count} pictures" for (source, licence), count in licences(rows).items())
    columns = "\n".join(f"| `{field.name}` | {field.metadata[b'description'].decode()} |" for field in SCHEMA)
    return f"""---
license: other
task_categories:
- text-to-image
configs:
- config_name: default
  drop_labels: true
  data_files:
{files}
---
# {name}

{len(rows)} pictures with annotations, made by the pipeline of PixVerve (Sec. 3.1).

    import PIL.Image
    PIL.Image.MAX_IMAGE_PIXELS = None  # 100 MP is the ordinary case here
    pictures = datasets.load_dataset("FOLDER", split="train")

## Licences

{kept}

## Columns

| column | meaning |
|---|---|
{columns}
"""

"""The exported data set in MLCommons' Croissant 1.0 (JSON-LD), with core and responsible-AI fields (RAI 1.0)."""
import hashlib
import json
import re
from datetime import UTC, datetime
from mimetypes import guess_type
from pathlib import Path

import pyarrow as pa

from pixverve_lib.curation import responsible_ai
from pixverve_lib.curation.export import SCHEMA, licences
from pixverve_lib.kit.artefacts import write_bytes_atomically

CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet",
    "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {pa.string(): "sc:Text", pa.int64(): "sc:Integer", pa.float64(): "sc:Float"}


def write(rows, folder, name, url):
    """Write FOLDER/croissant.json for what export.folder has written there.  Returns its path.

    rows: from export.annotation_records; url: of the data set's page.
    """
    folder = Path(folder)
    parts = [part for part in ("train", "bench") if (folder / part / "metadata.parquet").exists()]
    target = folder / "croissant.json"
    text = json.dumps(_described(rows, folder, parts, name, url), indent=1, ensure_ascii=False)
    write_bytes_atomically(target, text.encode())
    return target


def _described(rows, folder, parts, name, url):
    return {
        "@context": CONTEXT, "@type": "sc:Dataset", "name": name, "url": url, "version": "1.0.0",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "description": f"{len(rows)} ultra-high-resolution pictures with tags, boxes, instance descriptions, an "
                       "aesthetic analysis, and long and short captions.",
        "citeAs": "PixVerve: Advancing Native UHR Image Generation to 100MP",
        "license": sorted({licence for _, licence in licences(rows)}),
        "creditText": "; ".join(sorted({source for source, _ in licences(rows)})),
        "inLanguage": "en", "datePublished": _day(folder / parts[0] / "metadata.parquet"),
        **responsible_ai.statements(rows),
        "distribution": [entry for part in parts for entry in _files(folder, part, rows)],
        "recordSet": [_record_set(part) for part in parts],
    }


def _day(file):
    """When a file was written, as ISO date (UTC): an export is published for the first time by being there."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat()


def _files(folder, part, rows):
    data = (folder / part / "metadata.parquet").read_bytes()
    yield {"@type": "cr:FileObject", "@id": f"{part}-metadata", "name": f"{part}-metadata",
           "contentUrl": f"{part}/metadata.parquet", "contentSize": f"{len(data)} B",
           "encodingFormat": "application/x-parquet", "sha256": hashlib.sha256(data).hexdigest()}
    names = [row["file_name"] for row in rows if row["split"] == part]
    yield {"@type": "cr:FileSet", "@id": f"{part}-pictures", "name": f"{part}-pictures",
           "includes": sorted({f"{part}/*{Path(name).suffix}" for name in names}),
           "encodingFormat": sorted({guess_type(name)[0] or "application/octet-stream" for name in names})}


def _record_set(part):
    return {"@type": "cr:RecordSet", "@id": part, "name": part, "key": {"@id": f"{part}/id"},
            "field": [_field(f"{part}/{field.name}", field, part, [field.name]) for field in SCHEMA]}


def _field(name, field, part, steps):
    """One column; a struct becomes sub-fields, a list is marked as repeated."""
    kind, repeated = field.type, pa.types.is_list(field.type)
    kind = kind.value_type if repeated else kind
    name = re.sub(r"[^\w/]+", "_", name)  # Croissant's own library refuses white space in an @id
    found = {"@type": "cr:Field", "@id": name, "name": name, "repeated": repeated}
    if field.metadata:
        found["description"] = field.metadata[b"description"].decode()
    source = {"fileObject": {"@id": f"{part}-metadata"}, "extract": {"column": steps[0]}}
    if pa.types.is_struct(kind):
        return found | {"subField": [_field(f"{name}/{child.name}", child, part, [*steps, child.name])
                                     for child in kind]}
    if steps[1:]:
        source["transform"] = [{"jsonPath": "$." + ".".join(f"['{step}']" for step in steps[1:])}]
    return found | {"dataType": TYPES[kind], "source": source}

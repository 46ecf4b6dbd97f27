"""The exported data set, read as people read it: by `datasets`, from tar shards, as Croissant."""
import hashlib
import io
import json
import os
import tarfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pixverve_lib.curation import captioning, croissant, export, webdataset
from pixverve_lib.imaging import large, reading
from pixverve_lib.models.annotation import DIMENSIONS


@pytest.fixture
def pictures(tmp_path):
    """Two tiled pictures and a native JPEG: id -> (path, pixels)."""
    rng, found = np.random.default_rng(0), {}
    for name, suffix in (("a1", ".tif"), ("b2", ".jpg"), ("../c3", ".tif")):
        rgb = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        path = tmp_path / "pool" / f"picture{len(found)}{suffix}"
        path.parent.mkdir(exist_ok=True)
        if suffix == ".tif":
            large.write_tiled(path, 40, 60, [rgb], tile=16)
        else:
            reading.write_jpeg(path, rgb)
        found[name] = path, reading.read_rgb(path)
    return found


@pytest.fixture
def rows(pictures):
    final = pd.DataFrame([(name, str(path), part, 40, 60, "2x", "bicubic") for (name, (path, _)), part
                          in zip(pictures.items(), ("train", "train", "bench"), strict=True)],
                         columns=["id", "path", "split", "height", "width", "tier", "upscaler"])
    pool = pd.DataFrame({"id": list(pictures), "source": ["Pexels", "Pexels", "UltraHR-100K"],
                         "author": [None, "Jo", ""],
                         "licence": ["Pexels License", "Pexels License", "CC BY-NC 4.0"], "page": "", "predictors": "p",
                         **dict.fromkeys(export.SCORES, 0.5), "flatness": [None, 0.5, 0.5]})
    cup = {"label": "cup", "top": 0.1, "left": 0.2, "bottom": 0.3, "right": 0.4, "score": 0.9, "area": 0.04,
           "mask": {"size": [2, 1], "counts": [0, 2]}, "text": "a red cup", "importance": 0.7,
           "attributes": {"colour": "red"}, "reason": None}
    silent = cup | {"text": None, "importance": None, "attributes": {}, "reason": "no answer"}
    annotations = pd.DataFrame([{
        "id": name, "pruned_tags": ["cup"] if found else [], "instances": found, "long_caption": f"{name}: a cup, né",
        "short_caption": "a cup", "aesthetics": dict.fromkeys(DIMENSIONS, "fine"),
        "makers": dict.fromkeys(captioning.STAGES, "rule")}
        for name, found in zip(pictures, ([cup, silent], [cup], []), strict=True)])
    return export.annotation_records(final, pool, annotations)


@pytest.fixture
def target(rows, tmp_path):
    export.folder(rows, tmp_path / "out", "tiny")
    return tmp_path / "out"


def test_load_dataset_reads_the_folder_with_pictures_records_and_both_parts(target, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(str(target), cache_dir=str(tmp_path / "cache"))
    assert {part: len(found[part]) for part in found} == {"train": 2, "bench": 1}
    first, (held_out,) = found["train"][0], found["bench"]
    assert np.array_equal(np.asarray(first["image"]), pictures["a1"][1])
    assert np.array_equal(np.asarray(held_out["image"]), pictures["../c3"][1])
    assert first["long_caption"] == "a1: a cup, né" and first["aesthetics"] == dict.fromkeys(DIMENSIONS, "fine")
    assert first["boxes"][0] == {"label": "cup", "top": 0.1, "left": 0.2, "bottom": 0.3, "right": 0.4, "score": 0.9}
    assert [i["text"] for i in first["instances"]] == ["a red cup", None] and held_out["instances"] == []
    assert json.loads(first["instances"][0]["mask"]) == {"size": [2, 1], "counts": [0, 2]}
    assert (first["scores"]["entropy"], first["scores"]["flatness"]) == (0.5, None)
    assert (first["tags"], first["author"]) == (["cup"], "")


def test_no_name_from_data_leads_out_of_the_folder(target, rows):
    assert rows[2]["id"] == "../c3" and "/" not in rows[2]["file_name"] and ".." not in rows[2]["file_name"]
    names = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert names == {"README.md", "train/metadata.parquet", "train/a1.tif", "train/b2.jpg", "bench/metadata.parquet",
                     f"bench/{rows[2]['file_name']}"}


def test_licence_and_source_of_every_picture_are_kept_and_counted(target, rows):
    table = pq.read_table(target / "train" / "metadata.parquet").to_pylist()
    assert {(row["source"], row["licence"]) for row in table} == {("Pexels", "Pexels License")}
    assert export.licences(rows) == {("Pexels", "Pexels License"): 2, ("UltraHR-100K", "CC BY-NC 4.0"): 1}
    card = (target / "README.md").read_text()
    assert "* Pexels: Pexels License, 2 pictures" in card and all(f"`{name}`" in card for name in export.SCHEMA.names)


def test_the_table_has_few_rows_in_a_group_and_every_column_says_what_it_is(rows, tmp_path):
    many = [rows[0] | {"id": str(i), "file_name": f"{i}.tif"} for i in range(40)]
    export.folder(many, tmp_path / "many", "many")
    file = pq.ParquetFile(tmp_path / "many" / "train" / "metadata.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [16, 16, 8]
    assert all(field.metadata[b"description"] for field in file.schema_arrow)


def test_exporting_again_drops_what_left_the_pool_and_a_picture_that_changed_sides(target, rows):
    moved = [rows[0], rows[1] | {"split": "bench"}]
    export.folder(moved, target, "tiny")
    assert {p.name for p in (target / "train").iterdir()} == {"metadata.parquet", "a1.tif"}
    assert {p.name for p in (target / "bench").iterdir()} == {"metadata.parquet", "b2.jpg"}
    export.folder(rows[:1], target, "tiny")
    assert not list((target / "bench").iterdir()) and "bench" not in (target / "README.md").read_text().split("---")[1]


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(target, rows):
    (target / "train" / "mine.jpg").write_bytes(b"x")
    with pytest.raises(export.BadExport, match=r"mine\.jpg: export to an empty folder"):
        export.folder(rows[1:], target, "tiny")
    assert (target / "train" / "mine.jpg").exists() and (target / "train" / "a1.tif").exists()


def test_what_cannot_be_exported_is_refused_in_one_line(rows, tmp_path):
    os.unlink(rows[1]["path"])
    for bad, words in (([], "empty"), ([rows[0], rows[0]], "one id"), (rows, "is gone"),
                       ([rows[0] | {"split": "test"}], "'test'")):
        with pytest.raises(export.BadExport, match=words):
            export.folder(bad, tmp_path / "new", "tiny")
    assert not (tmp_path / "new").exists()


def test_a_picture_is_linked_not_copied_where_the_disk_allows(target, pictures):
    assert os.path.samefile(target / "train" / "a1.tif", pictures["a1"][0])


def test_tar_shards_are_read_by_the_standard_library_and_are_the_same_bytes_twice(rows, tmp_path):
    paths = webdataset.write(rows, tmp_path / "one", shard_bytes=1)
    assert [path.name for path in paths] == ["train-00000.tar", "train-00001.tar", "bench-00000.tar"]
    with tarfile.open(paths[0]) as tar:
        assert tar.getnames() == ["a1.tif", "a1.json", "a1.txt"]
        record, text = json.load(tar.extractfile("a1.json")), tar.extractfile("a1.txt").read().decode()
        picture = np.asarray(Image.open(io.BytesIO(tar.extractfile("a1.tif").read())))
    assert text == record["long_caption"] == "a1: a cup, né" and record["licence"] == "Pexels License"
    assert np.array_equal(picture, reading.read_rgb(rows[0]["path"]))
    again = webdataset.write(rows, tmp_path / "two", shard_bytes=1)
    assert [p.read_bytes() for p in paths] == [p.read_bytes() for p in again]
    assert len(webdataset.write(rows, tmp_path / "three")) == 2


def test_croissant_describes_the_files_that_are_there_and_every_column(target, rows):
    found = json.loads(croissant.write(rows, target, "tiny", "https://example.org/tiny").read_text())
    assert found["license"] == ["CC BY-NC 4.0", "Pexels License"]
    tables = {entry["@id"]: entry for entry in found["distribution"] if "contentUrl" in entry}
    for entry in tables.values():
        assert hashlib.sha256((target / entry["contentUrl"]).read_bytes()).hexdigest() == entry["sha256"]
    listed = [pattern for entry in found["distribution"] for pattern in entry.get("includes", [])]
    assert {path.name for pattern in listed for path in target.glob(pattern)} == {row["file_name"] for row in rows}
    for part in found["recordSet"]:
        assert [field["@id"] for field in part["field"]] == [f"{part['@id']}/{name}" for name in export.SCHEMA.names]
        leaves = [leaf for field in part["field"] for leaf in field.get("subField", [field])]
        assert all(leaf["source"]["fileObject"]["@id"] in tables and leaf["dataType"] for leaf in leaves)


def test_croissants_own_library_finds_nothing_to_remark_and_reads_every_record(target, rows):
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=str(croissant.write(rows, target, "tiny", "https://example.org/tiny")))
    assert (set(dataset.metadata.ctx.issues.errors), set(dataset.metadata.ctx.issues.warnings)) == (set(), set())
    for part in export.SPLITS:
        read = {record[f"{part}/id"].decode(): record for record in dataset.records(part)}
        assert {name: record[f"{part}/long_caption"].decode() for name, record in read.items()} == {
            row["id"]: row["long_caption"] for row in rows if row["split"] == part}
    first = next(iter(dataset.records("train")))
    assert [box["train/boxes/label"] for box in first["train/boxes"]] == [b"cup", b"cup"]
    assert first["train/aesthetics"]["train/aesthetics/originality_creativity"] == b"fine"


def test_the_responsible_ai_part_is_whole_and_hangs_on_the_sources(target, rows):
    import mlcroissant

    def told(rows):
        return mlcroissant.Dataset(jsonld=str(croissant.write(rows, target, "tiny", "https://e.org"))).metadata

    photographs = told(rows)
    for name in ("data_collection", "data_collection_type", "data_preprocessing_protocol", "data_annotation_protocol",
                 "annotator_demographics", "machine_annotation_tools", "data_biases", "data_limitations",
                 "personal_sensitive_information", "data_use_cases", "data_social_impact",
                 "data_release_maintenance_plan"):
        assert getattr(photographs, name), name
    assert photographs.data_collection_type == ["Secondary Data Analysis", "Web API"]
    assert any("no face was" in line for line in photographs.personal_sensitive_information)
    drawn = told([row | {"source": "built-in scenes"} for row in rows])
    assert drawn.data_collection_type == ["Software Collection"]
    assert not any("face" in line for line in drawn.personal_sensitive_information)

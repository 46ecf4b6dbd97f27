"""The folder and local-copy readers, and how a spec is opened."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from pixverve_lib.curation import sources
from pixverve_lib.curation.sources import Picture, SourceError, open_source


def _jpeg(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), "teal").save(path, "JPEG")
    return path


def _open(spec: str, cache: Path) -> tuple[list[Picture], list[sources.Missed]]:
    missed = []
    return list(open_source(spec, cache, report=missed.append)), missed


def test_a_folder_gives_every_picture_below_it_sorted_good_or_bad(tmp_path):
    names = ["b.JPG", "a/deep/é 写真.jpeg", "a/zero.png", "c.webp"]
    for name in names:
        _jpeg(tmp_path / "in" / name)
    (tmp_path / "in/a/zero.png").write_bytes(b"")
    (tmp_path / "in/notes.md").write_text("no picture")
    found, missed = _open(str(tmp_path / "in"), tmp_path)
    assert [Path(picture.path).relative_to(tmp_path / "in").as_posix() for picture in found] == sorted(names)
    assert {picture.licence for picture in found} == {"unknown: the user's own"} and not missed


def test_what_leaves_the_folder_or_is_no_file_is_refused_with_its_reason(tmp_path):
    _jpeg(tmp_path / "elsewhere/secret.jpg")
    good = _jpeg(tmp_path / "in/good.jpg")
    (tmp_path / "in/inner.jpg").symlink_to(good)
    (tmp_path / "in/out.jpg").symlink_to(tmp_path / "elsewhere/secret.jpg")
    (tmp_path / "in/away").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/nowhere.jpg").symlink_to(tmp_path / "in/gone.jpg")
    os.mkfifo(tmp_path / "in/pipe.jpg")
    with open(os.fsencode(tmp_path / "in") + b"/\xff.jpg", "wb"):
        pass
    found, missed = _open(str(tmp_path / "in"), tmp_path)
    assert [Path(picture.path).name for picture in found] == ["good.jpg", "inner.jpg"]
    assert {one.name for one in missed} == {"out.jpg", "away", "nowhere.jpg", "pipe.jpg", "\udcff.jpg"}
    for one in missed:
        str(one).encode()  # every line can be printed


@pytest.mark.parametrize(
    ("spec", "hint"),
    [("missing", "is no folder"), ("empty", "no pictures below"), ("packed", "unpack its 1 archives"),
     (" , ", "pexels:"), ("ultrahr-100k:", "after the colon"), ("synthesized:many", "whole number"),
     ("flickr:cats", "pexels:")],
)
def test_a_source_that_cannot_be_opened_is_one_clear_line(tmp_path, monkeypatch, spec, hint):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("packed").mkdir()
    Path("packed/part-0.tar").write_bytes(b"")
    with pytest.raises(SourceError, match=hint) as error:
        open_source(spec, tmp_path)
    assert "\n" not in str(error.value)


def test_a_local_copy_brings_its_captions_and_its_licence(tmp_path):
    for name in ("a/1.jpg", "a/2.jpg", "b/3.png", "b/4.jpg", "b/5.jpg"):
        _jpeg(tmp_path / name)
    rows = [{"file_name": "1.jpg", "text": "one"}, {"file_name": "2.jpg", "caption": "two"}]
    (tmp_path / "a/metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "b/metadata.csv").write_text('\ufefffile_name,text\n3.png,"three, with\na line end"\n')
    (tmp_path / "b/4.txt").write_text("four\n")
    (tmp_path / "b/5.txt").symlink_to("/etc/passwd")
    found, missed = _open(f"aesthetic-train-v2:{tmp_path}", tmp_path)
    assert [picture.caption for picture in found] == ["one", "two", "three, with\na line end", "four", ""]
    assert {(picture.source, picture.licence) for picture in found} == {("Aesthetic-Train-V2", "MIT")} and not missed
    assert {picture.licence for picture in _open(f"ultrahr-100k:{tmp_path}", tmp_path)[0]} == {"CC BY-NC 4.0"}


def test_metadata_that_climbs_out_or_is_broken_is_counted_and_the_rest_goes_on(tmp_path):
    _jpeg(tmp_path / "out.jpg")
    _jpeg(tmp_path / "copy/1.jpg")
    names = ["../out.jpg", "/out.jpg", "C:\\out.jpg", "a\\..\\..\\out.jpg", "absent.jpg", "1.jpg"]
    lines = [json.dumps({"file_name": name, "text": name}) for name in names]
    (tmp_path / "copy/metadata.jsonl").write_text("\n".join([*lines, "{broken", '["no row"]']))
    found, missed = _open(f"ultrahr-100k:{tmp_path / 'copy'}", tmp_path)
    assert [picture.caption for picture in found] == ["1.jpg"]
    assert sorted(one.reason for one in missed) == [
        "1 entries name a picture that is not there", "2 entries cannot be read",
        "4 entries have a file_name that leaves the folder",
    ]


def test_specs_are_chained_and_a_new_prefix_is_one_line(tmp_path, monkeypatch):
    _jpeg(tmp_path / "one, two/1.jpg")
    _jpeg(tmp_path / "b/2.jpg")
    monkeypatch.setitem(sources.SOURCES, "scenes", lambda number, *_: iter([Picture(number, "scenes", "CC0")]))
    found, _ = _open(f"{tmp_path / 'b'}, scenes:7,ultrahr-100k:{tmp_path / 'b'}", tmp_path)
    assert [picture.source for picture in found] == ["folder", "scenes", "UltraHR-100K"]
    assert len(_open(str(tmp_path / "one, two"), tmp_path)[0]) == 1  # a folder may have a comma in its name

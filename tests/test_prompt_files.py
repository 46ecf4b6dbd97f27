"""A prompts file and a folder: what is scored, and one line for each thing that does not fit."""
import json
import os
from collections import Counter

import pandas as pd
import pytest

from pixverve_lib.bench import matching
from pixverve_lib.bench.matching import pictures
from pixverve_lib.bench.prompt_files import PromptsError


@pytest.fixture
def folder(tmp_path):
    """A function that makes empty files in a folder of pictures; nothing here opens one."""
    def make(*names):
        for name in names:
            (tmp_path / "gen" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "gen" / name).touch()
        return tmp_path / "gen"
    return make


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def rows(frame):
    return frame[["file", "short", "long"]].to_numpy().tolist()


def test_csv_jsonl_and_parquet_say_the_same(folder, tmp_path):
    gen = folder("a.png", "sub/é.jpg")
    table = pd.DataFrame({"file": ["a.png", "sub/é.jpg"], "short": ["one, two", "NA"], "long": ["x\ny", "z"]})
    table.to_csv(tmp_path / "p.csv", index=False, encoding="utf-8-sig")  # as Excel writes it
    table.to_parquet(tmp_path / "p.parquet")
    written(tmp_path / "p.jsonl", "\n".join(json.dumps(row) for row in table.to_dict("records")))
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        frame, notes = pictures(gen, tmp_path / name)
        assert rows(frame) == table.to_numpy().tolist() and not notes


def test_the_released_file_is_read_as_it_is_and_extensions_need_not_agree(folder, tmp_path):
    gen = folder("001.jpg", "002.jpg")
    lines = [{"file_name": f"images/00{i}.png", "short_caption": "s", "long_caption": "l", "width": 9} for i in (1, 2)]
    frame, notes = pictures(gen, written(tmp_path / "benchmark.jsonl", "\n".join(map(json.dumps, lines))))
    assert rows(frame) == [["001.jpg", "s", "l"], ["002.jpg", "s", "l"]]
    assert [str(note) for note in notes] == ["unknown column: width: not read"]


def test_whatever_does_not_fit_is_one_line_each_and_the_rest_is_scored(folder, tmp_path):
    gen = folder("a.png", "a.jpg", "b.png", "c.png", "c.webp", "d.png", "extra.png", "notes.txt", ".hidden.png")
    (gen / "link.png").symlink_to(written(tmp_path / "outside.png", ""))
    text = ("file,short,mood\na.png,one,x\nb.png, ,x\nb.png,again,x\nc,which,x\n../outside.png,up,x\n/etc/x.png,no,x\n"
            "gone.png,no,x\n,nobody,x\nd.png,a,b,c\nd.png,fine,x\n")
    frame, notes = pictures(gen, written(tmp_path / "p.csv", text))
    assert rows(frame) == [["a.png", "one", ""], ["b.png", "", ""], ["d.png", "fine", ""]]
    assert Counter(note.kind for note in notes) == {
        "link out of the folder": 1, "unknown column": 1, "no such column": 1, "empty prompt": 1,
        "row with too many fields": 1, "file named twice": 1, "path that leaves the folder": 2,
        "row without a file name": 1, "prompt without a picture": 1, "name that fits several pictures": 1,
        "picture without a prompt": 4}
    assert all("\n" not in str(note) for note in notes)


def test_a_picture_stays_with_the_row_that_names_it_exactly(folder, tmp_path):
    text = "file,short,long\na.png,wrong,w\na.jpg,right,r"
    frame, notes = pictures(folder("a.jpg"), written(tmp_path / "p.csv", text))
    assert rows(frame) == [["a.jpg", "right", "r"]]
    assert [note.kind for note in notes] == ["prompt without a picture"]


@pytest.mark.parametrize("text", ["x/a.png,wrong\na.png,right", "a.png,right\nx/a.png,wrong"])
def test_a_row_never_takes_the_picture_of_a_row_that_fits_better(folder, tmp_path, text):
    frame, notes = pictures(folder("a.jpg"), written(tmp_path / "p.csv", f"file,short\n{text}"))
    assert rows(frame) == [["a.jpg", "right", ""]]
    assert [note.name for note in notes if note.kind == "file named twice"] == ["x/a.png"]


def test_a_row_whose_folder_is_here_takes_no_picture_from_another(folder, tmp_path):
    gen = folder("x/a.jpg", "a.webp")
    frame, notes = pictures(gen, written(tmp_path / "p.csv", "file,short\nx/a.jpg,right\nx/a.png,other"))
    assert rows(frame) == [["x/a.jpg", "right", ""]]
    assert "prompt without a picture: x/a.png: its picture is named exactly by another row" in map(str, notes)


def test_what_lies_there_but_is_not_read_is_said(folder, tmp_path):
    gen = folder("a.png", "b.HEIC", "c.txt")
    (gen / "linked").symlink_to(tmp_path)
    open(os.fsencode(gen) + b"/caf\xe9.png", "wb").close()
    (gen / "loop.png").symlink_to(gen / "loop.png")
    frame, notes = pictures(gen)
    assert [row[0] for row in rows(frame)] == ["a.png"]
    assert sorted((note.kind, note.name) for note in notes) == [
        ("kind that is not read", "b.HEIC"), ("linked folder", "linked"),
        ("name that is not UTF-8", "caf\\udce9.png"), ("no regular file", "loop.png")]


def test_a_reference_of_the_same_extension_is_preferred_and_a_choice_is_said():
    notes, references = [], {"a.jpg": "1", "a.png": "2", "b.jpg": "3", "b.png": "4"}
    assert matching.paired(["a.png", "b.webp"], references, notes) == {"a.png": "2", "b.webp": "3"}
    assert [(note.kind, note.name) for note in notes] == [
        ("equal names", "b.webp"), ("reference without a picture", "a.jpg"), ("reference without a picture", "b.png")]


def test_without_a_prompts_file_every_picture_is_scored_and_equal_names_are_said(folder):
    frame, notes = pictures(folder("a.jpg", "a.png", "b/a.png"))
    assert rows(frame) == [[name, "", ""] for name in ("a.jpg", "a.png", "b/a.png")]
    assert [(note.kind, note.name) for note in notes] == [("equal names", "a.jpg"), ("equal names", "a.png")]


def test_broken_json_lines_and_texts_that_are_numbers_are_counted(folder, tmp_path):
    text = '{"file": "a.png", "short": 7, "long": null}\n{"file": \n[1]\n\n{"file": "b.png", "short": "s"}'
    frame, notes = pictures(folder("a.png", "b.png"), written(tmp_path / "p.jsonl", text))
    assert rows(frame) == [["a.png", "", ""], ["b.png", "s", ""]]
    assert Counter(note.kind for note in notes) == {
        "line that is no JSON object": 2, "prompt that is no text": 1, "empty prompt": 2}


@pytest.mark.parametrize(("name", "data", "hint"), [
    ("p.csv", "file,short\ncafé.png,x".encode("latin-1"), "not UTF-8"),
    ("p.csv", b"file;short\na.png;x", "no column `file`.*by commas"),
    ("p.csv", b"", "no column `file`"),
    ("p.csv", b"file\nother.png", "no picture of .* such as 'a.png'"),
    ("p.parquet", b"PAR1 not really", "cannot be read as parquet"),
    ("p.xlsx", b"", "is .csv, .jsonl, .parquet"),
    ("gone.csv", None, "cannot be opened"),
])
def test_a_file_of_no_use_is_one_clear_line(folder, tmp_path, name, data, hint):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(PromptsError, match=hint) as error:
        pictures(folder("a.png"), tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_folder_without_pictures_is_one_clear_line(tmp_path):
    for where, hint in ((tmp_path, "no pictures below"), (tmp_path / "gone", "is no folder")):
        with pytest.raises(PromptsError, match=hint):
            matching.listed(where)

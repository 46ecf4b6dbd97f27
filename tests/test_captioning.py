"""The stage-wise pipeline with small roles: what a record holds, what failing costs, and what a killed run keeps."""
import json
import os
import signal
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fake_chat_server import fake_chat_server, refuses, well

from pixverve_lib.curation import captioning, instances
from pixverve_lib.imaging import reading
from pixverve_lib.kit import artefacts
from pixverve_lib.models import endpoint_roles
from pixverve_lib.models.annotation import DIMENSIONS, Box, Description, Failed, Role, Roles, Tag

PLACES = {"vase": (0.1, 0.1, 0.9, 0.4), "cup": (0.5, 0.6, 0.7, 0.8), "book": (0.1, 0.6, 0.3, 0.9)}
IMPORTANCE = {"cup": 0.2, "vase": 0.9, "book": 0.5}


class Players:
    """Answers by rule and counts the questions; `say` replaces the answer of a role."""

    def __init__(self, maker="rule", **say):
        self.maker, self.say, self.asked = maker, say, Counter()

    def roles(self):
        names = [name for name in Roles.__dataclass_fields__ if name != "usage"]
        return Roles(**{name: Role(self.maker, self._player(name)) for name in names})

    def _player(self, name):
        def play(*question):
            self.asked[name] += 1
            return self.say.get(name, getattr(self, name, None))(*question)
        return play

    def tag(self, rgb):
        return [Tag(name, 0.5) for name in (*PLACES, "calm")]

    def prune(self, tags):
        return [tag for tag in tags if tag.name != "calm"]

    def find(self, rgb, tags):
        return [Box(tag.name, *PLACES[tag.name], 0.5 + i / 10) for i, tag in enumerate(tags)]

    def segment(self, rgb, boxes):
        masks = np.zeros((len(boxes), *rgb.shape[:2]), bool)
        for mask, box in zip(masks, boxes, strict=True):
            top, left, bottom, right = box.pixels(*rgb.shape[:2])
            mask[top:bottom, left:right] = True
        return list(masks)

    def describe(self, crop, highlighted, label):
        return Description(f"a {label}, {crop.shape[0]} px high", IMPORTANCE[label], {"colour": "red"})

    def analyse(self, rgb):
        return dict.fromkeys(DIMENSIONS, "not assessed")

    def long_caption(self, rgb, descriptions, aesthetics):
        return "; ".join(d.text for d in descriptions) or "nothing stands out"

    def short_caption(self, rgb, long):
        return long.split(",")[0]


def refuse(*question):
    return Failed("the endpoint is gone")


@pytest.fixture
def uhr(tmp_path):
    paths = [tmp_path / f"{name}.jpg" for name in "abc"]
    for number, path in enumerate(paths):
        reading.write_jpeg(path, np.full((200, 300, 3), 60 * number, np.uint8))
    return pd.DataFrame({"id": list("abc"), "path": [str(path) for path in paths]})


def annotate(uhr, players, folder, **more):
    return captioning.annotate(uhr, players.roles(), folder, at_once=1, **more)


def first(uhr, tmp_path, **say):
    return annotate(uhr.head(1), Players(**say), tmp_path / "r")[0].iloc[0]


def test_a_record_goes_from_tags_to_captions_and_names_who_made_each_part(uhr, tmp_path):
    row = first(uhr, tmp_path)
    assert row.pruned_tags == ["vase", "cup", "book"] and len(row.tags) == 4
    assert [found["label"] for found in row.instances] == ["book", "cup", "vase"]  # best score first
    assert row.instances[1]["text"] == "a cup, 44 px high" and row.instances[1]["attributes"] == {"colour": "red"}
    assert instances.decode_mask(row.instances[2]["mask"]).mean() == pytest.approx(0.24, abs=0.01)
    assert row.long_caption == "a vase, 176 px high; a book, 44 px high; a cup, 44 px high"  # most important first
    assert (row.short_caption, row.failed, row.height) == ("a vase", [], 200)
    assert row.makers == dict.fromkeys(captioning.STAGES, "rule") and set(row.aesthetics) == set(DIMENSIONS)


def test_a_picture_without_instances_is_captioned_and_has_none(uhr, tmp_path):
    row = first(uhr, tmp_path, find=lambda rgb, tags: [], segment=refuse)
    assert (row.instances, row.long_caption, row.failed) == ([], "nothing stands out", [])


def test_of_500_boxes_100_are_segmented_and_the_record_says_so(uhr, tmp_path):
    many = [Box("cup", i / 500, i / 500, i / 500 + 0.01, i / 500 + 0.01, 0.5) for i in range(490)]
    row = first(uhr, tmp_path, find=lambda rgb, tags: many)
    assert (row.boxes_found, row.boxes_left_out) == (490, 390)
    assert len(row.instances) + row.trivial + row.duplicates == 100


def test_one_description_that_fails_is_missing_with_its_reason_and_the_captions_come_from_the_others(uhr, tmp_path):
    def describe(crop, highlighted, label):
        return refuse() if label == "cup" else Players().describe(crop, highlighted, label)

    row = first(uhr, tmp_path, describe=describe)
    cup = row.instances[1]
    assert (cup["text"], cup["importance"], cup["reason"]) == (None, None, "the endpoint is gone")
    assert "cup" not in row.long_caption
    assert row.failed == [{"role": "describe", "reason": "1 of 3: the endpoint is gone"}]


@pytest.mark.parametrize("role", ["tag", "prune", "find", "segment", "analyse"])
def test_a_stage_that_fails_leaves_the_captions_missing_not_made_from_less(role, uhr, tmp_path):
    row = first(uhr, tmp_path, **{role: refuse})
    assert row.long_caption is None and row.short_caption is None
    assert [failure["role"] for failure in row.failed] == [role, "long_caption", "short_caption"]
    assert (row.instances is None) == (role != "analyse") and (row.aesthetics is None) == (role == "analyse")


def test_a_finished_picture_is_not_asked_about_again_unless_the_maker_changes(uhr, tmp_path):
    before, _ = annotate(uhr, Players(), tmp_path / "r")
    idle, other = Players(), Players("another")
    after, _ = annotate(uhr, idle, tmp_path / "r")
    pd.testing.assert_frame_equal(before, after)
    annotate(uhr, other, tmp_path / "r")
    assert not idle.asked and other.asked["tag"] == 3


def test_a_record_with_failures_is_made_again_and_a_file_cut_short_too(uhr, tmp_path):
    annotate(uhr, Players(analyse=refuse), tmp_path / "r")
    again = Players()
    frame, _ = annotate(uhr, again, tmp_path / "r")
    assert again.asked["tag"] == 3 and frame.long_caption.notna().all()
    cut = tmp_path / "r" / "b.json"
    cut.write_bytes(cut.read_bytes()[:100])
    once = Players()
    annotate(uhr, once, tmp_path / "r")
    assert once.asked["tag"] == 1


def test_a_killed_run_keeps_its_finished_pictures(uhr, tmp_path):
    child = os.fork()
    if not child:  # ended by the signal, or at once: never by pytest
        try:
            shade = {"analyse": lambda rgb: os.kill(os.getpid(), signal.SIGKILL) if rgb[0, 0, 0] > 100
                     else dict.fromkeys(DIMENSIONS, "fine")}
            annotate(uhr, Players(**shade), tmp_path / "r")
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    rest = Players()
    frame, _ = annotate(uhr, rest, tmp_path / "r")
    assert rest.asked["tag"] == 1 and frame.aesthetics[0] == dict.fromkeys(DIMENSIONS, "fine") and len(frame) == 3


def test_an_endpoint_that_dies_half_way_is_asked_only_what_it_has_not_answered(uhr, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_chat_server() as server:
        monkeypatch.setenv("PIXVERVE_CHAT_URL", server.base)
        monkeypatch.setenv("PIXVERVE_CHAT_MODEL", "judge-1")

        def run():
            roles = endpoint_roles.from_environment(tmp_path / "replies")
            roles = replace(roles, segment=Players().roles().segment)
            return captioning.annotate(uhr, roles, tmp_path / "r", at_once=1)[0]

        server.plan, server.usual = [well] * 9, refuses(400)
        died = run()
        assert len(died) == 3 and died.long_caption.notna().sum() == 1 and len(died.failed[1]) > 0
        server.asked.clear()
        server.usual = well
        assert run().short_caption.tolist() == ["A red apple on a table."] * 3
        assert len(server.asked) == 3 * 6 + 1 - 9, "six a picture, and one about tags alone, less what was answered"
        run()
        assert len(server.asked) == 10


def test_a_picture_that_cannot_be_read_costs_one_line_and_the_rest_goes_on(uhr, tmp_path, capsys):
    (tmp_path / "b.jpg").write_bytes(b"")
    frame, failures = annotate(uhr, Players(), tmp_path / "r")
    assert list(frame.id) == ["a", "c"]
    assert failures.values.tolist() == [[str(tmp_path / "b.jpg"), "captioning", "empty file (0 bytes)"]]
    assert "b: empty file (0 bytes)" in capsys.readouterr().out
    table = captioning.summary(frame, failures)
    assert table.failed.sum() == 1 and table.pictures.tolist() == [2] * 8 + [1]


def test_a_role_that_raises_costs_its_picture_only(uhr, tmp_path):
    def analyse(rgb):
        if rgb[0, 0, 0] == 60:
            raise RuntimeError("out of\nmemory")
        return Players().analyse(rgb)

    frame, failures = annotate(uhr, Players(analyse=analyse), tmp_path / "r")
    assert list(frame.id) == ["a", "c"] and failures.reason.tolist() == ["RuntimeError: out of memory"]


def test_the_artefact_holds_it_all_even_where_every_cell_is_empty(uhr, tmp_path):
    frame, _ = annotate(uhr, Players(find=refuse), tmp_path / "r")
    captioning.packed(frame).to_parquet(tmp_path / "a.parquet")
    back = captioning.unpacked(pd.read_parquet(tmp_path / "a.parquet"))
    assert back.to_dict("records") == frame.to_dict("records")


@pytest.mark.parametrize("name", ["../../escape", "a/b", "..", ".hidden", "x" * 300, ""])
def test_a_name_from_data_never_leads_out_of_the_folder(name, uhr, tmp_path):
    frame, _ = annotate(uhr.head(1).assign(id=name), Players(), tmp_path / "deep" / "r")
    (file,) = (path for path in tmp_path.rglob("*") if path.suffix == ".json" or "escape" in path.name)
    assert file.parent == tmp_path / "deep" / "r" and not file.name.startswith(".")
    assert json.loads(file.read_text())["record"]["short_caption"] == frame.short_caption[0]


def test_a_full_disk_stops_the_run(uhr, tmp_path, monkeypatch):
    def full(*_):
        raise artefacts.DiskFull("no room")

    monkeypatch.setattr("pixverve_lib.curation.records.write_bytes_atomically", full)
    with pytest.raises(artefacts.DiskFull):
        annotate(uhr, Players(), tmp_path / "r")

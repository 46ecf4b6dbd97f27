"""A folder of pictures scored: rows, averages, cards, what is missing, and going on after kill -9."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_backends import fakes

from pixverve_lib.bench import folder, matching, report
from pixverve_lib.bench.lengths import NANO
from pixverve_lib.imaging import reading
from pixverve_lib.imaging.cooccurrence import glcm_scores


@pytest.fixture
def made(tmp_path):
    """A function that draws noise of growing strength as 00.png ... into a folder and gives matching.pictures."""
    def make(number, name="gen", side=96, step=8):
        where = tmp_path / name
        where.mkdir(exist_ok=True)
        for i in range(number):
            grain = np.random.default_rng(i).integers(0, 1 + step * (i + 1), (side, side, 3))
            reading.write_jpeg(where / f"{i:02}.jpg", grain.astype(np.uint8))
        table = matching.pictures(where)[0]
        return table.assign(short=[f"short {i}" for i in range(number)], long=[f"long {i}" for i in range(number)])
    return make


def of(scored, metric):
    return scored.summary.set_index("metric").loc[metric]


def test_every_metric_gives_a_column_an_average_and_a_card(made, tmp_path):
    pictures = made(4, side=128)
    reference = dict(made(4, "ref", step=5)[["file", "path"]].to_numpy())
    scored = folder.score(pictures, tmp_path / "out", fakes(), NANO, reference=reference)
    assert not scored.absent and not scored.notes and list(scored.cards) == list(folder.METRICS)
    glcm = [glcm_scores(reading.read_rgb(path)).published_symmetric for path in pictures["path"]]
    assert scored.rows["glcm_score"].tolist() == glcm
    assert of(scored, "glcm_score")["value"] == pytest.approx(np.mean(glcm))
    assert of(scored, "msfi")["value"] == pytest.approx(4 + 4 / 5 * 3)  # the fake judge: global 4, local 3
    assert of(scored, "clipscore")[["value", "pictures", "missing"]].tolist() == [7.0, 4, 0]
    assert of(scored, "fid")["value"] > 0 and of(scored, "fid_patch")["low"] <= of(scored, "fid_patch")["high"]
    assert "20 of 19 px a picture" in scored.cards["fid_patch"].line()
    assert "below 2,048" in scored.cards["fid"].line()
    written = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert written["glcm_score"].tolist() == pytest.approx(glcm) and "path" not in written
    assert pd.read_parquet(tmp_path / "out" / "scores.parquet").shape == written.shape


def test_what_is_missing_costs_its_metric_only_and_is_said_in_one_line(made, tmp_path):
    pictures = made(3)
    pictures.loc[1, "short"] = ""
    Path(pictures.loc[2, "path"]).write_bytes(b"\xff\xd8\xff no picture")
    scored = folder.score(pictures, tmp_path / "out", fakes(aesthetics=None, judge="broken"), NANO)
    assert scored.rows["status"].tolist() == ["ok", "ok", "unreadable"]
    assert of(scored, "clipscore")[["pictures", "missing"]].tolist() == [1, 2]
    assert of(scored, "msfi")[["pictures", "missing"]].tolist() == [0, 3] and np.isnan(of(scored, "msfi")["value"])
    assert set(scored.absent) == {"fid", "fid_patch", "aesthetics", "msfi", "ics"}
    assert "REF=folder" in scored.absent["fid"] and scored.absent["aesthetics"] == "get the head"
    assert scored.absent["msfi"].startswith("no judge today")
    lines = [str(note) for note in scored.notes]
    assert len(lines) == 2 and all("\n" not in line for line in lines)
    assert lines[0].startswith("picture that cannot be read: 02.jpg: not scored: ")
    assert lines[1] == "CLIPScore missing or incomplete: 01.jpg: no short caption"


@pytest.mark.parametrize("references", [1, 0])
def test_fid_wants_two_pairs_and_says_so(made, tmp_path, references):
    reference = dict(made(3, "ref")[["file", "path"]].to_numpy()[:references])
    scored = folder.score(made(2), tmp_path / "out", fakes(), NANO, reference=reference)
    assert all(f": {references}; two are the least" in scored.absent[key] for key in ("fid", "fid_patch"))
    assert sum(note.kind == "picture without a reference" for note in scored.notes) == 2 - references


def test_a_damaged_reference_and_a_small_picture_cost_their_own_pairs(made, tmp_path):
    pictures, reference = made(4), dict(made(4, "ref")[["file", "path"]].to_numpy())
    Path(reference["03.jpg"]).write_bytes(b"no picture")
    reading.write_jpeg(pictures.loc[0, "path"], np.zeros((12, 12, 3), np.uint8))  # smaller than a patch
    scored = folder.score(pictures, tmp_path / "out", fakes(), NANO, reference=reference)
    assert of(scored, "fid")["pictures"] == 3 and of(scored, "fid_patch")["pictures"] == 2
    kinds = {note.kind: note for note in scored.notes}
    assert kinds["reference that cannot be read"].name == "03.jpg" and "mixed sizes" in kinds
    assert "64 px" in kinds["GLCM Score missing or incomplete"].text


def test_a_finished_picture_is_scored_again_only_when_something_it_depends_on_has_changed(made, tmp_path, monkeypatch):
    asked, pictures = [], made(3)
    reference = dict(made(3, "ref")[["file", "path"]].to_numpy())

    def run(**changes):
        asked.clear()
        version = changes.pop("version", "")
        scored = folder.score(pictures, tmp_path / "out", fakes(asked=asked, version=version), NANO, **changes)
        return sorted(asked), scored

    first, before = run()
    again, after = run()
    assert first == ["long 0", "long 1", "long 2"] and again == []
    pd.testing.assert_frame_equal(before.rows, after.rows)
    asked_again, with_fid = run(reference=reference)
    assert asked_again == []  # features for FID are made, the judge is not asked again
    monkeypatch.setattr(folder.summary.distribution, "fid", pytest.fail)  # nor is its interval resampled again
    assert of(run(reference=reference)[1], "fid")["low"] == of(with_fid, "fid")["low"]
    monkeypatch.undo()
    pictures.loc[1, "long"] = "another"
    assert run(reference=reference)[0] == ["another"]
    os.utime(pictures.loc[2, "path"], (1, 1))
    assert run(reference=reference)[0] == ["long 2"]
    assert run(seed=1)[0] == ["another", "long 0", "long 2"]
    assert run(seed=1, version="other prompts")[0] == ["another", "long 0", "long 2"]


def test_an_endpoint_that_failed_is_asked_again_and_nobody_else(made, tmp_path):
    pictures, reference, worked = made(2), dict(made(2, "ref")[["file", "path"]].to_numpy()), []

    def run(judge):
        worked.clear()
        return folder.score(pictures, tmp_path / "out", fakes(judge=judge, worked=worked), NANO, reference=reference)
    assert {"msfi", "ics"} <= set(run("broken").absent) and set(worked) == {"clip", "features"}
    again = run("fake")
    assert not worked and again.rows["msfi"].notna().all() and again.rows["clipscore"].eq(7).all()
    assert not again.rows["reasons"].any() and not again.rows["unfinished"].any()


def test_other_inception_weights_cost_their_features_only_and_another_seed_none(made, tmp_path):
    pictures, reference, worked = made(2), dict(made(2, "ref")[["file", "path"]].to_numpy()), []
    who = fakes(worked=worked)

    def run(seed=0):
        worked.clear()
        folder.score(pictures, tmp_path / "out", who, NANO, seed, reference=reference)
        return set(worked)
    run()
    who.features.weights = "others"
    assert run() == {"features"} and run(seed=1) == {"clip"}


@pytest.mark.parametrize("side", ["gen", "ref"])
def test_a_read_error_that_passes_is_gone_from_the_next_run(made, tmp_path, side):
    tables = {"gen": made(4), "ref": made(4, "ref", step=5)}
    reference, broken = dict(tables["ref"][["file", "path"]].to_numpy()), Path(tables[side].loc[2, "path"])
    state, good = broken.stat(), broken.read_bytes()

    def run(out="out"):
        scored = folder.score(tables["gen"], tmp_path / out, fakes(), NANO, reference=reference)
        return {key: of(scored, key)[["value", "low", "pictures"]].tolist() for key in ("fid", "fid_patch")}
    broken.write_bytes(good[:-200].ljust(len(good), b"\0"))  # a header, then nothing: as on a network disk
    os.utime(broken, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert run()["fid"][-1] == 3
    broken.write_bytes(good)
    os.utime(broken, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert run()["fid"][-1] == 4 and run() == run("from scratch")


def test_a_picture_that_fills_the_memory_or_breaks_the_network_costs_itself_only(made, tmp_path, monkeypatch):
    pictures, reference = made(4), dict(made(4, "ref")[["file", "path"]].to_numpy())
    backends, read = fakes(), reading.read_rgb
    network, errors = backends.features.measure, [RuntimeError("CUDA out of memory"), MemoryError()]

    def fail(*question):
        if errors:
            raise errors.pop()
        return network(*question)

    def full(path):
        if path.endswith("gen/02.jpg"):
            raise MemoryError
        return read(path)
    monkeypatch.setattr(reading, "read_rgb", full)
    backends.features.measure = fail
    scored = folder.score(pictures, tmp_path / "out", backends, NANO, reference=reference)
    assert scored.rows["status"].tolist() == ["ok", "ok", "too large", "ok"]
    assert scored.rows["reasons"].tolist()[:2] == ["fid: MemoryError", "fid: RuntimeError: CUDA out of memory"]
    assert "(MemoryError)" in scored.absent["fid"] and scored.rows["clipscore"].count() == 3
    assert [note.name for note in scored.notes if note.kind == "picture that is too large"] == ["02.jpg"]
    again = folder.score(pictures, tmp_path / "out", backends, NANO, reference=reference)
    assert of(again, "fid")["pictures"] == 3 and not again.rows["reasons"][:2].any()


def test_a_metric_without_memory_costs_that_metric_only(made, tmp_path):
    backends = fakes()
    backends.aesthetics.measure = lambda rgb: np.empty(2**55)
    scored = folder.score(made(2), tmp_path / "out", backends, NANO)
    assert "MemoryError" in scored.absent["aesthetics"] and scored.rows["clipscore"].notna().all()


def test_pictures_that_are_the_same_or_small_are_said(made, tmp_path):
    pictures, reference = made(3), dict(made(3, "ref")[["file", "path"]].to_numpy())
    Path(pictures.loc[1, "path"]).write_bytes(Path(pictures.loc[0, "path"]).read_bytes())
    reading.write_jpeg(reference["02.jpg"], np.zeros((12, 12, 3), np.uint8))
    reading.write_jpeg(pictures.loc[2, "path"], np.full((12, 12, 3), 9, np.uint8))
    scored = folder.score(pictures, tmp_path / "out", fakes(), NANO, reference=reference)
    told = {note.kind: str(note) for note in scored.notes}
    assert told["identical pictures"] == "identical pictures: 01.jpg: the same bytes as 00.jpg; both count"
    assert told["small for MSFI"].endswith("96 x 96 px hold 9 of 10 patches of 32 px")
    assert told["too small for FID_patch"] == "too small for FID_patch: 02.jpg: 12 x 12 px hold no patch of 19 px"


def test_one_picture_has_no_interval(made, tmp_path):
    scored = folder.score(made(1), tmp_path, fakes(), NANO)
    assert of(scored, "clipscore")["value"] == 7 and np.isnan(of(scored, "clipscore")[["low", "high"]].tolist()).all()
    report.write(tmp_path, scored, "one")
    assert "1 picture scored" in (tmp_path / "report.md").read_text()


def test_a_report_of_nothing_readable_says_just_that(made, tmp_path):
    pictures = made(1)
    Path(pictures.loc[0, "path"]).write_bytes(b"")
    report.write(tmp_path, folder.score(pictures, tmp_path, fakes(), NANO), "none", ["seed 0"])
    html = (tmp_path / "report.html").read_text()
    assert "0 pictures scored · 1 not readable · seed 0" in html and "The others are below" not in html


def test_two_folders_of_one_name_do_not_share_their_results(tmp_path):
    for gen in (tmp_path / "a" / "4k", tmp_path / "b" / "4k"):
        gen.mkdir(parents=True)
    folder._claim(tmp_path / "out", tmp_path / "a" / "4k")
    folder._claim(tmp_path / "out", tmp_path / "a" / "4k")
    with pytest.raises(folder.PromptsError, match="results of .*a/4k.*OUT=folder"):
        folder._claim(tmp_path / "out", tmp_path / "b" / "4k")


def test_after_kill_9_the_run_goes_on(made, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "code", str)  # somebody may be editing the library while this runs
    pictures, out = made(6), tmp_path / "out"
    pictures.to_parquet(tmp_path / "pictures.parquet")
    script = ("import sys, pandas as pd\nfrom fake_backends import fakes\nfrom pixverve_lib.bench import folder\n"
              "folder.code = str\nfolder.score(pd.read_parquet(sys.argv[1]), sys.argv[2], fakes(seconds=0.15))\n")
    driver = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "pictures.parquet"), str(out)],
                              env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)}, stdout=subprocess.DEVNULL)
    while len(list(out.glob("kept/[!.]*.json"))) < 2 and driver.poll() is None:
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    finished, asked = len(list(out.glob("kept/[!.]*.json"))), []
    scored = folder.score(pictures, out, fakes(asked=asked))
    assert 2 <= finished < 6 and len(asked) == 6 - finished
    assert scored.rows["ics"].notna().all()
    assert not list(out.rglob("*.partial*"))[1:]  # at most the file that was being written when the run was killed


def test_the_report_escapes_names_and_tells_what_could_not_run(made, tmp_path):
    pictures = made(4).assign(file=["<b>a|b</b>.jpg", "1.jpg", "2.jpg", "3.jpg"])
    scored = folder.score(pictures, tmp_path, fakes(aesthetics=None), NANO)
    report.write(tmp_path, scored, "<my> pictures", ["seed 0"])
    html, markdown = ((tmp_path / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert "<b>a" not in html and "&lt;b&gt;a|b" in html and "\\<b\\>a\\|b" in markdown
    assert "http" not in html.replace("https://", "http") and "<script" not in html
    assert html.count("data:image/jpeg") == 2 * 2  # worst and best two of four by GLCM; the others rate all alike
    for text in (html, markdown):
        assert "get the head" in text and "Never comparable with published" in text and "REF=folder" in text


def test_a_picture_of_100_mp_needs_little_more_than_its_own_pixels(tmp_path):
    """At 5120 x 5120 px, a quarter of 10240 x 10240: the picture is 79 MB, and at most 3.5 times that may be added."""
    tile = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    reading.write_jpeg(tmp_path / "a.jpg", np.tile(tile, (10, 10, 1)), 80)
    script = ("import resource, sys\nfrom fake_backends import fakes\nfrom pixverve_lib.bench import scoring\n"
              "from pixverve_lib.bench.lengths import PAPER\nfrom pixverve_lib.bench.distribution import places\n"
              "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
              "from pixverve_lib.imaging import cooccurrence\n"
              "import numpy as np\ncooccurrence.glcm_scores(np.zeros((64, 64, 3), np.uint8))\n"  # numba's own memory
              "before, corners, texts = peak(), places([5120], PAPER)[0], {'short': 'a', 'long': 'b'}\n"
              "scoring.score_picture(sys.argv[1], texts, fakes(), PAPER, 0, sys.argv[1], corners)\n"
              "print(peak() - before)\n")
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.jpg")], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)}, check=True)
    assert int(done.stdout) * 1024 < 3.5 * 5120 * 5120 * 3


def test_with_the_embedded_backends_every_metric_of_built_in_pictures_has_a_value(tmp_path, one_thread):
    from pixverve_lib.bench import backends
    from pixverve_lib.scenes import primer
    prompts = primer.bench_prompts()[:3]
    for name, shift in (("gen", 0), ("ref", 1)):
        (tmp_path / name).mkdir()
        for i, prompt in enumerate(prompts):
            picture = primer.draw(prompt.spec, 256, np.random.default_rng(i + shift))
            reading.write_jpeg(tmp_path / name / f"{i}.jpg", picture)
    pictures = matching.pictures(tmp_path / "gen")[0].assign(
        short=[prompt.short for prompt in prompts], long=[prompt.long for prompt in prompts])
    reference = matching.listed(tmp_path / "ref")[0]
    scored = folder.score(pictures, tmp_path / "out", backends.nano(), NANO, reference=reference)
    assert not scored.absent and not scored.notes
    assert of(scored, "ics")["value"] > 9 and of(scored, "msfi")["value"] > 6  # as drawn, so what was asked for
    assert [scored.cards[key].backend for key in ("fid", "fid_patch", "msfi")] == [
        "nano-FID", "nano-FID_patch", "MSFI (classical)"]


def test_the_command_says_in_one_line_what_is_wrong_with_its_arguments(tmp_path, capsys):
    reading.write_jpeg(tmp_path / "a.jpg", np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "empty").mkdir()
    for gen, out in (("", ""), ("gone", ""), ("empty", ""), (".", "out")):
        assert folder.main(["--gen", gen and str(tmp_path / gen), "--prompts", "", "--out", str(tmp_path / out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    for line, hint in zip(lines, ("GEN=folder", "is no folder", "no pictures", "name another one"), strict=True):
        assert hint in line

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import stage_functions
from stage_functions import begun, measure, threads

from pixverve_lib.kit.artefacts import DiskFull
from pixverve_lib.kit.parallel import map_pictures

MB = 2**20


def manifest(names: str) -> list[str]:
    """`fine hang` -> paths that need not exist: /pictures/fine_0, /pictures/hang_1."""
    return [f"/pictures/{name}_{number}" for number, name in enumerate(names.split())]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def run(tmp_path, log):
    def run(names, n_jobs=2, folder="out", factor=1.0, seconds=0.0, **settings):
        options = {"log": str(log), "factor": factor, "seconds": seconds}
        return map_pictures(measure, manifest(names), tmp_path / folder, n_jobs=n_jobs, options=options, **settings)

    return run


def test_rows_are_in_manifest_order_and_the_same_for_one_and_two_jobs(run):
    names = "fine refuse fine fail fine fine fine refuse fine"
    one, two = (run(names, n_jobs, folder=f"{n_jobs}", shard_size=4) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert one["path"].tolist() == manifest(names)
    assert one["score"][6] == 6 and one["score"].isna().sum() == 3


def test_an_error_is_a_rejection_in_its_own_words_or_in_one_line(run):
    rows = run("refuse fail fine")
    assert rows["status"].tolist() == ["rejected", "rejected", "ok"]
    assert rows["reason"].tolist() == ["smaller than 9 MP", "RuntimeError: no pixels in there", ""]


@pytest.mark.parametrize(("name", "reason"), [
    ("hang", "twice: no result after 3 s"),
    ("crash", "twice: its process was killed by SIGSEGV"),
    ("leave", "twice: its process ended with exit code 3"),
    ("eat", "twice: out of memory (MemoryError: Unable to allocate 1.00 GiB"),
    ("enlarge", "twice: out of memory (error: OpenCV"),
])
def test_a_picture_that_spoils_its_process_is_tried_again_alone_and_then_quarantined(run, log, name, reason):
    rows = run(f"fine {name} fine fine fine", shard_size=3, timeout=3, memory_limit=500 * MB)
    assert rows["status"].tolist() == ["ok", "quarantined", "ok", "ok", "ok"]
    assert rows["reason"][1].startswith(reason)
    assert Counter(begun(log)) == {"fine_0": 1, f"{name}_1": 2, "fine_2": 1, "fine_3": 1, "fine_4": 1}
    assert begun(log)[-1] == f"{name}_1"


def test_a_worker_killed_from_outside_is_replaced_and_nothing_is_lost(run):
    assert run("fine fine fine fine fine strike fine fine")["status"].tolist() == ["ok"] * 8


def test_workers_that_die_without_finishing_anything_stop_the_run_in_one_line(run):
    with pytest.raises(RuntimeError, match="workers died 3 times before one picture was finished.*run again"):
        run("strikeagain")


def test_after_kill_9_only_what_was_in_flight_is_measured_again(run, log, tmp_path):
    names, shard_size = "fine " * 24, 6
    script = tmp_path / "driver.py"
    script.write_text("import sys\nfrom stage_functions import measure\n"
                      "from pixverve_lib.kit.parallel import map_pictures\n"
                      "names, folder, log, size = sys.argv[1:]\n"
                      "map_pictures(measure, names.split(), folder, n_jobs=2, shard_size=int(size),"
                      " options={'log': log, 'factor': 1.0, 'seconds': 0.2})\n")
    arguments = [" ".join(manifest(names)), str(tmp_path / "out"), str(log), str(shard_size)]
    driver = subprocess.Popen([sys.executable, str(script), *arguments], stderr=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)})
    while len(begun(log)) < 10 and driver.poll() is None:  # in the middle of the second shard
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    finished = finished_pictures(tmp_path / "out")
    rows = run(names, shard_size=shard_size, seconds=0.2)
    assert rows["score"].tolist() == list(range(24))
    times = Counter(begun(log))
    assert 0 < len(finished) < 24 and {times[name] for name in finished} == {1}
    assert sum(times.values()) - 24 <= shard_size


def finished_pictures(folder: Path) -> set[str]:
    tables = [pd.read_parquet(shard)["path"] for shard in folder.rglob("*.parquet")]
    lines = [line for journal in folder.rglob("*.jsonl") for line in journal.read_text().splitlines()
             if line.endswith("]")]
    return {Path(path).name for paths in [*tables, [json.loads(line)[1]["path"] for line in lines]] for path in paths}


def test_a_journal_with_a_half_written_last_line_is_resumed_even_twice(run, log, tmp_path, monkeypatch):
    whole = run("fine fine refuse fine")
    (shard,) = tmp_path.rglob("shard-00000.parquet")
    records = [json.dumps([index, row]) for index, row in enumerate(json.loads(whole.to_json(orient="records")))]
    shard.with_suffix(".jsonl").write_text("\n".join([records[2], records[0], records[3][:25]]))
    shard.unlink()
    log.unlink()
    with disk_full_after(2, monkeypatch), pytest.raises(DiskFull):  # a line feed after the half line, and fine_1
        run("fine fine refuse fine", n_jobs=1)
    assert begun(log)[:2] == ["fine_1", "fine_3"]
    pd.testing.assert_frame_equal(run("fine fine refuse fine"), whole)
    assert begun(log)[2:] == ["fine_3"]
    assert shard.exists() and not shard.with_suffix(".jsonl").exists()


@contextmanager
def disk_full_after(writes: int, monkeypatch):
    """Only so many writes to a journal succeed."""
    real, journaled = Path.open, []

    def opened(path, mode="r", *arguments, **settings):
        if path.suffix == ".jsonl" and mode == "a":
            journaled.append(path)
            if len(journaled) > writes:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode, *arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        yield


def test_a_finished_run_is_free_and_a_changed_one_starts_afresh(run, log, tmp_path):
    def measured(*arguments, **settings):
        before = len(begun(log))
        rows = run(*arguments, **settings)
        return len(begun(log)) - before, rows["score"].tolist()

    assert measured("fine fine fine") == (3, [0, 1, 2])
    assert measured("fine fine fine", n_jobs=1) == (0, [0, 1, 2])
    assert measured("fine fine fine", factor=2.0) == (3, [0, 2, 4])
    assert measured("fine fine fine", version="2") == (3, [0, 1, 2])
    assert measured("fine fine fine", shard_size=2) == (3, [0, 1, 2])
    assert measured("fine fine") == (2, [0, 1])
    assert measured("fine fine fine") == (0, [0, 1, 2])
    assert len(list(tmp_path.rglob("plan.json"))) == 5


def test_a_picture_replaced_under_its_name_is_measured_again(log, tmp_path):
    picture = tmp_path / "fine_7"
    for content in ("old", "newer", "newer"):
        if not picture.exists() or picture.read_text() != content:
            picture.write_text(content)
        map_pictures(measure, [picture], tmp_path / "out", options={"log": str(log)})
    assert len(begun(log)) == 2


def test_a_name_that_is_not_utf_8_does_not_stop_the_run(log, tmp_path):
    name = os.fsdecode(b"/pictures/b\xe4d/fine_0")
    rows = map_pictures(measure, [name, "/pictures/große/fine_1"], tmp_path, options={"log": str(log)})
    assert rows["path"].tolist() == ["/pictures/b\\udce4d/fine_0", "/pictures/große/fine_1"]


def test_an_empty_manifest_gives_an_empty_frame(run):
    assert run("").columns.tolist() == ["path", "status", "reason"]


@pytest.mark.filterwarnings("ignore:.*have been cancelled")  # joblib, of what was in flight
def test_a_full_disk_stops_run_and_workers_with_a_remedy_and_the_next_run_goes_on(run, log, monkeypatch):
    with disk_full_after(3, monkeypatch), pytest.raises(DiskFull, match="free some space and rerun") as kept_alive:
        run("fine " * 40, seconds=0.02)
    stopped_at = len(begun(log))
    assert run("fine " * 40, seconds=0.02)["status"].tolist() == ["ok"] * 40
    assert stopped_at < 20 and len(begun(log)) == 40 + stopped_at - 3
    assert kept_alive.value.__cause__.errno == errno.ENOSPC  # as a notebook does, whose traceback holds every frame


def test_every_picture_gets_one_thread(tmp_path):
    row = map_pictures(threads, ["any"], tmp_path).iloc[0]
    assert (row["opencv"], row["openmp"]) == (1, "1")


@pytest.mark.parametrize("stage", [lambda path: {}, stage_functions.Refused("x").with_traceback])
def test_a_function_that_workers_cannot_import_is_refused(stage, tmp_path):
    with pytest.raises(ValueError, match="top level of a module"):
        map_pictures(stage, ["any"], tmp_path)


def test_an_option_that_the_measurement_does_not_take_is_refused(tmp_path):
    with pytest.raises(TypeError, match="colour"):
        map_pictures(measure, ["any"], tmp_path, options={"log": "", "colour": 1})


def test_one_plain_line_closes_the_bar(run, capsys):
    for kept in ("", ", 4 kept from an earlier run"):
        run("fine refuse fine leave", label="screen")
        line = re.split("[\r\n]", capsys.readouterr().out.strip())[-1]
        assert re.sub(r"[\d.]+ s", "# s", line) == f"screen: 4 pictures in # s, 1 rejected, 1 quarantined{kept}"

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

from pixverve_lib.kit import artefacts
from pixverve_lib.kit.run import BadParameter, start


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    monkeypatch.setitem(artefacts.ARTEFACTS, "numbers", artefacts.Artefact("01_first", ("id", "value")))
    return tmp_path


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def child(code, *arguments):
    return [sys.executable, "-c", "from pixverve_lib.kit import artefacts\n" + code, *map(str, arguments)]


def test_an_artefact_is_read_back_by_another_notebook():
    frame = pd.DataFrame({"value": [1.5, 2.5], "id": ["a", "b"]})
    artefacts.write(start("01_first", "smoke"), "numbers", frame)
    assert artefacts.read(start("02_second", "smoke"), "numbers").equals(frame[["id", "value"]])


def test_only_the_producer_may_write_and_only_the_declared_columns():
    frame = pd.DataFrame({"id": ["a"], "value": [1.0]})
    with pytest.raises(ValueError, match="written by 01_first only, not by 02_second"):
        artefacts.write(start("02_second", "smoke"), "numbers", frame)
    with pytest.raises(ValueError, match=r"missing \['value'\], not declared \['worth'\]"):
        artefacts.write(start("01_first", "smoke"), "numbers", frame.rename(columns={"value": "worth"}))


def test_a_missing_artefact_names_the_command_that_makes_it(tmp_path):
    folder = tmp_path / "two words"
    folder.mkdir()
    with pytest.raises(artefacts.MissingArtefact, match=r"make notebook NB=01 BUDGET=gpu IMAGES='.*two words' SEED=3$"):
        artefacts.read(start("02_second", "gpu", str(folder), 3), "numbers")


def test_an_exception_inside_leaves_the_old_file_and_no_other(home):
    target = home / "table.csv"
    artefacts.write_bytes_atomically(target, b"old")
    for interruption in (ValueError, KeyboardInterrupt):
        with pytest.raises(interruption), artefacts.atomic(target) as temporary:
            temporary.write_bytes(b"half")
            raise interruption
    assert files(home) == ["table.csv"] and target.read_bytes() == b"old"


def test_a_killed_writer_leaves_the_old_file(home):
    target = home / "table.csv"
    artefacts.write_bytes_atomically(target, b"old")
    code = """if True:
        import sys, time
        with artefacts.atomic(sys.argv[1]) as temporary:
            temporary.write_bytes(b"half")
            print("writing", flush=True)
            time.sleep(60)"""
    with subprocess.Popen(child(code, target), stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
    assert target.read_bytes() == b"old"


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_file(home):
    target = home / "numbers.parquet"
    artefacts.write_bytes_atomically(target, b"old")
    code = """if True:
        import resource, sys
        import pandas as pd
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            with artefacts.atomic(sys.argv[1]) as temporary:
                pd.DataFrame({"value": range(100_000)}).to_parquet(temporary)
        except artefacts.DiskFull as error:
            print(error)"""
    done = subprocess.run(child(code, target), capture_output=True, text=True, check=True)
    assert done.stdout == f"no room to write {target}: free some space there, or raise the quota, and rerun\n"
    assert files(home) == ["numbers.parquet"] and target.read_bytes() == b"old"


def test_a_run_on_own_pictures_never_overwrites_the_reference_run(home):
    pictures = home / "My Pictures"
    pictures.mkdir()
    reference, own = start("01_first"), start("01_first", images=str(pictures))
    assert reference.figures == home / "figures"
    assert own.name.startswith("laptop-my-pictures-") and own.figures == home / "figures" / own.name
    assert own.folder == home / "runs" / own.name / "01_first"


@pytest.mark.parametrize(
    "budget, images, line",
    [
        ("huge", "", "budget 'huge' is unknown; use one of: smoke, laptop, gpu, paper"),
        ("smoke", "pictures", "images 'pictures' is a relative path"),
        ("smoke", f"{os.sep}no{os.sep}such", "is not a folder"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_in_one_line(budget, images, line):
    with pytest.raises(BadParameter, match=line) as refusal:
        start("01_first", budget, images)
    assert "\n" not in str(refusal.value)

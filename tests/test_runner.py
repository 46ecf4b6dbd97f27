import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from pixverve_lib.kit import concurrency, execution, fingerprint, provenance, runner, status
from pixverve_lib.kit.run import start

PARAMETERS = 'budget = "laptop"  # budget\nimages = ""  # folder\nseed = 0  # any'
WHOLE = [sys.executable, "-m", "pixverve_lib.kit.runner", "reproduce", "--budget", "smoke"]
SETUP = (
    "import pandas as pd\n"
    "from pixverve_lib.kit import artefacts, run\n"
    'artefacts.ARTEFACTS["numbers"] = artefacts.Artefact("01_first", ("value",))\n'
)
WRITE = SETUP + (
    'here = run.start("01_first", budget, images, seed)\n'
    'artefacts.write(here, "numbers", pd.DataFrame({"value": [seed]}))'
)
READ = SETUP + (
    "import json\n"
    'here = run.start("02_second", budget, images, seed)\n'
    'value = artefacts.read(here, "numbers").value[0]\n'
    'artefacts.write_bytes_atomically(here.figures / "tab_1.csv", str(value).encode())\n'
    'about = {"exhibit": "Tab. 1", "notebook": "02_second", "files": ["tab_1.csv"]}\n'
    'artefacts.write_bytes_atomically(here.figures / "tab_1.json", json.dumps(about).encode())'
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("IPYTHONDIR", "HF_HUB_OFFLINE", "JUPYTER_PATH"):  # what the runner sets, undone after the test
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    return tmp_path


def write_notebook(home, name, code, reads="", writes="", parameters=PARAMETERS):
    tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    header = new_markdown_cell(f"# {name}\n**Reads** {reads} **Writes** {writes}")
    cells = [header, tagged, new_markdown_cell("## Sec. 1 The step"), new_code_cell(code)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), home / "notebooks" / f"{name}.ipynb")


def write_pair(home):
    write_notebook(home, "01_first", WRITE, writes="`numbers`")
    write_notebook(home, "02_second", READ, reads="`numbers`")


def reproduce(capsys, *arguments):
    status = runner.main(["reproduce", "--budget", "smoke", *arguments])
    return status, capsys.readouterr().out.splitlines()


def test_notebooks_run_in_order_and_only_those_that_need_it(home, capsys):
    write_pair(home)
    status, (first, second, _, summary, exhibit) = reproduce(capsys)
    assert status == 0 and first.startswith("01_first") and first.endswith("no exhibits  [first run]")
    assert second.startswith("02_second") and second.endswith("Tab. 1  [first run]")
    assert summary.startswith("Exhibits at budget smoke, ")
    assert exhibit.split() == ["Tab.", "1", "figures/smoke/tab_1.csv"]

    _, (first, second, *_, exhibit) = reproduce(capsys)
    assert "skipped, unchanged since" in first and "Tab. 1  [skipped, unchanged since" in second
    assert exhibit.split()[-1] == "figures/smoke/tab_1.csv"

    write_notebook(home, "01_first", WRITE + "\n# edited", writes="`numbers`")
    _, (first, second, *_) = reproduce(capsys)
    assert first.endswith("[notebook changed]") and second.endswith("[artefact numbers changed]")

    (home / "figures/smoke/tab_1.csv").unlink()
    _, (first, second, *_) = reproduce(capsys)
    assert "skipped" in first and "[figures/smoke/tab_1.csv is gone]" in second
    assert (home / "figures/smoke/tab_1.csv").read_text() == "0"


def test_another_seed_is_another_run_and_a_parameter_of_one_notebook_is_undone_by_the_next_run(home, capsys):
    write_pair(home)
    reproduce(capsys)
    _, (first, second, *_) = reproduce(capsys, "--seed", "7")
    assert "[first run]" in first and (home / "figures/smoke-seed7/tab_1.csv").read_text() == "7"
    assert (home / "figures/smoke/tab_1.csv").read_text() == "0"
    (home / "notebooks/02_second.ipynb").unlink()
    write_notebook(home, "01_first", WRITE, writes="`numbers`", parameters=f"{PARAMETERS}\nextra = 1  # any")
    assert runner.main(["notebook", "01", "--budget", "smoke", "-p", "extra", "2"]) == 0
    capsys.readouterr()
    _, (first, *_) = reproduce(capsys)
    assert "[parameter extra is gone]" in first


def test_an_executed_notebook_carries_its_provenance_and_its_html(home, capsys):
    write_notebook(home, "01_first", 'import os\nprint("a\\rb", os.getcwd(), os.environ["HF_HUB_OFFLINE"], flush=True)')
    assert runner.main(["notebook", "01", "--budget", "smoke", "--seed", "3"]) == 0
    folder = home / "runs/smoke-seed3/01_first"
    assert sorted(file.name for file in folder.iterdir()) == ["01_first.html", "01_first.ipynb", "01_first.json"]
    about = json.loads((folder / "01_first.json").read_text())
    assert about["budget"] == "smoke" and about["seed"] == 3 and about["packages"]["numpy"] and about["machine"]["cpu"]
    output = nbformat.read(folder / "01_first.ipynb", as_version=4).cells[-1].outputs[0].text
    assert output.startswith("b ") and str(folder) in output  # the bar is folded, the run's folder is the kernel's
    assert "TCP" not in capsys.readouterr().err


def test_a_failure_says_where_and_what_to_type_and_leaves_only_the_partial(home, capsys):
    write_notebook(home, "01_first", 'raise ValueError("no such thing")')
    assert runner.main(["reproduce", "--budget", "smoke"]) == 1
    report = capsys.readouterr().err.splitlines()
    assert report[0] == '01_first failed in cell 5, under "Sec. 1 The step":'
    assert report[-3:] == [
        "    ValueError: no such thing",
        "as far as it got: runs/smoke/01_first/01_first.partial.ipynb",
        "run just this notebook again: make notebook NB=01 BUDGET=smoke",
    ]
    assert "\x1b" not in "".join(report)
    assert [file.name for file in (home / "runs/smoke/01_first").iterdir()] == ["01_first.partial.ipynb"]

    write_notebook(home, "01_first", "print(1)")
    _, (line, *_) = reproduce(capsys)
    assert line.endswith("[did not finish last time]")
    assert not list((home / "runs").rglob("*.partial*"))


def test_a_cell_that_hangs_is_stopped(home, capsys, monkeypatch):
    monkeypatch.setitem(execution.CELL_SECONDS, "smoke", 1)
    write_notebook(home, "01_first", "import time\ntime.sleep(600)")
    assert runner.main(["notebook", "01_first", "--budget", "smoke"]) == 1
    assert "execution timed out" in capsys.readouterr().err


def test_what_is_unknown_is_refused_with_what_is_known(home, capsys, monkeypatch):
    write_notebook(home, "01_first", "print(1)")
    (home / "pictures").mkdir()
    assert runner.main(["notebook", "01", "-p", "sed", "3"]) == 2
    assert capsys.readouterr().err == "01_first has no parameter sed; it knows: budget, images, seed\n"
    assert runner.main(["notebook", "07"]) == 2
    assert capsys.readouterr().err == "notebook '07' is unknown; there are: 01_first\n"
    monkeypatch.setenv("PIXVERVE_NOTEBOOKS", "many")
    assert runner.main(["reproduce"]) == 2 and "'many' is no number of notebooks" in capsys.readouterr().err
    assert runner.main(["reproduce", "--budget", "huge"]) == 2
    assert capsys.readouterr().err == "budget 'huge' is unknown; use one of: smoke, laptop, gpu, paper\n"


def test_ctrl_c_leaves_no_artefact_and_no_kernel(home):
    endless = (
        "import os, time\nfrom pathlib import Path\nfrom pixverve_lib.kit import artefacts\n"
        'with artefacts.atomic(Path("numbers.parquet")) as temporary:\n'
        '    temporary.write_bytes(b"half")\n'
        '    Path("pid").write_text(str(os.getpid()))\n'
        "    time.sleep(600)"
    )
    write_notebook(home, "01_first", endless, writes="`numbers`")
    command = [sys.executable, "-m", "pixverve_lib.kit.runner", "notebook", "01", "--budget", "smoke"]
    pid = home / "runs/smoke/01_first/pid"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        while not (pid.exists() and pid.read_text()) and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        message = child.stderr.read()
    assert child.returncode == 130
    assert message.strip() == "stopped; nothing half-written is left, the same command goes on from here"
    assert sorted(file.name for file in pid.parent.iterdir()) == ["01_first.partial.ipynb", "pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_notebooks_that_do_not_need_each_other_run_at_the_same_time(home, capsys, monkeypatch):
    monkeypatch.setenv("PIXVERVE_NOTEBOOKS", "2")
    meet = (
        "import time\nfrom pathlib import Path\n"
        'Path("../mine-{0}").touch()\n'
        'while not Path("../mine-{1}").exists():\n'
        "    time.sleep(0.05)"
    )
    write_notebook(home, "01_first", meet.format("a", "b"))
    write_notebook(home, "02_second", meet.format("b", "a"))
    status, lines = reproduce(capsys)
    assert status == 0 and sorted(line.split()[0] for line in lines[:2]) == ["01_first", "02_second"]


def test_what_most_others_wait_for_starts_first_and_the_appendices_last():
    waits = {"01_first": set(), "02_second": set(), "03_third": {"02_second"}, "A1_appendix": set(), "A2_more": set()}
    assert [*concurrency.by_urgency(waits, {})] == ["02_second", "01_first", "03_third", "A1_appendix", "A2_more"]
    assert [*concurrency.by_urgency(waits, {"01_first": 300})][:2] == ["01_first", "02_second"]


def test_a_notebook_that_fails_stops_only_those_that_read_it(home, capsys):
    write_notebook(home, "01_first", "raise ValueError", writes="`numbers`")
    write_notebook(home, "02_second", READ, reads="`numbers`")
    write_notebook(home, "03_third", "print(1)")
    assert runner.main(["reproduce", "--budget", "smoke"]) == 1
    said = capsys.readouterr()
    assert "03_third" in said.out and "02_second" not in said.out
    assert '01_first failed in cell 5, under "Sec. 1 The step":' in said.err
    assert said.err.strip().endswith("not started, because they read what these write: 02_second")


def test_the_status_line_says_how_long_the_rest_takes_at_the_pace_of_what_has_ended(home, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    usual = {"01_first": {"seconds": 100}, "02_second": {"seconds": 100}, "03_third": {"seconds": 500}}
    (home / "figures").mkdir()
    (home / "figures/manifest.json").write_text(json.dumps({"notebooks": usual}))
    records = {}
    show = status.Status(list(usual), records, most=1)
    show(["01_first"])
    assert capsys.readouterr().out.endswith("0 of 3 notebooks done, running: 01 0 s"), "nothing has ended: no pace"
    records["01_first"] = {"seconds": 60.0}
    show(["02_second"])
    assert capsys.readouterr().out.endswith("1 of 3 notebooks done, running: 02 0 s, 6 min left")


def test_a_run_that_is_killed_takes_its_notebooks_along_and_the_next_one_goes_on(home, capsys):
    write_notebook(home, "01_first", WRITE, writes="`numbers`")
    wait = 'import os, time\nfrom pathlib import Path\nPath("pid").write_text(str(os.getpid()))\ntime.sleep({})'
    write_notebook(home, "02_second", wait.format(600))
    pid = home / "runs/smoke/02_second/pid"
    deaf = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *WHOLE]  # as a script starts what it ends with `&`
    with subprocess.Popen(deaf, stdout=subprocess.DEVNULL, start_new_session=True) as whole:
        while not (pid.exists() and pid.read_text()) and whole.poll() is None:
            time.sleep(0.05)
        whole.kill()
    kernel, deadline = psutil.Process(int(pid.read_text())), time.monotonic() + 60
    while kernel.is_running() and kernel.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE
    write_notebook(home, "02_second", "print(1)")
    _, lines = reproduce(capsys)
    assert any(line.startswith("02_second") and "did not finish last time" in line for line in lines)


def test_a_run_killed_at_five_random_moments_ends_with_the_same_exhibits(home, monkeypatch):
    def exhibits_of(where, kills):
        monkeypatch.setenv("PIXVERVE_HOME", str(where))
        (where / "notebooks").mkdir(exist_ok=True, parents=True)
        write_pair(where)
        for seconds in kills:
            with subprocess.Popen(WHOLE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as whole:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    whole.wait(seconds)
                whole.kill()
        subprocess.run(WHOLE, check=True, stdout=subprocess.DEVNULL)
        return {file.name: file.read_bytes() for file in sorted((where / "figures").rglob("*.*"))}

    began = time.monotonic()
    undisturbed = exhibits_of(home / "undisturbed", [])
    longest = time.monotonic() - began
    chosen = random.Random(5)
    assert list(undisturbed) == ["tab_1.csv", "tab_1.json"]
    assert exhibits_of(home / "killed", [chosen.uniform(0, longest) for _ in range(5)]) == undisturbed


@pytest.mark.parametrize("cells_run, tries", [(0, 2), (3, 1)])
def test_only_a_kernel_that_does_not_start_is_tried_again(home, monkeypatch, cells_run, tries):
    write_notebook(home, "01_first", "print(1)")
    calls = []

    def die(notebook, partial, run, parameters, watch):
        calls.append(watch)
        watch.cell = cells_run
        raise RuntimeError("Kernel died")

    monkeypatch.setattr(execution, "_papermill", die)
    with pytest.raises(execution.NotebookFailed, match="Kernel died"):
        execution.execute(runner.notebooks()[0], start("01_first", "smoke"), {}, "make it")
    assert len(calls) == tries


def test_a_changed_module_or_data_file_is_found_through_the_imports(tmp_path):
    package = tmp_path / "fake"
    contents = {
        "a/one.py": "def late():\n    from fake.b import two",  # imports inside functions count
        "b/two.py": "from . import three",
        "b/three.py": "",
        "b/tables/t.csv": "1",
        "b/not_imported.py": "",
        "c/other.csv": "1",
    }
    for name, text in contents.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = fingerprint.library_files("from fake.a import one", package)
    names = [file.relative_to(package).as_posix() for file in found]
    assert names == ["a/one.py", "b/tables/t.csv", "b/three.py", "b/two.py"]


def test_changes_are_named():
    old = {"notebook": "1", "pixverve_lib/imaging/x.py": "1", "parameter count": "3"}
    new = {"notebook": "1", "pixverve_lib/imaging/x.py": "2", "input pictures": "9"}
    assert fingerprint.differences(old, new) == [
        "pixverve_lib/imaging/x.py changed",
        "input pictures is new",
        "parameter count is gone",
    ]


def test_input_pictures_are_followed_by_name_size_and_time(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"1")
    first = fingerprint.of_pictures(tmp_path)
    assert fingerprint.of_pictures(tmp_path) == first
    (tmp_path / "a.jpg").write_bytes(b"22")
    second = fingerprint.of_pictures(tmp_path)
    (tmp_path / "a.jpg").rename(tmp_path / "b.jpg")
    assert len({first, second, fingerprint.of_pictures(tmp_path)}) == 3


def test_provenance_names_the_pictures_but_no_path_of_this_machine(home, monkeypatch):
    (home / "pictures").mkdir()
    about = provenance.describe(start("01_first", "smoke", str(home / "pictures")))
    assert about["images"]["folder"] == "pictures" and str(home) not in json.dumps(about)
    monkeypatch.setenv("PATH", "")  # no git
    assert provenance.describe(start("01_first", "smoke"))["git"] is None
    assert str(Path.home()) not in json.dumps(about)

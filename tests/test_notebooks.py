"""Every notebook has the shape that ARCHITECTURE.md and these tests describe, and runs at budget `smoke`."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from pixverve_lib.exhibits.catalogue import EXHIBITS
from pixverve_lib.kit import fingerprint
from pixverve_lib.kit.artefacts import ARTEFACTS

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
HEADER = ("**Reproduces**", "**Paper**", "**Reads**", "**Costs**")
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind=None, tag=None):
    found = nbformat.read(path, as_version=4).cells
    tagged = [cell for cell in found if tag is None or tag in cell.metadata.get("tags", [])]
    return [cell for cell in tagged if kind is None or cell.cell_type == kind]


def test_there_is_a_notebook():
    assert NOTEBOOKS


@each_notebook
def test_it_begins_with_its_number_and_four_lines(path):
    lines = cells(path)[0].source.splitlines()
    assert lines[0].startswith(f"# {path.stem.split('_')[0]} ")
    assert [line.lstrip("- ").split("** ")[0] + "**" for line in lines if "**" in line] == list(HEADER)
    assert "**Writes**" in next(line for line in lines if "**Reads**" in line)


@each_notebook
def test_its_header_and_the_registry_agree_on_artefacts(path):
    reads, writes = fingerprint.declared(path)
    assert set(reads) <= set(ARTEFACTS)
    assert set(writes) == {name for name, artefact in ARTEFACTS.items() if artefact.notebook == path.stem}


@each_notebook
def test_it_is_for_the_kernel_of_the_environment(path):
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"


@each_notebook
def test_its_parameters_are_few_and_explained(path):
    (parameters,) = cells(path, "code", "parameters")
    lines = parameters.source.splitlines()
    assert len(lines) <= 5 and all("  # " in line for line in lines)
    assert {"budget", "images", "seed"} <= {line.split(" = ")[0] for line in lines}


@each_notebook
def test_its_cells_are_short_and_define_nothing(path):
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= 15, cell.source
        tree = ast.parse(cell.source)  # a magic or a shell escape is no Python
        definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        assert not [node for node in ast.walk(tree) if isinstance(node, definitions)]
        assert not re.search(r"get_ipython|run_line_magic|os\.system|subprocess", cell.source)


@each_notebook
def test_it_says_what_its_budget_does_not_show(path):
    (text,) = [cell.source for cell in cells(path, "markdown") if "What this budget does not show" in cell.source]
    assert len(text.split()) > 20


@each_notebook
def test_only_the_checked_line_is_stored(path):
    checked = cells(path, "code", "nbval-check-output")
    assert checked and all(cell.outputs and cell.execution_count for cell in checked)
    assert not [cell.source for cell in cells(path, "code") if cell.outputs and cell not in checked]


@each_notebook
def test_it_names_no_path_of_a_machine(path):
    assert not re.search(r"(?<![\w.~/])/(home|root|work|tmp|mnt|Users)/\w", path.read_text("utf8"))


@each_notebook
def test_it_runs_at_smoke_prints_the_checked_line_and_makes_all_its_exhibits(path, tmp_path):
    papermill.execute_notebook(path, tmp_path / path.name, {"budget": "smoke"}, prepare_only=True, progress_bar=False)
    environment = os.environ | {"PIXVERVE_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("JUPYTER_PATH", None)  # it would shadow the kernel of this environment
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env", path.name]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    made = [json.loads(file.read_text("utf8")) for file in (tmp_path / "figures/smoke").glob("*.json")]
    assert sorted(about["exhibit"] for about in made) == sorted(
        name for name, exhibit in EXHIBITS.items() if exhibit.notebook == path.stem)
    assert all((tmp_path / "figures/smoke" / name).stat().st_size for about in made for name in about["files"])

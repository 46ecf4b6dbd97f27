"""The plan of the house: which room may import which, and what a file may be called and contain."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pixverve_lib"
PRIMITIVES = {"paper", "kit", "imaging", "scenes", "models"}
MAY_IMPORT = {  # room -> rooms below it
    "paper": set(),
    "kit": {"paper"},
    "imaging": set(),
    "scenes": {"imaging"},
    "models": {"imaging"},
    "curation": PRIMITIVES,
    "pretraining": PRIMITIVES,
    "schemes": PRIMITIVES,
    "bench": PRIMITIVES,
    "codecs": PRIMITIVES - {"models"},
    "exhibits": {"paper", "kit"},
}
SLOW = {"torch", "torchvision", "diffusers", "transformers", "peft", "accelerate", "open_clip", "pyiqa"}
PICTURES = {"cv2", "PIL", "simplejpeg", "skimage", "imagehash"}
LIGHT = ("01", "02", "03", "04", "09")  # notebooks whose first import must not cost 15 s
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(tree, everywhere=True):
    """Dotted names that a module imports; `everywhere` includes those inside functions."""
    nodes = list(ast.walk(tree)) if everywhere else tree.body
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in froms), "imports name the whole path: from pixverve_lib.room import module"
    return names + [f"{node.module}.{alias.name}" for node in froms for alias in node.names]


def is_there(name):
    """Whether a dotted name is a module of the library, or something that one of its modules may define."""
    file = ROOT.joinpath(*name.split("."))
    return any(path.is_file() for path in (file.with_suffix(".py"), file.parent.with_suffix(".py")))


def rooms(names):
    return {name.split(".")[1] for name in names if name.startswith("pixverve_lib.")}


def forbidden(room, source):
    return rooms(imports(ast.parse(source))) - MAY_IMPORT[room] - {room}


def project_files():
    """What git tracks or would track."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def test_every_folder_of_the_library_is_a_room():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= set(MAY_IMPORT)


@pytest.mark.parametrize("room", [room for room in MAY_IMPORT if (PACKAGE / room).exists()])
def test_a_room_imports_only_rooms_below_it(room):
    upward = {
        path.name: found for path in (PACKAGE / room).rglob("*.py") if (found := forbidden(room, path.read_text()))
    }
    assert not upward, f"ARCHITECTURE.md: {room} may import {sorted(MAY_IMPORT[room])}"


def test_the_import_rule_sees_imports_inside_functions_and_of_whole_rooms():
    assert forbidden("kit", "def f():\n    from pixverve_lib.imaging import reading") == {"imaging"}
    assert forbidden("curation", "import pixverve_lib.exhibits.tables") == {"exhibits"}
    assert forbidden("curation", "from pixverve_lib import bench, kit") == {"bench"}
    assert forbidden("curation", "from pixverve_lib.curation import sources") == set()


def test_the_library_knows_neither_notebooks_nor_tests():
    roots = {name.split(".")[0] for path in MODULES for name in imports(ast.parse(path.read_text()))}
    assert not roots & {"tests", "notebooks"}


def test_notebooks_import_modules_that_exist():
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        names = [name for name in imports(ast.parse(code)) if name.startswith("pixverve_lib")]
        assert [name for name in names if not is_there(name)] == [], notebook.name


def reached(names, seen):
    """Every name that importing these modules imports at once, added to `seen`."""
    for name in names:
        if name in seen:
            continue
        seen.add(name)
        file = ROOT.joinpath(*name.split("."))
        for path in (file.with_suffix(".py"), file.parent.with_suffix(".py")):
            if path.is_file():
                reached(imports(ast.parse(path.read_text()), everywhere=False), seen)
    return seen


@pytest.mark.parametrize("number", LIGHT)
def test_a_notebook_that_needs_no_network_starts_without_the_slow_packages(number):
    for notebook in (ROOT / "notebooks").glob(f"{number}_*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        slow = {name.split(".")[0] for name in reached(imports(ast.parse(code)), set())} & SLOW
        assert not slow, "import these inside the function that needs them: the notebook must start in seconds"


def test_slow_packages_are_imported_at_once_only_by_files_that_are_about_networks():
    slow = {
        path.relative_to(PACKAGE).parts[0]
        for path in MODULES
        if {name.split(".")[0] for name in imports(ast.parse(path.read_text()), everywhere=False)} & SLOW
    }
    assert slow <= {"models", "schemes", "pretraining", "bench"}


def test_the_kit_does_not_know_what_an_image_is():
    names = [name for path in (PACKAGE / "kit").rglob("*.py") for name in imports(ast.parse(path.read_text()))]
    assert not {name.split(".")[0] for name in names} & PICTURES


def test_init_files_are_empty_and_names_say_something():
    assert all(path.read_text() == "" for path in MODULES if path.name == "__init__.py")
    empty_names = {"utils.py", "util.py", "helpers.py", "helper.py", "misc.py", "common.py"}
    assert not empty_names & {path.name for path in project_files()}


def test_nothing_big_is_tracked():
    big = [path for path in project_files() if path.stat().st_size > 1_000_000 and "assets" not in path.parts]
    assert not big, "only assets may be larger than 1 MB"


def test_no_file_depends_on_this_machine():
    named = re.compile(r"\.\./shared|(?<![\w.~$])/(work|home|root|Users)/\w|--(extra-)?index-url")
    kinds = {".py", ".ipynb", ".md", ".toml", ".txt", ".yml", ".in", ".lock", ".cff", ""}
    files = [path for path in project_files() if path.suffix in kinds and ROOT / "tests" not in path.parents]
    hits = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text("utf8").splitlines(), 1)
        if named.search(line)
    ]
    assert not hits

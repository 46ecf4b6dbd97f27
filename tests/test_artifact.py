"""docs/ARTIFACT.md says what the committed files say, and its commands and verdicts are real."""
import csv
import importlib.util
import re
import sys

import pytest

from pixverve_lib.exhibits import artifact, manifest
from pixverve_lib.exhibits.catalogue import EXHIBITS
from pixverve_lib.kit.run import BUDGETS, home, start
from pixverve_lib.paper import published

PERMISSIVE = r"BSD|MIT|Apache|Python Software Foundation"
SLOW = {"D10"}  # seconds
PACKAGE_ROW = re.compile(r"^\| ([\w.-]+) \| [\d.]+ \| (.+?) \| ", re.MULTILINE)


@pytest.fixture(scope="module")
def reference():
    return manifest.read(manifest.path())


@pytest.fixture(scope="module")
def text():
    return (home() / "docs" / "ARTIFACT.md").read_text("utf8")


def test_the_committed_page_is_the_one_that_is_made_from_the_committed_files(reference, text, monkeypatch):
    if sys.version_info[:2] != (3, 11):  # whose lock has other versions of some packages, with other words for licences
        monkeypatch.setattr(artifact, "_licence", dict(PACKAGE_ROW.findall(text)).get)
    assert artifact.page(reference) == text, "run: make artifact"


def test_every_command_on_the_page_can_be_given(text):
    makefile = (home() / "Makefile").read_text("utf8").replace("$(VENV)", ".venv")
    for target in set(re.findall(r"(?:`|^)make ([\w./-]+)", text, re.MULTILINE)):
        assert f"\n{target}:" in makefile, f"make {target}"
    stems = {path.stem.partition("_")[0] for path in (home() / "notebooks").glob("*.ipynb")}
    assert set(re.findall(r"NB=(\w+)", text)) <= stems
    assert set(re.findall(r"BUDGET=(\w+)", text)) <= set(BUDGETS)
    modules = set(re.findall(r"-m (pixverve_lib[\w.]+)", text))
    assert len(modules) > 3 and all(importlib.util.find_spec(module) for module in modules)
    assert set(re.findall(r"bench\.claims ([A-Z]\d+)", text)) <= set(published.claims().id)


def test_every_claim_and_every_exhibit_has_a_row(reference, text):
    first = re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)
    assert sorted(name for name in first if re.fullmatch(r"[PBDUR]\d+", name)) == sorted(published.claims().id)
    assert {artifact.cell(name) for name in reference.exhibits} <= set(first)


def test_a_fresh_clone_gives_the_verdicts_that_the_page_announces(reference, tmp_path, monkeypatch):
    from pixverve_lib.bench import claims  # seconds

    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    (tmp_path / "figures").mkdir()
    for name, entry in reference.exhibits.items():
        if entry.columns:
            with open(tmp_path / "figures" / f"{EXHIBITS[name].stem}.csv", "w", newline="") as file:
                csv.writer(file).writerows([entry.columns, *entry.rows])
    run = start(claims.NOTEBOOK)
    for claim in artifact.claims(reference):
        if claim.notebooks and claim.id not in SLOW:  # the others read no run
            told = artifact.UNDECIDED if claim.id in artifact.RUN_FIRST else claim.verdict
            assert (claim.id, claims.find(claim.id, run).verdict) == (claim.id, told)


def test_the_two_packages_with_conditions_are_the_ones_that_the_page_names():
    conditions = {each["name"] for each in artifact.packages() if not re.search(PERMISSIVE, each["licence"])}
    assert conditions - {"mlcroissant"} == {"pyiqa", "pebble"}  # mlcroissant's says nothing


def test_a_claim_that_no_ledger_has_is_named(reference):
    exhibits = {name: entry for name, entry in reference.exhibits.items() if name != "URAE claims"}
    with pytest.raises(LookupError, match="R01.*make manifest"):
        artifact.claims(reference.model_copy(update={"exhibits": exhibits}))


def test_no_text_can_break_out_of_a_cell():
    assert artifact.cell("a | b\n*c* <d>") == r"a \| b \*c\* &lt;d>"


def test_a_time_is_written_in_the_unit_that_is_easy_to_read():
    assert [artifact.duration(seconds) for seconds in (12.3, 126, 7200)] == ["12 s", "2.1 min", "2.0 h"]

"""Exhibits: declared once, emitted by their owner alone, with provenance, the same bytes every time."""
import json
import re
from pkgutil import resolve_name

import numpy as np
import pandas as pd
import pytest

from pixverve_lib.exhibits import catalogue, curation, registry
from pixverve_lib.exhibits.files import MOST_BYTES, png
from pixverve_lib.kit import fingerprint
from pixverve_lib.kit.run import home, start
from pixverve_lib.paper.published import numbers


def test_every_exhibit_is_emitted_exactly_once_and_by_the_notebook_that_owns_it():
    emitted = []
    for notebook in (home() / "notebooks").glob("*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        code = "\n".join(fingerprint.source(cell) for cell in cells if cell["cell_type"] == "code")
        emitted += [(name, notebook.stem) for name in re.findall(r'emit\(run, "([^"]+)"', code)]
    assert sorted(emitted) == sorted((name, exhibit.notebook) for name, exhibit in catalogue.EXHIBITS.items())


def test_every_exhibit_has_a_function_a_kind_and_a_file_of_its_own():
    exhibits = catalogue.EXHIBITS.values()
    assert all(callable(resolve_name(f"pixverve_lib.exhibits.{e.function}")) for e in exhibits)
    assert {e.kind for e in exhibits} <= set(catalogue.KINDS)
    assert len({e.stem for e in exhibits}) == len(catalogue.EXHIBITS)


COST = pd.DataFrame({"hashes": [10, 100], "seconds": [0.1, 1.0], "method": ["ours", "obvious"]})


def test_emit_writes_the_figure_and_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    registry.emit(start("01_curation", "smoke", seed=0), "Deduplication", measured=COST)
    about = json.loads((tmp_path / "figures/smoke/ours_01_deduplication.json").read_text())
    assert about["files"] == ["ours_01_deduplication.png"] and about["budget"] == "smoke" and about["packages"]
    assert (tmp_path / "figures/smoke/ours_01_deduplication.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path) not in json.dumps(about)


def test_a_notebook_cannot_emit_what_another_one_owns(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="01_curation"):
        registry.emit(start("02_super_resolution", "smoke"), "Fig. 4")


def test_the_same_frames_give_the_same_bytes():
    one, two = (png(curation.deduplication_cost(COST), "footer") for _ in range(2))
    assert one == two


def test_a_figure_full_of_photographs_stays_small_enough_for_the_repository():
    rng = np.random.default_rng(0)
    thumbs = [np.repeat(np.repeat(rng.integers(0, 256, (60, 90, 3), dtype=np.uint8), 4, 0), 4, 1) for _ in range(6)]
    assert len(png(curation.contact_sheet(thumbs, ["x"] * 6))) < MOST_BYTES


def test_tab_1_shows_published_measured_and_their_difference():
    published = numbers("tab_1")
    table = curation.pool_sizes({"raw": 100, "candidate": 40, "synthesized": 2}, published)
    row = table[table.subset == "Candidate Data Pool"].iloc[0]
    assert (row.published, row.measured) == (122866, 40)
    assert row["difference of shares"] == pytest.approx(0.4 - 0.4091, abs=1e-4)

"""Notebook 02 opens alone: the candidate pool, or what stands in for it, and who says so."""
import numpy as np
import pytest

from pixverve_lib.curation import builtin_pool, candidates
from pixverve_lib.imaging import reading
from pixverve_lib.kit import artefacts
from pixverve_lib.kit.run import start


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))


def test_without_notebook_01_the_shipped_sample_is_drawn_and_named(monkeypatch):
    monkeypatch.setattr(builtin_pool, "draw_named", lambda names, cache: [f"{cache}/{name}" for name in names])
    pool, origin = candidates.candidates(start("02_super_resolution", "smoke"))
    assert "shipped sample" in origin and {"native", "2x", "4x"} == set(pool.tier)
    assert all(builtin_pool.parse(path) for path in pool.path)
    assert tuple(pool.columns) == artefacts.POOL and pool.height.dtype == np.int64 and pool.author.tolist()[0] == ""


def test_own_pictures_pass_the_size_screen_only_and_the_command_for_more_is_named(tmp_path):
    pictures = tmp_path / "mine"
    pictures.mkdir()
    reading.write_jpeg(pictures / "large.jpg", np.zeros((3000, 4000, 3), np.uint8))
    reading.write_jpeg(pictures / "small.jpg", np.zeros((300, 400, 3), np.uint8))
    (pictures / "broken.jpg").write_bytes(b"no picture")
    pool, origin = candidates.candidates(start("02_super_resolution", "smoke", str(pictures)))
    assert pool.tier.tolist() == ["4x"] and pool.path.str.endswith("large.jpg").all() and len(pool.id[0]) == 16
    assert "make notebook NB=01" in origin


def test_at_paper_a_missing_pool_stops_with_the_command_that_makes_it():
    with pytest.raises(artefacts.MissingArtefact, match="make notebook NB=01 BUDGET=paper"):
        candidates.candidates(start("02_super_resolution", "paper"))

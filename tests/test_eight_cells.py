"""URAE's ablation: its cells, its two kinds of data, and what is said of them."""
import numpy as np
import pandas as pd
import pytest
import torch
from tiny_pipeline import TEXT, pipeline

from pixverve_lib.exhibits import adaptation
from pixverve_lib.models import nano_student
from pixverve_lib.paper import published
from pixverve_lib.schemes import eight_cells, flow

SIDE = 64

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def student():
    made = pipeline().__class__(**pipeline().components)
    made.register_modules(transformer=nano_student.build(pipeline().transformer))
    return made


@pytest.fixture(scope="module")
def sets(student, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    return {"Syn": eight_cells.synthetic(student, 8, SIDE, folder / "syn", **TEXT),
            "Real": eight_cells.real(student, 8, SIDE, folder / "real", **TEXT)}


def test_the_cells_are_those_of_the_published_table_in_its_order():
    rows = published.table("urae_tab_2")
    assert [(cell.components, cell.setting) for cell in eight_cells.CELLS] == [*zip(
        rows.components, rows.method_setting, strict=True)]
    assert {cell.told for cell in eight_cells.CELLS if not cell.guided} == {1}


def test_real_data_are_the_synthetic_ones_with_label_noise(sets):
    clean, noisy = (next(sets[source].all_batches(8)) for source in eight_cells.SOURCES)
    softened = (clean.latents != noisy.latents).flatten(1).any(1)
    renamed = (clean.text != noisy.text).flatten(1).any(1)
    assert 0 < softened.sum() < 8 and 0 < renamed.sum() < 8
    assert sorted(noisy.text.sum((1, 2)).tolist()) == pytest.approx(sorted(clean.text.sum((1, 2)).tolist()), rel=1e-4)


def test_a_swapped_caption_is_never_its_own():
    captions = [str(number) for number in range(2000)]
    swapped = eight_cells._swapped(captions, np.random.default_rng(0))
    moved = [a != b for a, b in zip(captions, swapped, strict=True)]
    assert sorted(swapped) == sorted(captions)
    assert np.mean(moved) == pytest.approx(eight_cells.SWAPPED, abs=0.03)


def test_cells_are_trained_drawn_and_scored_and_the_student_stays_as_it_was(student, sets, tmp_path):
    before, cells = {name: value.clone() for name, value in student.transformer.state_dict().items()}, [
        cell for cell in eight_cells.CELLS if (cell.source, cell.guided) == ("Syn", False)]
    tuned = eight_cells.train(tmp_path, student, sets, steps=2, batch=2, cells=cells)
    drawn = eight_cells.draw(tmp_path, student, tuned, ["red circle centre", "dark tiles"], SIDE, steps=2, batch=2,
                             **TEXT)
    measured = eight_cells.scored(drawn, lambda paths: {"pictures": len(paths)})
    assert list(drawn.columns) == ["components", "method_setting", "prompt", "path"]
    assert measured.components.tolist() == ["–", "Major", "Minor"] and set(measured.pictures) == {2}
    assert drawn.path.nunique() == 6 and all(path.exists() for path in drawn.path)
    after = student.transformer.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_a_student_that_is_told_one_answers_what_its_teacher_does_without_guidance(student, sets):
    errors = eight_cells.mismatch(student, pipeline(), sets["Syn"], (1, 3), pictures=4)
    mean = errors.groupby(["target", "guidance"]).error.mean()
    assert mean["guided teacher", 1] < 1e-9 < mean["guided teacher", 3]  # not distilled yet
    assert mean["noise - latents", 1] == pytest.approx(mean["noise - latents", 3])
    assert len(errors) == 2 * 2 * len(eight_cells.LEVELS)


def test_both_objectives_are_trained_on_the_same_pictures(student, sets, tmp_path):
    itself = flow.Teacher(student.transformer, 1.0)
    found = eight_cells.objectives(tmp_path, student, itself, sets["Syn"], ["dark tiles"], SIDE,
                                   lambda paths: {"pictures": len(paths)}, {"steps": 1, "batch": 2}, steps=2, **TEXT)
    plain, distilled = found.loss
    assert distilled < 1e-9 < plain and set(found.pictures) == {1}  # its own velocity it has already


def test_the_published_table_holds_what_the_text_says_of_it():
    rows = published.numbers("urae_tab_2")
    found = adaptation.guidelines(rows, rows).set_index("guideline")
    assert found.published.tolist() == ["23 of 24", "12 of 12", "3 of 6"]  # URAE Sec. 3.4, M50
    assert found.loc["no CFG in training", "against it, measured"] == "lpips (Major Real)"


def test_the_table_shows_published_and_measured_scores_of_a_cell_in_one_row():
    rows = published.table("urae_tab_2")[["components", "method_setting"]]
    measured = pd.concat([pd.DataFrame({"components": ["–"], "method_setting": ["student"]}), rows])
    table = adaptation.ablation(measured.assign(pos=0.5, stray=0.1), published.numbers("urae_tab_2"))
    assert list(table.columns[:3]) == ["components", "setting", "FID ↓ published"]
    assert list(table.columns[-2:]) == ["pos ↑ measured", "stray ↓ measured"]
    assert table["FID ↓ published"].isna().tolist() == [True] + [False] * 8


def test_figures_have_a_line_a_target_and_a_column_a_cell():
    errors = pd.DataFrame([(g, level, target, g + level) for g in (1, 3) for level in (0.2, 0.8)
                           for target in adaptation.TARGETS], columns=["guidance", "level", "target", "error"])
    assert [len(axis.lines) for axis in adaptation.mismatch(errors).axes] == [2, 2]
    drawn = pd.DataFrame([(c, s, p) for c, s in (("–", "student"), ("Major", "Syn w/o CFG")) for p in ("a", "b")],
                         columns=["components", "method_setting", "prompt"])
    assert len(adaptation.cells(drawn, [np.zeros((8, 8, 3), np.uint8)] * 4).axes) == 4

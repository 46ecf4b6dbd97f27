"""The pictures of 05 to 07 as the bench takes them over, scored a method at a time; damage sweeps and cases."""
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixverve_lib.bench import backends, cases, methods, sensitivity
from pixverve_lib.bench.lengths import NANO
from pixverve_lib.bench.metrics import METRICS
from pixverve_lib.kit import artefacts
from pixverve_lib.kit.run import start
from pixverve_lib.scenes import primer
from pixverve_lib.schemes import drawings

pytestmark = pytest.mark.usefixtures("one_thread")
PROMPTS = primer.bench_prompts()


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    return start("08_pixverve_bench", "smoke")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Two methods: one draws the scenes as they should be, one draws those of other prompts."""
    folder, rows = tmp_path_factory.mktemp("drawn"), []
    for method, shift in (("FLUX.2-I (Full)", 0), ("FLUX.2-II", 7)):
        for number in range(3):
            path = folder / f"{shift}-{number}.png"
            Image.fromarray(primer.draw(PROMPTS[number + shift].spec, 256, np.random.default_rng(9))).save(path)
            rows.append((method, "4K", "long", number, str(path), 1.0))
    pictures = pd.DataFrame(rows, columns=list(artefacts.PICTURES))
    return methods.score(pictures, folder / "scored", backends.nano(), NANO)


def test_without_a_run_the_shipped_sample_is_read_and_says_so(run):
    drawn, lines = methods.drawn(run)
    assert len(lines) == 3 and "the shipped sample" in lines[0] and "make notebook NB=05 BUDGET=smoke" in lines[0]
    assert set(drawings.METHODS.values()) - set(drawn.method) == {"DemoFusion"}
    assert (drawn[drawn.scale == "4K"].groupby(methods.BY).size() == 4).all()
    assert all(Image.open(path).size[0] in (256, 512, 640) for path in drawn.path)


def test_pictures_of_a_run_are_handed_over_by_their_place_in_the_project(run, tmp_path):
    made = pd.DataFrame({"path": [tmp_path / "runs" / "a.png", tmp_path / "runs" / "b.png"], "seconds": [2.0, 3.0]})
    table = drawings.table({"lora": made}, "8K", times=25)
    assert table.path.tolist() == ["runs/a.png", "runs/b.png"] and table.seconds.tolist() == [50, 75]
    assert table.method.unique() == ["FLUX.2-I (LoRA)"] and table.caption.unique() == ["long"]


def test_a_path_that_leaves_the_project_is_refused(run):
    frame = pd.DataFrame([("L2P", "4K", "long", 0, "../outside.png", 1.0)], columns=list(artefacts.PICTURES))
    artefacts.write(start("05_scheme1_full_attention", "smoke"), "scheme1_pictures", frame)
    with pytest.raises(ValueError, match=r"\.\./outside.png lies outside"):
        methods.drawn(run)


def test_every_metric_tells_what_was_asked_for_from_what_was_not(scored):
    scores, rows, cards = scored
    value = scores.set_index(["method", "metric"]).value.unstack(0)
    assert set(scores.metric) == set(METRICS) and scores.pictures.eq(3).all()
    for metric in ("fid", "clipscore", "fg_clip2_score", "ics"):
        right, wrong = value.loc[metric, ["FLUX.2-I (Full)", "FLUX.2-II"]]
        assert (right > wrong) == METRICS[metric].higher_is_better, metric
    assert value.loc["ics", "FLUX.2-I (Full)"] == pytest.approx(10)
    assert set(artefacts.BENCH_ROW) | {*methods.BY, "number"} == set(rows.columns)
    assert cards.card.str.contains("3 pictures").all()


def test_other_code_draws_its_own_references(scored, tmp_path, monkeypatch):
    _, rows, _ = scored
    pictures = rows.head(2).rename(columns={"file": "name"}).assign(seconds=1.0)[list(artefacts.PICTURES)]
    seen = []
    monkeypatch.setattr(methods.folder, "score", lambda *question: seen.append(question[-1]) or 1 / 0)
    for code in ("a", "b"):
        monkeypatch.setattr(methods.kept_scores, "code", lambda code=code: code)
        with pytest.raises(ZeroDivisionError):
            methods.score(pictures, tmp_path, backends.nano(), NANO)
    assert not set(seen[0].values()) & set(seen[1].values())


def test_cases_run_from_the_smoothest_to_the_roughest_and_name_the_worst_place(scored):
    _, rows, _ = scored
    published = [case[2] for case in cases.texture(rows, 4)]
    assert published == sorted(published) and published[0] == rows.glcm_score.min()
    worst = cases.lowest(rows, backends.nano().judge, NANO)
    assert [kind for _, kind, *_ in worst] == ["global"] * 4 + ["local"] * 5
    x0, y0, x1, y1 = worst[-1][4]
    assert worst[0][4] is None and 0 <= x0 < x1 <= 256 and y1 - y0 == NANO.local_small


def test_damage_is_measured_in_spreads_of_clean_drawings():
    found = sensitivity.measure(backends.nano(), NANO, 128, count=3)
    moved = found.set_index(["damage", "severity", "metric"]).relative
    assert len(found) == 4 * sum(len(levels) for _, levels in sensitivity.SWEEPS.values())
    assert moved["blur, px", 4, "fid_patch"] > 2 and moved["noise, levels", 4, "glcm_score"] > 2
    assert abs(moved["JPEG quality", 1, "fid"]) < moved["blur, px", 4, "fid"]

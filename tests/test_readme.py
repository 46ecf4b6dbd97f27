"""The README: its worked examples run as they stand, and what it names is there."""
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from pixverve_lib.bench import own_metrics, report, scoring
from pixverve_lib.bench.metrics import METRICS
from pixverve_lib.imaging import reading
from pixverve_lib.scenes import layouts, render

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "ARTIFACT.md")]
BLOCK = re.compile(r"^#+ ([^\n]+)\n(?:(?!^#).)*?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINES = 15  # of a worked example, empty ones apart

pytestmark = pytest.mark.usefixtures("one_thread")


def examples():
    return {heading: code for page in PAGES for heading, code in BLOCK.findall(page.read_text())}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that executes the example below a heading in an empty home with three scenes, and gives its names."""
    from pixverve_lib.schemes import retrofits
    registries = (METRICS, scoring.COLUMNS, scoring.MEASURES, scoring.TEXT, report.MEANINGS, retrofits.FILES)
    before = [(registry, dict(registry)) for registry in registries]  # other tests must not meet what is added here
    monkeypatch.setattr(own_metrics, "OWN", [])
    monkeypatch.setattr(scoring, "SCORES", list(scoring.SCORES))
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("PIXVERVE_CHAT_URL", "PIXVERVE_JUDGE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("photographs").mkdir()
    for number, layout in enumerate(layouts.LAYOUTS[:3]):
        scene = render.draw(layouts.compose(layout, number, 1.5), 96, 144)
        reading.write_jpeg(f"photographs/{number}.jpg", scene)
    reading.write_jpeg("photograph.jpg", scene)

    def execute(heading):
        names = {}
        exec(compile(examples()[heading], heading, "exec"), names)
        return SimpleNamespace(**names)
    yield execute
    for registry, entries in before:
        registry.clear()
        registry.update(entries)


def test_every_python_block_is_short_and_run_here():
    source, found = Path(__file__).read_text(), examples()
    assert sum(page.read_text().count("```python") for page in PAGES) == len(found) == 4
    for heading, code in found.items():
        assert len([line for line in code.splitlines() if line.strip()]) <= LINES, heading
        assert f'run("{heading}")' in source


def test_one_s_own_metric_becomes_a_column_an_average_and_a_card(run):
    made = run("Add a metric")
    contrasts = [reading.read_rgb(f"photographs/{number}.jpg").mean(axis=2).std() for number in range(3)]
    assert pd.read_csv(made.out / "scores.csv")["contrast"].tolist() == pytest.approx(contrasts)
    average = made.scored.summary.set_index("metric").loc["contrast"]
    assert average["value"] == pytest.approx(np.mean(contrasts)) and average["low"] <= average["high"]
    card = made.scored.cards["contrast"].line()
    assert card.startswith("contrast | 3 pictures") and "higher is better, 0 to 127.5" in card and made.contrast
    assert "| contrast ↑ |" in (made.out / "report.md").read_text()
    made.own_metrics.add("contrast", lambda rgb, text: len(text), False, 0, 9, "Length of the caption.", text="short")
    again = made.folder.score_folder("photographs")[0]  # another function: not what was kept
    assert again.absent["contrast"] == "no short caption (3 of 3 pictures)"
    made.own_metrics.add("contrast", lambda rgb: 1 / (rgb.shape[0] - 96), False, 0, 9, "A mistake.")
    again = made.folder.score_folder("photographs")[0]
    assert again.absent["contrast"] == "ZeroDivisionError: division by zero (3 of 3 pictures)"
    assert again.rows["glcm_score"].equals(made.scored.rows["glcm_score"])
    for taken in ("glcm_score", "height", "two words"):
        with pytest.raises(ValueError, match="take one word that no column of scores.csv bears"):
            made.own_metrics.add(taken, made.contrast, True, 0, 1, "")


def test_one_s_own_codec_becomes_a_row_and_is_refused_when_it_loses_a_bit(run):
    made = run("Add a codec")
    rows = made.rows.set_index("codec")
    assert rows.loc["mine", "verified"] and rows.loc["mine", "bits_per_pixel"] > 0 and set(rows["status"]) == {"ok"}
    assert len(rows) == len(made.codecs) > 10
    rgb = reading.read_rgb("photograph.jpg")
    flipped = rgb.copy()
    flipped[5, 7, 2] ^= 1
    broken = {"lossy": made.Codec("lossy", "", "", lambda rgb: made.encode(flipped[:len(rgb)]), made.decode),
              "failing": made.Codec("failing", "", "", lambda rgb: 1 / 0, made.decode)}
    rows = made.benchmark.compare(broken | {"mine": made.codecs["mine"]}, rgb).set_index("codec")
    assert rows["status"].tolist() == ["rejected", "rejected", "ok"]
    said = ["not lossless: other pixels came back", "ZeroDivisionError: division by zero", ""]
    assert rows["reason"].tolist() == said
    assert rows["bits_per_pixel"].isna().tolist() == [True, True, False]


def test_one_s_own_scheme_is_trained_and_scored_beside_base_and_full(run):
    made = run("Add a scheme")
    scores = made.found.scores.set_index("arm")
    assert list(scores.index) == ["base", "full", "sharper"] and scores["nano-FID"].gt(0).all()
    assert scores["loss"].nunique() == 3 and scores["seconds"].gt(0).tolist() == [False, True, True]
    (written,) = Path("runs/sharper").glob("*/full/sharper.json")
    assert json.loads(written.read_text())["factor"] == pytest.approx(1.2)
    assert made.retrofits.read(written.parent)[made.Sharper]["factor"] == pytest.approx(1.2)
    other = type("Sharper", (), dict(vars(made.Sharper)))  # the cell is run a second time
    made.retrofits.register(other, "sharper.json")
    assert list(made.retrofits.read(written.parent)) == [other]


def test_recipes_of_several_papers_go_into_one_training(run):
    made = run("Combine the recipes")
    for retrofit in (made.rotary, made.window_attention):
        assert retrofit.installed(made.better.transformer) == retrofit.installed(made.made.transformer) is not None
    assert made.tuned.metrics["step"].tolist() == [1, 2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_module_file_and_link_that_a_page_names_exists(page):
    text, makefile = page.read_text(), (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    words = set(re.findall(r"(?:^|`)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE))
    assert words <= targets and (len(words) > 8 or page != PAGES[0])
    for module in re.findall(r"-m (pixverve_lib[\w.]*)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|csv))`", text):
        assert any((room / name).is_file() for room in (ROOT, ROOT / "pixverve_lib")), name
    for link in re.findall(r"\]\(([^)]+)\)", text):
        file, _, heading = link.partition("#")
        other = (page.parent / file) if file else page
        assert other.is_file(), link
        assert not heading or heading in map(anchor, re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)), link


def anchor(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_table_has_every_notebook_with_minutes_as_measured_in_the_reference_run():
    rows = re.findall(r"^\| \[.*\]\(notebooks/(\w+)\.ipynb\) .* \| ([\d.]+) \|$", PAGES[0].read_text(), re.MULTILINE)
    assert [stem for stem, _ in rows] == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    manifest = ROOT / "figures" / "manifest.json"
    if not manifest.exists():
        pytest.skip("no figures/manifest.json: run make manifest")
    measured = json.loads(manifest.read_text())["notebooks"]
    for stem, minutes in rows:
        assert 0.5 <= float(minutes) * 60 / measured[stem]["seconds"] <= 2, f"{stem}: correct its minutes in README.md"


def test_what_to_cite_is_what_the_citation_file_says():
    text, cited = " ".join(PAGES[0].read_text().split()), yaml.safe_load((ROOT / "CITATION.cff").read_text())
    paper = cited["references"][0]
    authors = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    for said in (paper["title"], cited["title"], authors, f"{{{cited['version']}}}", f"{{{paper['year']}}}"):
        assert said in text or said in re.sub(r"(?<=[ {])\{([\w-]+)\}", r"\1", text), said


def test_the_readme_stays_a_first_page():
    assert len(PAGES[0].read_text().splitlines()) <= 250

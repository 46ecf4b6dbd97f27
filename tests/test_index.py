"""The report figures/index.html: made from a tiny run, and read in a real headless Chromium."""
import json
import os
import shutil
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixverve_lib.exhibits import deep_zoom, index, index_entries, index_tables
from pixverve_lib.exhibits.catalogue import EXHIBITS
from pixverve_lib.imaging import large
from pixverve_lib.kit import artefacts, provenance
from pixverve_lib.kit.run import start
from pixverve_lib.paper import published

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
SIZE = 1500, 2100  # of the picture in the viewer, rows x columns
OWN_PAPER = [f"Tab. {n}" for n in (1, 2, 3, 4, "A1", "A2", "A3", "A4", "A5")] + [
    f"Fig. {n}" for n in (1, 2, 3, 4, 5, 6, 7, "A1", "A2", "A3", "A4", "A5", "A6")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The home of a run with two figures, two tables, a ledger and a picture for the viewer, and its report."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIXVERVE_HOME", str(home))
        patch.setattr(deep_zoom, "PIXELS", SIZE[0] * SIZE[1])
        about = provenance.describe(start("01_curation"))
        emitted(home, about | {"notebook": "01_curation"}, "fig_04_detectors", png=(2000, 700))
        emitted(home, about, "ours_01_attrition", png=(900, 400))
        emitted(home, about, "tab_a1_training", csv=f'method,"epochs, published","epochs, measured",difference\n'
                                                    f'"{HOSTILE}",6.0,5.0,-1.0\n')
        emitted(home, about, "tab_03_bench", csv="method,FID ↓\nL2P,126.0 │ 130.5 │ 4.5\nHiFlow,130.0 │ – │ –\n")
        emitted(home, about, "ours_08_claims", csv=(
            "verdict,id,place,claim,number,check\n"
            f'partly,P01,Sec. 1,first,"{HOSTILE}",python -m x P01\n'
            "follows from the printed tables,P03,Tab. 1,second,3,python -m x P03\n"
            "partly,D01,Tab. 1,third,4,python -m x D01\n"))
        (home / "notebooks").mkdir()
        cells = [{"cell_type": "markdown", "metadata": {}, "source": "# 01 Curation\n\n**Costs** a minute"},
                 {"cell_type": "code", "metadata": {}, "source": ["emit(run, \"Attrition\", pool=pool)"]}]
        (home / "notebooks" / "01_curation.ipynb").write_text(json.dumps({"cells": cells}))
        record = home / "runs" / "laptop" / "01_curation" / "01_curation.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(about | {"seconds": 41.0}))
        picture(home)
        assert index.main([]) == 0
        yield home


def emitted(home, about, stem, png=(), csv=""):
    figures = home / "figures"
    figures.mkdir(exist_ok=True)
    (figures / f"{stem}.json").write_text(json.dumps(about))
    if png:
        Image.new("RGB", png, "teal").save(figures / f"{stem}.png")
    else:
        (figures / f"{stem}.csv").write_text(csv, encoding="utf-8")
        (figures / f"{stem}.md").write_text("as Markdown")


def picture(home):
    """Smooth waves: equal places of neighbouring levels look alike, and nothing is grey as the backdrop."""
    rows, columns = np.indices(SIZE)
    rgb = np.stack([128 + 100 * np.sin(rows / 90), 128 + 100 * np.cos(columns / 70), 0 * rows + 200], axis=2)
    file = home / "waves.tif"
    large.write_tiled(file, *SIZE, [rgb.astype(np.uint8)])
    row = dict.fromkeys(artefacts.UHR, "") | {
        "id": "waves", "path": str(file), "height": SIZE[0], "width": SIZE[1], "scale": 2, "tier": "2x",
        "upscaler": "nano", "kept": True}
    artefacts.write(start("02_super_resolution"), "uhr_pool", pd.DataFrame([row]))


class Page(HTMLParser):
    """What the tests ask of a page: attributes of its tags, and its text by exhibit."""

    def __init__(self, home):
        super().__init__()
        self.tags, self.texts, self.exhibit = [], {}, None
        self.feed((home / "figures" / "index.html").read_text("utf8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.exhibit = dict(attributes).get("data-exhibit") or self.exhibit

    def handle_endtag(self, tag):
        self.exhibit = None if tag == "article" else self.exhibit

    def handle_data(self, data):
        if self.exhibit:
            self.texts[self.exhibit] = f"{self.texts.get(self.exhibit, '')} {' '.join(data.split())}".strip()

    def all(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def test_every_exhibit_of_the_four_papers_is_there_exactly_once(made):
    page = Page(made)
    related = published.related_exhibits()
    expected = [f"000:{name}" for name in OWN_PAPER] + [f"{row.paper}:{row.exhibit}" for row in related.itertuples()]
    found = Counter(name for name in page.all("data-exhibit") if not name.startswith(":"))
    assert found == Counter(expected)
    places = Counter(":".join(index_entries._place(*listed)) for listed in EXHIBITS.items())
    assert set(places) <= set(page.all("data-exhibit")) and set(places.values()) == {1}, "and so is every one of ours"
    assert [name for name, number in Counter(page.all("id")).items() if number > 1] == []


def test_what_is_missing_says_what_makes_it_or_what_it_needs(made):
    texts = Page(made).texts
    assert "make notebook NB=04 BUDGET=laptop" in texts["000:Fig. 5"] and "not made" in texts["000:Fig. 5"]
    assert "Needs the Diffusion-4K weights" in texts["002:Fig. 7"]
    assert "transcribed" in texts["004:Tab. 4"] and "As printed" in texts["004:Tab. 4"]
    assert "measured" in texts["000:Fig. 4"] and "not made" not in texts["000:Fig. 4"]


def test_hostile_text_stays_text(made):
    raw = (made / "figures" / "index.html").read_text("utf8")
    assert HOSTILE not in raw and raw.count("&lt;script&gt;document.title") >= 2
    assert HOSTILE in Page(made).texts["000:Tab. A1"]


def test_the_folder_can_be_opened_anywhere_without_a_network(made):
    links = [link for name in ("href", "src") for link in Page(made).all(name)]
    away = [link for link in links if not link.startswith(("#", "data:")) and not (made / "figures" / link).is_file()]
    assert away == []
    assert (made / "figures" / "index.html").stat().st_size < 3_000_000


def test_a_damaged_result_counts_as_not_made(made, monkeypatch, tmp_path):
    home = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.setenv("PIXVERVE_HOME", str(home))
    (home / "figures" / "fig_04_detectors.png").write_bytes(b"\x89PNG torn")
    (home / "figures" / "ours_01_attrition.json").write_text('{"notebook": "01_cur')
    (home / "notebooks" / "01_curation.ipynb").write_text("{")
    assert index.main([]) == 0
    texts = Page(home).texts
    assert "not made" in texts["000:Fig. 4"] and "not made" in texts[":Attrition"]


def test_nothing_is_written_when_nothing_changed(made, capsys):
    file, tile = made / "figures" / "index.html", made / "figures" / "tiles" / "0" / "0_0.jpg"
    before = file.stat().st_mtime_ns, tile.stat().st_mtime_ns
    assert index.main([]) == 0
    assert "unchanged" in capsys.readouterr().out and before == (file.stat().st_mtime_ns, tile.stat().st_mtime_ns)
    os.utime(made / "figures" / "fig_04_detectors.png")
    assert index.main([]) == 0
    after = file.stat().st_mtime_ns, tile.stat().st_mtime_ns
    assert after[0] > before[0] and after[1] == before[1], "the page anew, the tiles not"


def test_a_run_without_a_large_picture_says_how_to_get_one(made, capsys):
    assert index.main(["--budget", "smoke"]) == 0
    text = (made / "figures" / "smoke" / "index.html").read_text("utf8")
    assert "make notebook NB=02 BUDGET=smoke" in text and 'id="viewer"' not in text and "bokeh" not in text.lower()
    assert index.main(["--budget", "huge"]) == 2 and "budget 'huge' is unknown" in capsys.readouterr().err


def test_tiles_are_the_picture_and_end_where_it_ends(made):
    whole = large.read_crop(made / "waves.tif", 0, 0, *SIZE)
    folder = made / "figures" / "tiles"
    top = json.loads((folder / "picture.js").read_text().split("=", 1)[1].rstrip(";\n"))["top"]
    corner = np.asarray(Image.open(folder / str(top) / "4_2.jpg")).astype(int)
    height, width = SIZE[0] - 2 * 512, SIZE[1] - 4 * 512
    assert np.abs(corner[:height - 8, :width - 8] - whole[1024:-8, 2048:-8]).mean() < 3
    assert np.abs(corner[height + 16:] - [29, 35, 43]).max() < 12, "the backdrop"
    assert len(list((folder / str(top)).iterdir())) == 3 * 5


@pytest.mark.parametrize(("head", "cell", "sign", "verdict"), [
    ("GLCM Score ↑", "0.9 │ 0.5 │ -0.4", "▼", "worse"), ("FID ↓", "9 │ 5 │ -4", "▼", "better"),
    ("FID ↓", "9 │ 9 │ 0.0", "=", ""), ("FID ↓", "9 │ – │ –", "", ""), ("pictures", "9 │ 10 │ 1", "▲", ""),
])
def test_a_difference_has_a_sign_and_where_it_is_known_a_verdict(tmp_path, head, cell, sign, verdict):
    (tmp_path / "t.csv").write_text(f"method,{head}\nL2P,{cell}\n")
    *_, last = index_tables.table(tmp_path / "t.csv")["rows"][0][1]
    assert (last["kind"], last["sign"], last["verdict"]) == ("difference", sign, verdict)


def test_columns_are_told_apart_only_where_something_published_is_among_them(tmp_path):
    (tmp_path / "t.csv").write_text("format,published size / QOI,measured size / QOI,size difference,measured with\n"
                                    "PNG,0.5,0.4,-0.1,libpng\n")
    (tmp_path / "own.csv").write_text("fact,measured,difference\nequal,1,0.1\n")
    found = index_tables.table(tmp_path / "t.csv")
    assert [head["kind"] for head in found["head"]] == ["", "published", "measured", "difference", ""]
    assert found["rows"][0][3][0]["verdict"] == "better"
    assert {head["kind"] for head in index_tables.table(tmp_path / "own.csv")["head"]} == {""}


TILES = """return [...Bokeh.documents[0].get_model_by_name("picture").renderers[0].tile_source.tiles.values()]
  .filter(tile => tile.loaded).map(tile => tile.tile_coords[2])"""
RANGE = """const range = Bokeh.documents[0].get_model_by_name("picture").x_range; return range.end - range.start"""
ROWS = "return [...document.querySelectorAll('#claims tbody tr')].filter(row => !row.hidden).length"


def opened(browser, made, width):
    from selenium.webdriver.support.ui import WebDriverWait
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})
    browser.get((made / "figures" / "index.html").as_uri())
    wait = WebDriverWait(browser, 15, 0.05)
    wait.until(lambda it: it.execute_script("return document.querySelector('#viewer').dataset.ready"))
    return wait


@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_is_read_filtered_opened_and_zoomed_by_keyboard(made, browser, width, tmp_path):
    from selenium.webdriver.common.keys import Keys
    wait = opened(browser, made, width)

    assert browser.execute_script("return document.documentElement.scrollWidth") <= width, "nothing to scroll sideways"
    browser.save_screenshot(str(tmp_path / f"{width}.png"))
    with Image.open(tmp_path / f"{width}.png") as shot:
        assert shot.size == (width, 800) and len(set(shot.convert("L").getdata())) > 20

    text = browser.find_element("name", "text")
    assert browser.execute_script(ROWS) == 3
    text.send_keys("second")
    assert browser.execute_script(ROWS) == 1 and browser.find_element("css selector", "output").text == "1 of 3 claims"
    text.clear()
    browser.find_element("css selector", "[name=paper] [value='002']").click()
    assert browser.execute_script(ROWS) == 1

    first = browser.find_element("css selector", "a.full")
    first.send_keys(Keys.ENTER)
    dialog = browser.find_element("id", "figure")
    image = dialog.find_element("css selector", "img")
    wait.until(lambda it: image.get_property("naturalWidth") == 2000 == image.size["width"])
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert "Attrition" in dialog.text
    browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT, Keys.ESCAPE)
    assert not dialog.is_displayed() and browser.switch_to.active_element == first

    viewer = browser.find_element("id", "viewer")
    wait.until(lambda it: it.execute_script(TILES))
    seen = browser.execute_script(RANGE)
    viewer.send_keys("1")
    assert browser.execute_script(RANGE) == pytest.approx(viewer.size["width"], abs=1), "a pixel a pixel"
    viewer.send_keys("+", "+")
    wait.until(lambda it: 3 in it.execute_script(TILES))
    viewer.send_keys("0")
    assert browser.execute_script(RANGE) == pytest.approx(max(SIZE[1], seen), rel=0.6)
    assert browser.title == "PixVerve-Repro: laptop", "the hostile text ran nothing"
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


def test_it_is_light_and_dark_and_everything_has_a_name(made, browser):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys
    opened(browser, made, 1280)
    papers = set()
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        papers.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(papers) == 2
    controls = browser.find_elements("css selector", "button, select, input, [tabindex='0'], #main img")
    shown = [control for control in controls if control.is_displayed()]
    assert shown and [one.get_attribute("outerHTML")[:80] for one in shown if not one.accessible_name] == []
    browser.refresh()
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.text == "Skip to the results"

"""The voting page of the human study: the server over HTTP, and the page in a real headless Chromium."""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest

from pixverve_lib.bench import ballots, preferences, voting

MODELS = ("secret-model-a", "secret-model-b")
HEIGHT, WIDTH = 700, 1000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a design of 4 pairs for two annotators, its pictures, and a file that is none of them.

    A pixel's red is a quarter of its column, its green a third of its row.
    """
    folder = tmp_path_factory.mktemp("study")
    frame = preferences.design(MODELS, {"p1": "a red <b>ball</b>", "p2": "two blue cubes"}, annotators=("ann", "bob"),
                               files="{model}/{scale}/{prompt}.png")
    frame.to_csv(folder / "design.csv", index=False)
    rows, columns = np.indices((HEIGHT, WIDTH))
    for number, name in enumerate(sorted({*frame.left_file, *frame.right_file})):
        (folder / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        bgr = np.stack([np.full_like(rows, 25 * number), rows // 3, columns // 4], axis=2)
        cv2.imwrite(str(folder / "pictures" / name), bgr)
    (folder / "outside.png").write_bytes((folder / "pictures" / frame.left_file[0]).read_bytes())
    return folder


class Page:
    """The command, as a process of its own."""

    def __init__(self, folder, votes, port=0):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pixverve_lib.bench.voting", "--design", folder / "design.csv", "--pictures",
             folder / "pictures", "--annotator", "ann", "--votes", votes, "--port", str(port)],
            stdout=subprocess.PIPE, text=True)
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", self.process.stdout.readline())[1])

    def kill(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def pages(made, tmp_path):
    """Starts the command; whatever it has started is killed in the end."""
    started = []

    def start(port=0):
        started.append(Page(made, tmp_path / "votes.jsonl", port))
        return started[-1]
    yield start
    for page in started:
        page.kill()


@pytest.fixture
def port(made, tmp_path):
    """Of a server in this process."""
    study = ballots.study(made / "design.csv", made / "pictures", "ann", tmp_path / "votes.jsonl")
    with voting.Server(study, 0) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server.server_port
        server.shutdown()


def ask(port, path, body=None, **headers):
    """(status, headers, bytes) of one request, GET or, with a body, POST."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json"} | headers
    connection.request("POST" if body is not None else "GET", path, json.dumps(body), headers)
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return found


def token(port):
    return re.search(rb'base = "/([\w-]+)/"', ask(port, "/")[2])[1].decode()


def test_the_server_shows_what_the_annotator_is_asked_and_nothing_else(port):
    base = f"/{token(port)}"
    sent = [ask(port, "/"), ask(port, f"{base}/state")]
    sent += [ask(port, f"{base}/picture/{order}/{side}") for order in range(1, 5) for side in ("left", "right")]
    assert {status for status, _, _ in sent} == {200}
    assert not [part for part in sent if any(model in str(part[1]) + str(part[2]) for model in MODELS)]
    for path in ("/state", "/wrong/state", f"{base}/picture/9/left", f"{base}/picture/1/text", f"{base}/design.csv",
                 f"{base}/picture/../../outside.png", f"{base}/picture/1/left_file", "/voting.html"):
        assert ask(port, path)[0] == 404, path


def test_other_sites_can_neither_look_nor_vote(port, tmp_path):
    base = f"/{token(port)}"
    body = {"order": 1, "question": "fidelity", "choice": "left"}
    assert ask(port, f"{base}/state", Host="evil.example")[0] == 404
    assert ask(port, f"{base}/vote", body, **{"Content-Type": "text/plain"})[0] == 400
    assert ask(port, f"{base}/vote", body | {"choice": "both"})[0] == 400
    assert ask(port, f"{base}/vote", body | {"order": 99})[0] == 400
    assert ask(port, f"{base}/vote", body | {"question": ["fidelity"]})[0] == 400
    assert (tmp_path / "votes.jsonl").read_bytes() == b""


def test_votes_outlive_a_killed_server_and_half_a_line(made, pages, tmp_path, capsys):
    file, page = tmp_path / "votes.jsonl", pages()
    base = f"/{token(page.port)}"
    state = json.loads(ask(page.port, f"{base}/state")[2])
    for _ in range(3):
        vote = {"order": state["next"], "question": state["question"], "choice": "left"}
        state = json.loads(ask(page.port, f"{base}/vote", vote)[2])
    page.kill()
    file.write_bytes(file.read_bytes() + b'{"design": "torn')
    study = ballots.study(made / "design.csv", made / "pictures", "ann", file)
    assert study.state() == state and "1 damaged line" in capsys.readouterr().out
    study.vote(state["next"], state["question"], "right")
    lines, damaged = ballots.recorded(file)
    assert [line["choice"] for line in lines] == ["left"] * 3 + ["right"] and damaged == 1


def test_the_last_vote_of_a_pair_counts_and_undo_takes_it_back(made, tmp_path, capsys):
    study = ballots.study(made / "design.csv", made / "pictures", "ann", tmp_path / "votes.jsonl")
    study.vote(1, "fidelity", "left")
    study.vote(1, "fidelity", "right")
    study.vote(1, "alignment", "indistinguishable")
    study.undo()
    assert study.state()["question"] == "alignment" and study.state()["left"] == 4
    votes = ballots.votes(study.design, study.votes)
    row = votes[(votes.annotator == "ann") & (votes.order == 1)].set_index("question").choice
    assert row.fidelity == "right" and row.isna().alignment
    assert "15 of 16 votes are missing" in capsys.readouterr().out
    scores = preferences.human_scores(votes)
    assert scores.missing.sum() == 2 * 15 and scores.comparisons.sum() == 2


def test_what_keeps_the_page_from_starting_is_said_in_one_line(made, tmp_path, capsys):
    def start(**changed):
        given = {"design": made / "design.csv", "pictures": made / "pictures", "annotator": "ann",
                 "votes": tmp_path / "votes.jsonl"} | changed
        assert voting.main([part for name, value in given.items() for part in (f"--{name}", str(value))]) == 2
        return capsys.readouterr().err
    frame = preferences.read_design(made / "design.csv")
    frame.assign(left_file="../outside.png").to_csv(tmp_path / "escaping.csv", index=False)
    frame.assign(seed=1, text="another").to_csv(tmp_path / "other.csv", index=False)
    other = ballots.study(tmp_path / "other.csv", made / "pictures", "ann", tmp_path / "others.jsonl")
    other.vote(1, "fidelity", "left")
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    said = [
        (start(annotator="eve"), "no annotator 'eve' in the design; it has: ann, bob"),
        (start(design=tmp_path / "none.csv"), "no design at"),
        (start(design=tmp_path / "text.csv"), "text.csv is no design: it lacks the columns annotator, order"),
        (start(pictures=tmp_path), "8 of 8 pictures cannot be shown, first secret-model-a/4K/p1.png: no such file"),
        (start(design=tmp_path / "escaping.csv"), "../outside.png: it lies outside the folder of pictures"),
        (start(votes=tmp_path / "others.jsonl"), "holds 1 votes of another design"),
        (start(votes=tmp_path), "votes cannot be"),
    ]
    assert [(line, expected) for line, expected in said if expected not in line or line.count("\n") != 1] == []


class Reader:
    """Somebody at the keyboard."""

    def __init__(self, browser, port):
        self.browser, self.port = browser, port
        browser.get(f"http://127.0.0.1:{port}/")
        self.wait_for_question()

    def wait_for_question(self, before=None):
        from selenium.webdriver.support.ui import WebDriverWait
        script = ("const b = document.body.dataset.next, busy = document.querySelector('main').matches('.waiting');"
                  "return b && (b === 'end' || !busy) ? b : null")
        WebDriverWait(self.browser, 10, 0.02).until(lambda it: (it.execute_script(script) or before) != before)
        return self.browser.execute_script(script)

    @property
    def question(self):
        return self.browser.execute_script("return document.body.dataset.next")

    def press(self, key):
        from selenium.webdriver.common.action_chains import ActionChains
        ActionChains(self.browser).send_keys(key).perform()

    def answer(self, key):
        before = self.question
        self.press(key)
        return self.wait_for_question(before)

    def visible_text(self):
        return self.browser.find_element("tag name", "body").text


def test_a_study_is_done_by_keyboard_through_undo_closing_and_a_killed_server(pages, tmp_path, browser):
    from selenium.webdriver.common.keys import Keys
    file, page = tmp_path / "votes.jsonl", pages()
    reader = Reader(browser, page.port)
    assert "Question 1 of 2; 4 of 4 pairs left" in reader.visible_text()
    assert [reader.answer(key) for key in ("1", Keys.ARROW_RIGHT, "0")] == ["1 alignment", "2 fidelity", "2 alignment"]
    assert reader.answer(Keys.BACKSPACE) == "2 fidelity"

    browser.get("about:blank")  # closed
    page.kill()
    pages(page.port)
    reader = Reader(browser, page.port)
    assert reader.question == "2 fidelity" and "3 of 4 pairs left" in reader.visible_text()

    for key in (Keys.ARROW_DOWN, "2", "1", "1", Keys.ARROW_LEFT):
        reader.answer(key)
    assert reader.answer("2") == "end" and "4 of 4 pairs done" in reader.visible_text()
    choices = [line["choice"] for line in ballots.recorded(file)[0]]
    assert choices == ["left", "right", "indistinguishable", None, "indistinguishable", "right", "left", "left", "left",
                       "right"]
    assert not any(model in browser.page_source for model in MODELS)
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


FITTING = """return [...document.images].map(image => {
  const own = image.getBoundingClientRect(), room = image.parentElement.getBoundingClientRect();
  return [own.width / own.height, own.left - room.left, own.top - room.top, room.right - own.right,
          room.bottom - own.bottom];
})"""
PAINTED = """return [...document.querySelectorAll("canvas:not([hidden])")].map(canvas =>
  [...canvas.getContext("2d").getImageData(0, 0, 400, 1).data].filter((_, place) => place % 4 < 2))"""


def test_both_pictures_fit_and_zoom_to_the_same_place_pixel_by_pixel(port, browser):
    from selenium.webdriver.support.ui import WebDriverWait
    reader = Reader(browser, port)
    for ratio, *margins in browser.execute_script(FITTING):
        assert ratio == pytest.approx(WIDTH / HEIGHT, abs=0.01) and min(margins) > -1, "the whole picture is there"
    reader.press("z")
    left, right = WebDriverWait(browser, 10, 0.02).until(lambda it: it.execute_script(PAINTED))
    reds, greens = left[::2], left[1::2]
    assert left == right and len(set(greens)) == 1
    assert set(np.bincount(reds)[min(reds) + 1:max(reds)]) == {4}, "one pixel on one pixel"
    reader.press("d")
    moved, other = browser.execute_script(PAINTED)
    assert moved == other and moved[0] > left[0] and moved[1] == left[1]
    before = reader.question
    assert reader.answer("1") != before, "zoomed in, keys still vote"


def test_the_page_has_names_for_everything_in_light_and_dark(port, browser):
    from selenium.webdriver.common.by import By
    papers = set()
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        reader = Reader(browser, port)
        papers.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(papers) == 2
    buttons = [button.accessible_name.strip() for button in browser.find_elements(By.TAG_NAME, "button")]
    assert buttons == ["Left is better", "Cannot tell them apart", "Right is better", "Zoom 1:1", "Undo"]
    assert [image.accessible_name for image in browser.find_elements(By.TAG_NAME, "img")] == [
        "Left picture", "Right picture"]
    text = browser.find_element(By.ID, "text")
    assert text.accessible_name and text.text in ("a red <b>ball</b>", "two blue cubes")
    assert reader.question == "1 fidelity"

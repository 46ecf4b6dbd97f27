"""Pexels and Unsplash against a local server that behaves like them."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3.util.retry
from PIL import Image

from pixverve_lib.curation.photo_sites import Pexels, Unsplash
from pixverve_lib.curation.sources import SourceError, open_source
from pixverve_lib.kit.artefacts import DiskFull

KEY = "s3cret-k3y"
SITES = [Pexels, Unsplash]
PHOTOS = 7
PER_PAGE = 3


def _jpeg(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (12, 8), (number * 20, 90, 120)).save(out, "JPEG")
    return out.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # one packet an answer

    def log_message(self, *_):
        pass

    def do_GET(self):
        site, address = self.server.site, urlsplit(self.path)
        site.asked[address.path if address.path.startswith("/files") else self.path] += 1
        site.order.append(address.path)
        if plan := site.plans.get(address.path):
            step = plan.pop(0)
            if step is not None:
                return self._answer(*step)
        if address.path.startswith("/files/"):
            site.leaked |= "Authorization" in self.headers
            return self._send_file(address.path)
        if self.headers.get("Authorization") not in (KEY, f"Client-ID {KEY}"):
            return self._answer(401, {}, b"{}")
        return self._answer(200, {"X-Ratelimit-Remaining": "99"}, json.dumps(self._reply(address)).encode())

    def _send_file(self, path):
        if path == self.server.site.hangs_at:
            self.server.site.hanging.set()
            self.server.site.let_go.wait(20)
        self._answer(200, {"Content-Type": "image/jpeg"}, _jpeg(int(path.rsplit("/")[-1])))

    def _answer(self, status, headers, body=b"", length=None):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length or len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = length is not None

    def _reply(self, address):
        if "/download/" in address.path:
            return {"url": "unused"}
        query = parse_qs(address.query)
        page, size = int(query["page"][0]), int(query["per_page"][0])
        photos = self.server.site.photos
        some, last = photos[(page - 1) * size : page * size], page * size >= len(photos)
        if address.path == "/search/photos":
            return {"total": len(photos), "total_pages": -(-len(photos) // size), "results": some}
        return {"total_results": len(photos), "photos": some} | ({} if last else {"next_page": "https://x/?page=2"})


class FakeSite:
    """Both sites at once. `plans`: path -> answers given before the ordinary ones, None for an ordinary one."""

    def __init__(self):
        self.asked, self.order, self.plans, self.leaked = Counter(), [], {}, False
        self.hangs_at, self.hanging, self.let_go = "", threading.Event(), threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.site, self.server.daemon_threads = self, True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.photos = [self.photo(number) for number in range(1, PHOTOS + 1)]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def photo(self, number):
        file, page = f"{self.base}/files/{number}", f"https://site/photo/{number}"
        pexels = {"url": page, "photographer": f"Ann {number}", "src": {"original": file}, "alt": f"text {number}"}
        links = {"html": page, "download_location": f"{self.base}/photos/download/{number}?ixid=1"}
        unsplash = {"user": {"name": f"Ann {number}"}, "links": links, "urls": {"raw": file}, "alt_description": None}
        return {"id": number, "height": 4000, "width": 6000} | pexels | unsplash


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PEXELS_API_KEY", KEY)
    monkeypatch.setenv("UNSPLASH_ACCESS_KEY", KEY)
    site = FakeSite()
    yield site
    site.let_go.set()
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def naps(monkeypatch):
    """The seconds that retries wanted to sleep, instead of the sleep."""
    slept = []
    monkeypatch.setattr(urllib3.util.retry.time, "sleep", slept.append)
    return slept


def _make(site, fake, cache, **more):
    missed = more.pop("missed", [])
    return site(cache, report=missed.append, base=fake.base, per_page=PER_PAGE, **more)


@pytest.mark.parametrize("site", SITES)
def test_every_page_is_read_and_photographer_and_licence_lie_beside_each_picture(fake, tmp_path, site, capfd):
    found = list(_make(site, fake, tmp_path).pictures("old town"))
    assert [picture.author for picture in found] == [f"Ann {number}" for number in range(1, PHOTOS + 1)]
    for picture in found:
        facts = json.loads(Path(picture.path).with_suffix(".json").read_text())
        assert facts["photographer"] == picture.author and facts["licence"] == picture.licence == f"{site.name} licence"
        assert facts["sha256"] == hashlib.sha256(Path(picture.path).read_bytes()).hexdigest()
        assert (facts["height"], facts["width"], facts["page"]) == (4000, 6000, picture.page)
    told = sum("/photos/download/" in path for path in fake.order)
    assert told == (PHOTOS if site is Unsplash else 0)
    assert not fake.leaked, "the key went to the host of the pictures"
    assert "7 downloaded, 7 found" in capfd.readouterr().out
    _assert_no_key_in(tmp_path, capfd)


def _assert_no_key_in(cache, capfd):
    assert all(KEY.encode() not in file.read_bytes() for file in cache.rglob("*") if file.is_file())
    assert KEY not in "".join(capfd.readouterr())


def test_unsplash_hears_of_a_download_before_it_happens(fake, tmp_path):
    list(islice(_make(Unsplash, fake, tmp_path).pictures("sea"), 2))
    assert fake.order == ["/search/photos", "/photos/download/1", "/files/1", "/photos/download/2", "/files/2"]


KILLED = """
import sys
from pathlib import Path
from pixverve_lib.curation import photo_sites
site = getattr(photo_sites, sys.argv[1])
list(site(Path(sys.argv[2]), base=sys.argv[3], per_page=int(sys.argv[4])).pictures("sea"))
"""


def test_a_download_killed_half_way_goes_on_and_fetches_nothing_twice(fake, tmp_path):
    site = Unsplash  # the one with more to ask
    fake.hangs_at = "/files/5"
    command = [sys.executable, "-c", KILLED, site.__name__, str(tmp_path), fake.base, str(PER_PAGE)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    assert fake.hanging.wait(20)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    fake.hangs_at = ""
    fake.let_go.set()
    done = dict(fake.asked)
    (tmp_path / site.name.lower() / "5.jpg.part").write_bytes(b"half")
    again = [picture.author for picture in _make(site, fake, tmp_path).pictures("sea")]
    assert again == [f"Ann {number}" for number in range(1, PHOTOS + 1)]
    repeated = {path for path, number in fake.asked.items() if number > 1}
    assert repeated <= {"/files/5", "/photos/download/5?ixid=1"} and len(done) > 4
    assert not list(tmp_path.rglob("*.part"))
    before = fake.asked.total()
    assert len(list(_make(site, fake, tmp_path).pictures("sea"))) == PHOTOS and fake.asked.total() == before


@pytest.mark.parametrize("site", SITES)
def test_429_waits_as_long_as_it_is_told_and_a_500_or_a_broken_body_is_tried_again(fake, tmp_path, naps, site):
    fake.plans[site.search] = [(429, {"Retry-After": "7"}), (500, {}), None, (503, {})]
    fake.plans["/files/2"] = [(500, {})]
    fake.plans["/files/3"] = [(200, {"Content-Type": "image/jpeg"}, _jpeg(3)[:50], 900)]
    found = list(_make(site, fake, tmp_path).pictures("sea"))
    assert len(found) == PHOTOS and naps[0] == 7
    assert Path(found[2].path).read_bytes() == _jpeg(3)


@pytest.mark.parametrize("site", SITES)
def test_a_used_up_quota_is_waited_for_and_said(fake, tmp_path, capfd, site):
    used_up = {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str(int(time.time()) + 40)}
    fake.plans[site.search] = [(403, used_up)]
    slept = []
    assert len(list(_make(site, fake, tmp_path, sleep=slept.append).pictures("sea"))) == PHOTOS
    assert len(slept) == 1 and 30 < slept[0] <= 41
    assert "quota is used up, waiting" in capfd.readouterr().out


def test_a_quota_used_up_for_weeks_stops_with_one_line_and_the_next_run_goes_on(fake, tmp_path, naps):
    gone = {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str(int(time.time()) + 10 * 86400)}
    fake.plans["/v1/search"] = [None] + [(429, gone)] * 6
    found = []
    with pytest.raises(SourceError, match="10.0 days"):
        found.extend(_make(Pexels, fake, tmp_path).pictures("sea"))
    assert len(found) == PER_PAGE
    fake.plans.clear()
    assert len(list(_make(Pexels, fake, tmp_path).pictures("sea"))) == PHOTOS
    assert fake.asked["/files/1"] == 1


@pytest.mark.parametrize("site", SITES)
def test_a_picture_that_is_gone_is_reported_and_the_next_run_tries_only_that_one(fake, tmp_path, site):
    fake.plans["/files/4"] = [(404, {})]
    fake.plans["/files/6"] = [(200, {"Content-Type": "text/html"}, b"sorry")]
    missed = []
    here = _make(site, fake, tmp_path, missed=missed)
    assert len(list(here.pictures("sea"))) == PHOTOS - 2 and here.counts["failed"] == 2
    assert [one.name for one in missed] == ["4", "6"]
    assert "HTTP 404" in missed[0].reason and "a text instead" in missed[1].reason
    assert len(list(_make(site, fake, tmp_path).pictures("sea"))) == PHOTOS
    assert {path for path in fake.asked if fake.asked[path] > 1 and "files" in path} == {"/files/4", "/files/6"}


@pytest.mark.parametrize("site", SITES)
def test_hostile_ids_and_addresses_are_refused_and_nothing_lands_outside(fake, tmp_path, site):
    cache = tmp_path / "cache"
    fake.photos[0]["id"] = "../../evil"
    fake.photos[1]["src"] = {"original": "file:///etc/passwd"}
    fake.photos[1]["urls"] = {"raw": "file:///etc/passwd"}
    fake.photos[2] = None
    fake.photos[3]["width"] = -1
    missed = []
    here = _make(site, fake, cache, missed=missed)
    assert [picture.author for picture in here.pictures("../../sea")] == ["Ann 5", "Ann 6", "Ann 7"]
    assert here.counts["refused"] == 4 == len(missed) and all(one.kind == "refused" for one in missed)
    assert list(tmp_path.iterdir()) == [cache] and [path.name for path in cache.iterdir()] == [site.name.lower()]


def test_the_key_is_not_sent_to_a_download_location_elsewhere(fake, tmp_path):
    fake.photos[0]["links"]["download_location"] = f"{fake.base}.evil.example/photos/download/1"
    missed = []
    assert len(list(_make(Unsplash, fake, tmp_path, missed=missed).pictures("sea"))) == PHOTOS - 1
    assert missed[0].name == "1" and "no key" in missed[0].reason


@pytest.mark.parametrize("site", SITES)
def test_the_resolution_screen_is_asked_before_the_download(fake, tmp_path, site):
    fake.photos[1] |= {"height": 1000, "width": 1500}
    missed = []
    here = _make(site, fake, tmp_path, missed=missed, wanted=lambda height, width: height * width >= 10_000_000)
    assert len(list(here.pictures("sea"))) == PHOTOS - 1 and here.counts["screened"] == 1
    assert fake.asked["/files/2"] == 0 and missed[0].reason == "1000 x 1500 pixels"


def test_a_hit_that_slid_to_the_next_page_is_handed_over_once(fake, tmp_path):
    fake.photos.insert(3, fake.photos[2])
    assert len(list(_make(Pexels, fake, tmp_path).pictures("sea"))) == PHOTOS


@pytest.mark.parametrize("site", SITES)
def test_a_missing_broken_or_refused_key_is_one_line_that_does_not_show_it(fake, tmp_path, monkeypatch, site):
    spec = f"{site.name.lower()}:sea"
    monkeypatch.setenv(site.variable, "")
    with pytest.raises(SourceError, match=f"set {site.variable}"):
        open_source(spec, tmp_path)
    monkeypatch.setenv(site.variable, "half\nk3y-of-another")
    with pytest.raises(SourceError, match=site.variable) as broken:
        open_source(spec, tmp_path)
    monkeypatch.setenv(site.variable, "k3y-of-another")
    with pytest.raises(SourceError, match=f"check {site.variable}") as refused:
        next(_make(site, fake, tmp_path).pictures("sea"))
    assert "k3y" not in f"{broken.value}{refused.value}"


def test_a_lost_network_stops_the_source_instead_of_failing_picture_after_picture(fake, tmp_path, naps):
    for photo in fake.photos[2:]:
        photo["src"] = {"original": "http://127.0.0.1:9/nobody"}
    found = []
    with pytest.raises(SourceError, match="run again later"):
        found.extend(_make(Pexels, fake, tmp_path).pictures("sea"))
    assert len(found) == 2


def test_a_full_disk_is_one_line_and_leaves_no_half_picture(fake, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    here = _make(Pexels, fake, tmp_path).pictures("sea")
    next(here)
    (tmp_path / "pexels/2.jpg.part").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="free some space"):
        next(here)
    assert not list(tmp_path.rglob("2.jpg*"))

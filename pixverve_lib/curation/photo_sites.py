"""Pexels and Unsplash through their official APIs (Sec. 3.1.1): polite, resumable, with photographer and licence.

Below the cache: `<site>/<id>.jpg`, its sidecar `<id>.json`, and `<site>/searches/<query>/0001.json`, one small file for
each page the API gave. The page files are the position: a rerun replays them and asks only for what comes after.
Delete a search's folder to search afresh.
"""

import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import requests
from pydantic import BaseModel, Field, HttpUrl, PositiveInt, ValidationError
from tqdm import tqdm

from pixverve_lib.curation.photo_api import TIMEOUT, PhotoApi
from pixverve_lib.curation.sources import Missed, Picture, Report, SourceError, Wanted, any_size, print_missed
from pixverve_lib.kit.artefacts import FULL, DiskFull, write_bytes_atomically

ATTEMPTS = 3  # at a body that breaks off half-way, which urllib3 does not retry
PATIENCE = 3  # pictures in a row without a connection: the network is down, not the picture bad
CHUNK = 1 << 20  # bytes
TEXTS = ("text/", "application/json")  # content types of an error page, not of a picture


class Photo(BaseModel):
    """One search hit, checked: the id becomes a file name, and the addresses are http(s). `announce` may be empty."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    height: PositiveInt
    width: PositiveInt
    author: str
    page: HttpUrl
    url: HttpUrl
    announce: str
    caption: str


class Page(BaseModel):
    """One page of a search as it is kept: good hits, the refused ones as (id, reason), number of hits of the search."""

    photos: list[Photo] = []
    refused: list[tuple[str, str]] = []
    total: int
    last: bool


class PhotoSite:
    """What the sites share; a site adds its names, its limits, and how its replies are read.

    wanted: the resolution screen, asked with the API's (height, width) before a download. `counts` tells what happened
    so far: found, downloaded, screened, refused, failed. Raises SourceError without a key.
    """

    name: str
    licence: str
    variable: str  # of the environment, holds the key
    authorization: str
    api: str
    search: str
    most_per_page: int

    def __init__(
        self,
        cache: Path,
        wanted: Wanted = any_size,
        report: Report = print_missed,
        base: str = "",
        per_page: int = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = Path(cache).absolute() / self.name.lower()
        self._wanted, self._report = wanted, report
        self._per_page = per_page or self.most_per_page
        self._api = PhotoApi(self.name, base or self.api, self.variable, self.authorization, sleep)
        self._unreachable = 0
        self.counts: Counter[str] = Counter()

    def pictures(self, query: str) -> Iterator[Picture]:
        """Yield the pictures of a search in the API's order; each is downloaded when it is asked for, once ever.

        Raises SourceError when going on makes no sense (key, quota or network gone) and DiskFull.
        """
        seen = set()
        with tqdm(desc=f"{self.name} {query!r}", unit=" pictures", mininterval=1) as bar:
            for page in self._pages(query):
                bar.total = page.total
                for name, reason in page.refused:
                    self._miss("refused", name, reason)
                for photo in page.photos:
                    bar.update()
                    if photo.id not in seen and (picture := self._hand_over(photo)):
                        yield picture
                    seen.add(photo.id)
        tqdm.write(f"{self.name} {query!r}: " + ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items())))

    def _pages(self, query: str) -> Iterator[Page]:
        digest = hashlib.sha256(f"{query}|{self._per_page}".encode()).hexdigest()
        slug = re.sub(r"[^a-z0-9]+", "-", query.lower())[:40]
        number, last = 1, False
        while not last:
            file = self._folder / "searches" / f"{slug}-{digest[:8]}" / f"{number:04d}.json"
            if not file.exists():
                write_bytes_atomically(file, self._ask_page(query, number).model_dump_json().encode())
            page = Page.model_validate_json(file.read_bytes())
            yield page
            number, last = number + 1, page.last

    def _ask_page(self, query: str, number: int) -> Page:
        url = self._api.base + self.search
        try:
            reply = self._api.ask(url, query=query, page=number, per_page=self._per_page).json()
            hits, total, last = self._read_page(reply, number)
            page = Page(total=total, last=last or not hits)
        except (requests.RequestException, KeyError, TypeError, AttributeError, ValidationError) as error:
            why = f"{self.name} did not give page {number} of {query!r} ({_why(error)})"
            raise SourceError(f"{why}: run again later, it goes on there") from None
        for hit in hits:
            try:
                page.photos.append(Photo(**self._read_hit(hit)))
            except (KeyError, TypeError, AttributeError, ValidationError) as error:
                page.refused.append((str(hit.get("id")) if isinstance(hit, dict) else "a hit", _why(error)))
        return page

    def _hand_over(self, photo: Photo) -> Picture | None:
        self.counts["found"] += 1
        if not self._wanted(photo.height, photo.width):
            return self._miss("screened", photo.id, f"{photo.height} x {photo.width} pixels")
        path = self._folder / f"{photo.id}.jpg"
        if not path.exists():
            try:
                self._fetch(photo, path)
            except requests.RequestException as error:
                self._give_up_without_network(error)
                return self._miss("failed", photo.id, f"{_why(error)}; the next run tries again")
        return Picture(str(path), self.name, self.licence, photo.author, str(photo.page), photo.caption)

    def _miss(self, kind: str, name: str, reason: str) -> None:
        self.counts[kind] += 1
        self._report(Missed(kind, self.name, name, reason))

    def _give_up_without_network(self, error: requests.RequestException) -> None:
        down = isinstance(error, requests.ConnectionError | requests.Timeout)
        self._unreachable = self._unreachable + 1 if down else 0
        if self._unreachable == PATIENCE:
            raise SourceError(f"{self.name}: {PATIENCE} pictures in a row without a connection: run again later")

    def _fetch(self, photo: Photo, path: Path) -> None:
        if photo.announce:
            self._api.ask(photo.announce)  # its guidelines want to hear of each download
        part = path.with_name(f"{path.name}.part")
        try:
            digest = self._stream(str(photo.url), part)
            write_bytes_atomically(path.with_suffix(".json"), self._sidecar(photo, digest))
            os.replace(part, path)  # last: a picture that is there has its sidecar
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DiskFull(f"no room for {path}: free some space there and rerun, it goes on here") from error
        finally:
            part.unlink(missing_ok=True)
        self._unreachable = 0
        self.counts["downloaded"] += 1

    def _stream(self, url: str, part: Path) -> str:
        """Download to `part` and give its SHA-256."""
        attempt = 1
        while True:
            try:
                return self._stream_once(url, part)
            except (requests.exceptions.ChunkedEncodingError, requests.ConnectionError, requests.Timeout):
                if attempt == ATTEMPTS:
                    raise
                attempt += 1

    def _stream_once(self, url: str, part: Path) -> str:
        digest = hashlib.sha256()
        with self._api.session.get(url, stream=True, timeout=TIMEOUT) as response:  # unsigned: this is another host
            response.raise_for_status()
            if response.headers.get("Content-Type", "").startswith(TEXTS):
                raise requests.RequestException("a text instead of a picture")
            with open(part, "wb") as file:
                for chunk in response.iter_content(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        return digest.hexdigest()

    def _sidecar(self, photo: Photo, digest: str) -> bytes:
        facts = {"site": self.name, "licence": self.licence, "photographer": photo.author, "sha256": digest}
        facts |= photo.model_dump(mode="json", include={"id", "page", "height", "width", "caption"})
        return json.dumps(facts, indent=1, ensure_ascii=False).encode()


class Pexels(PhotoSite):
    """https://www.pexels.com/api/documentation"""

    name, licence, variable, authorization = "Pexels", "Pexels licence", "PEXELS_API_KEY", "{key}"
    api, search, most_per_page = "https://api.pexels.com", "/v1/search", 80

    def _read_page(self, reply: dict, number: int) -> tuple[list, int, bool]:
        return list(reply["photos"]), reply.get("total_results", 0), not reply.get("next_page")

    def _read_hit(self, hit: dict) -> dict:
        return {
            "id": str(hit["id"]), "height": hit["height"], "width": hit["width"], "author": hit["photographer"],
            "page": hit["url"], "url": hit["src"]["original"], "announce": "", "caption": hit.get("alt") or "",
        }


class Unsplash(PhotoSite):
    """https://unsplash.com/documentation"""

    name, licence, variable = "Unsplash", "Unsplash licence", "UNSPLASH_ACCESS_KEY"
    authorization = "Client-ID {key}"
    api, search, most_per_page = "https://api.unsplash.com", "/search/photos", 30

    def _read_page(self, reply: dict, number: int) -> tuple[list, int, bool]:
        return list(reply["results"]), reply.get("total", 0), number >= reply.get("total_pages", 0)

    def _read_hit(self, hit: dict) -> dict:
        return {
            "id": str(hit["id"]), "height": hit["height"], "width": hit["width"], "author": hit["user"]["name"],
            "page": hit["links"]["html"], "url": hit["urls"].get("raw") or hit["urls"]["full"],
            "announce": hit["links"]["download_location"], "caption": hit.get("alt_description") or "",
        }


def _why(error: Exception) -> str:
    """In a few words, on one line."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.ConnectionError):  # its text is a chain of object names
        return type(error).__name__
    if isinstance(error, requests.RequestException):
        return " ".join(str(error).split())[:200]
    return f"not of the documented form: {error}"

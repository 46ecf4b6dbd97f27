"""Signed requests to the API of a photo site: retries, Retry-After and the site's quota are seen to."""

import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from pixverve_lib.curation.sources import SourceError

TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
LONGEST_WAIT = 3700  # seconds; quotas are by the hour, and Pexels' monthly one is not worth waiting for


class PhotoApi:
    """The API at `base`. The key in the environment `variable` is sent there and nowhere else, and never shown.

    authorization: the header with `{key}` in it. Raises SourceError without a key.
    """

    def __init__(self, name: str, base: str, variable: str, authorization: str, sleep: Callable[[float], None]) -> None:
        self.name, self.base, self._variable, self._sleep = name, base.rstrip("/"), variable, sleep
        self._authorization = authorization.format(key=_read_key(name, variable))
        self._free_at = 0.0  # epoch seconds; 0 while there is quota left
        self.session = _make_session()

    def ask(self, url: str, **params: str | int) -> requests.Response:
        """One signed request, within the quota: waits up to an hour for a new one.

        Raises SourceError when the key is refused or the quota stays used up for longer, else requests' own exceptions.
        """
        if not url.startswith(f"{self.base}/"):
            raise requests.RequestException("an address that is not the API's gets no key")
        for _ in range(2):  # a second time if only the quota was in the way
            self._wait_for_quota()
            response = self.session.get(url, params=params, auth=self._sign, timeout=TIMEOUT)
            self._note_quota(response.headers)
            if response.status_code not in (403, 429) or not self._free_at:
                break
        if response.status_code == 401:
            raise SourceError(f"{self.name} refused the key: check {self._variable}")
        response.raise_for_status()
        return response

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update({"Authorization": self._authorization, "Accept-Version": "v1"})
        return request

    def _note_quota(self, headers: requests.structures.CaseInsensitiveDict) -> None:
        reset = headers.get("X-Ratelimit-Reset", "")
        an_hour_from_now = time.time() + 3600  # Unsplash tells no reset; its quota is by the hour
        used_up = headers.get("X-Ratelimit-Remaining") == "0"
        self._free_at = (float(reset) if reset.isdecimal() else an_hour_from_now) if used_up else 0.0

    def _wait_for_quota(self) -> None:
        wait = self._free_at - time.time() + 1
        if wait <= 0:
            return
        if wait > LONGEST_WAIT:
            days = f"{wait / 86400:.1f} days"
            raise SourceError(f"{self.name}: the quota is used up for {days}: run again then, it goes on here")
        until = datetime.fromtimestamp(self._free_at, UTC).strftime("%H:%M UTC")
        tqdm.write(f"{self.name}: the quota is used up, waiting {wait:.0f} s until {until}")
        self._sleep(wait)
        self._free_at = 0.0


def _read_key(name: str, variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SourceError(f"{name} needs an API key (free, from the site's page for developers): set {variable} to it")
    if not re.fullmatch(r"[!-~]+", key):  # requests would print the key when it complains
        raise SourceError(f"{variable} holds characters that no key has: set it again, without spaces or line ends")
    return key


def _make_session() -> requests.Session:
    retry = Retry(
        total=5, backoff_factor=1, backoff_max=60, retry_after_max=600, status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session

"""ODTSR, the paper's up-scaler (Sec. 3.1.3): a prompt-guided one-step model of 20 B parameters on Qwen-Image.

On a server, `odtsr:https://host/path`: one POST a tile, retried with growing pauses on 429, 5xx and time-outs.
    request    {"image": PNG in base64, "scale": 4, "prompt": "..."}, with `Authorization: Bearer KEY` if
               PIXVERVE_ODTSR_KEY is set
    reply      {"image": PNG in base64}, scale times the tile

From a checkout of its repository, `odtsr:/folder`: one process a tile, which loads the model anew: for a trial, not for
a pool. Its script has a prompt of its own, so that ours is used by servers only. Settings are environment variables:
    qwen_path                  ODTSR's own: the folder of Qwen-Image
    PIXVERVE_ODTSR_WEIGHTS     the trained weights
    PIXVERVE_ODTSR_PYTHON      the Python of its environment; without it, `python`

ODTSR itself works in tiles of 512 pixels with a stride of 384: the stride of Sec. 3.1.4.
"""
import base64
import binascii
import os
import re
import subprocess
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import cv2
import numpy as np
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from pixverve_lib.models.upscalers import UpscalerMissing

QWEN_IMAGE = "qwen_path"  # the variable that the script reads
SCRIPT = Path("examples/qwen_image/test_sr.py")  # of the repository, as of 2026-02
COLOUR_FIX = "wavelet"  # as in the repository's examples/qwen_image/test_gan.sh
RETRIES, PAUSE, TIMEOUT = 5, 1.0, 300.0  # pauses of 1, 2, 4 ... seconds; a tile on one GPU takes seconds
PROCESS_TIMEOUT = 1800.0  # seconds; 20 B parameters are read from disk first
RETRIED = (429, 500, 502, 503, 504)
HOW_TO_GET = ("ODTSR is not set up: name a server (odtsr:https://...), or clone github.com/RedMediaTech/ODTSR (needs "
              "40 GB of GPU memory), let qwen_path and PIXVERVE_ODTSR_WEIGHTS name Qwen/Qwen-Image and the file of "
              "double8fun/ODTSR from the hub, and name the clone (odtsr:/folder)")


class UpscalingFailed(RuntimeError):
    """A server or a checkout that gave no tile; one line, never with a key."""


@dataclass(frozen=True)
class Server:
    """ODTSR behind an address.  pause, timeout: seconds."""

    url: str = field(repr=False)  # may hold a password
    key: str = field(repr=False, default="")
    retries: int = RETRIES
    pause: float = PAUSE
    timeout: float = TIMEOUT
    name = "odtsr"
    margin = 0  # tiles of 512 pixels are what it was trained on

    def __call__(self, tile, scale, prompt=""):
        request = {"image": base64.b64encode(_png(tile)).decode(), "scale": scale, "prompt": prompt}
        try:
            reply = self._post(request)
            data = base64.b64decode(reply.json()["image"], validate=True)
        except requests.exceptions.JSONDecodeError:
            raise self._failure("the reply is no JSON") from None
        except requests.RequestException as error:
            raise self._failure(_reason(error)) from None
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise self._failure('the reply has no "image" in base64') from None
        return _decoded(data, tile, scale, self._failure)

    def _post(self, request):
        retry = Retry(self.retries, status_forcelist=RETRIED, allowed_methods={"POST"}, backoff_factor=self.pause)
        with requests.Session() as session:
            session.mount(self.url, HTTPAdapter(max_retries=retry))
            reply = session.post(self.url, json=request, auth=self._signed, timeout=self.timeout,
                                 allow_redirects=False)
        if reply.status_code != HTTPStatus.OK:
            raise self._failure(f"it answers {reply.status_code}")
        return reply

    def _signed(self, request):
        """As `auth`, so that no .netrc takes its place."""
        if self.key:
            request.headers["Authorization"] = f"Bearer {self.key}"
        return request

    def _failure(self, why):
        return UpscalingFailed(f"odtsr at {urlsplit(self.url).hostname}: {why}")


@dataclass(frozen=True)
class Checkout:
    """ODTSR's own script in a clone of its repository, one process a tile."""

    folder: Path
    weights: Path
    python: str = "python"
    name = "odtsr"
    margin = 0

    def __call__(self, tile, scale, prompt=""):
        with TemporaryDirectory() as work:
            given, made = Path(work, "in"), Path(work, "out")
            given.mkdir()
            (given / "tile.png").write_bytes(_png(tile))
            self._run("--input_path", given, "--output_path", made, "--trained_ckpt", self.weights, "--scale", scale,
                      "--align_method", COLOUR_FIX)
            result = made / "tile.png"
            if not result.is_file():
                raise self._failure("its script ended without a picture")
            return _decoded(result.read_bytes(), tile, scale, self._failure)

    def _run(self, *arguments):
        """Raises UpscalingFailed with the last line of what the script said."""
        environment = {name: value for name, value in os.environ.items() if name != "PIXVERVE_ODTSR_KEY"}
        try:
            done = subprocess.run([self.python, str(SCRIPT), *map(str, arguments)], cwd=self.folder, env=environment,
                                  capture_output=True, text=True, errors="replace", timeout=PROCESS_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise self._failure(f"not done after {PROCESS_TIMEOUT:.0f} s") from None
        except OSError as error:
            raise self._failure(f"{self.python} does not start: {error.strerror}") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise self._failure(f"its script ended with {done.returncode}: {last[:200]}")

    def _failure(self, why):
        return UpscalingFailed(f"odtsr in {self.folder}: {why}")


def load(where: str) -> Server | Checkout:
    """The up-scaler at a server's address or in a checkout.  Raises UpscalerMissing, which says how to get it."""
    if re.match(r"https?://", where):
        return Server(where, _key())
    folder = Path(where).expanduser()
    weights = Path(os.environ.get("PIXVERVE_ODTSR_WEIGHTS", "")).expanduser()
    if not where or not (folder / SCRIPT).is_file() or not weights.is_file() or not os.environ.get(QWEN_IMAGE):
        raise UpscalerMissing(HOW_TO_GET)
    return Checkout(folder.resolve(), weights.resolve(), os.environ.get("PIXVERVE_ODTSR_PYTHON", "python"))


def _key():
    key = os.environ.get("PIXVERVE_ODTSR_KEY", "").strip()
    if not re.fullmatch(r"[!-~]*", key):  # the HTTP client would print it
        raise UpscalerMissing("PIXVERVE_ODTSR_KEY holds characters that no key has: set it again, without spaces in it")
    return key


def _reason(error):
    """What went wrong, in words without the address: it may hold a password."""
    if isinstance(error, requests.exceptions.RetryError):
        return f"it answered 429 or 5xx {RETRIES + 1} times"
    return "no answer in time" if "timed out" in str(error).lower() else "no connection"


def _png(tile):
    return cv2.imencode(".png", cv2.cvtColor(tile, cv2.COLOR_RGB2BGR))[1].tobytes()


def _decoded(data, tile, scale, failure):
    """The tile in a PNG.  Raises failure(why) if it is none, or of another size."""
    larger = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if larger is None:
        raise failure("what came back is no picture")
    wanted = (scale * tile.shape[0], scale * tile.shape[1])
    if larger.shape[:2] != wanted:
        raise failure(f"what came back is {larger.shape[0]} x {larger.shape[1]}, not {wanted[0]} x {wanted[1]}")
    return cv2.cvtColor(larger, cv2.COLOR_BGR2RGB).astype(np.float32)

"""A page on this machine that collects the votes of one annotator (Sec. F.4), without a network.

    python -m pixverve_lib.bench.voting --design design.csv --pictures folder --annotator NAME --votes votes.jsonl

The browser learns numbers, texts and pixels, never which model drew what. (Files are sent as they are: a picture whose
own metadata names its model still does so to somebody who saves it and looks.) Votes are kept as ballots.py says.
"""
import argparse
import json
import mimetypes
import os
import secrets
import shutil
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from pixverve_lib.bench import ballots, preferences

PAGE = Path(__file__).with_name("voting.html")
HOST = "127.0.0.1"  # nobody else in the network gets in
PORT = 8008
LONGEST = 10_000  # bytes of a request; a vote has a hundred
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'; script-src 'nonce-{nonce}'; "
                               "style-src 'nonce-{nonce}'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
}


class _Handler(BaseHTTPRequestHandler):
    """Everything but the page itself lies under /<token>/, which is new at every start."""

    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds a silent connection is kept

    def log_message(self, *_):
        pass

    def do_GET(self):
        match self._path():
            case []:
                self._send_page()
            case ["state"]:
                self._send_json(self.server.study.state())
            case ["picture", order, side]:
                self._send_picture(order, side)
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self):
        study, body = self.server.study, self._body()
        try:
            with study.lock:
                match self._path():
                    case ["vote"]:
                        study.vote(body["order"], body["question"], body["choice"])
                    case ["undo"]:
                        study.undo()
                    case _:
                        return self.send_error(HTTPStatus.NOT_FOUND)
                return self._send_json(study.state())
        except (KeyError, TypeError, ValueError):
            return self.send_error(HTTPStatus.BAD_REQUEST)
        except OSError as error:
            print(f"a vote could not be written: {error.strerror}", file=sys.stderr)
            return self.send_error(HTTPStatus.INSUFFICIENT_STORAGE)

    def _path(self):
        """Parts of the path behind the token; [] for the page, None for what a stranger or another site asks."""
        own = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in own:  # another site's name that was made to point here
            return None
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts == [""]:
            return []
        return parts[1:] if secrets.compare_digest(parts[0].encode(), self.server.token.encode()) else None

    def _body(self):
        """The JSON object of a request, {} for anything else: other sites' forms cannot send this content type."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Content-Type") != "application/json" or not length.isdecimal() or int(length) > LONGEST:
            self.close_connection = True  # what follows was not read
            return {}
        try:
            found = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _send_page(self):
        nonce = secrets.token_urlsafe(16)
        page = PAGE.read_text("utf8").replace("{nonce}", nonce).replace("{token}", self.server.token)
        self._head("text/html; charset=utf-8", len(page.encode()), "no-store", nonce)
        self.wfile.write(page.encode())

    def _send_json(self, found):
        data = json.dumps(found).encode()
        self._head("application/json", len(data), "no-store")
        self.wfile.write(data)

    def _send_picture(self, order, side):
        try:
            path = self.server.study.picture(int(order), side)
            file = path.open("rb")
        except (LookupError, ValueError, OSError):
            return self.send_error(HTTPStatus.NOT_FOUND)
        with file:
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            self._head(kind, os.fstat(file.fileno()).st_size, "private, max-age=86400")
            return shutil.copyfileobj(file, self.wfile)

    def _head(self, kind, length, cache, nonce=""):
        self.send_response(HTTPStatus.OK)
        for name, value in HEADERS.items():
            self.send_header(name, value.format(nonce=nonce))
        for name, value in (("Content-Type", kind), ("Content-Length", length), ("Cache-Control", cache)):
            self.send_header(name, str(value))
        self.end_headers()


class Server(ThreadingHTTPServer):
    """Serves one Study at HOST."""

    daemon_threads = True

    def __init__(self, study, port=PORT):
        self.study, self.token = study, secrets.token_urlsafe(12)
        super().__init__((HOST, port), _Handler)

    @property
    def address(self):
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):  # a closed page is no error
            super().handle_error(request, client_address)


def main(arguments=None):
    """Command line. Returns 0, or 2 with one line when the page cannot start."""
    parser = argparse.ArgumentParser(prog="python -m pixverve_lib.bench.voting", description=__doc__.split("\n")[0])
    parser.add_argument("--design", required=True, help="CSV that preferences.design(...).to_csv wrote")
    parser.add_argument("--pictures", required=True, help="folder in which the design's pictures lie")
    parser.add_argument("--annotator", required=True, help="who votes, as named in the design")
    parser.add_argument("--votes", required=True, help="file that votes are added to, JSON lines")
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT} unless told; 0 takes any free one")
    given = parser.parse_args(arguments)
    try:
        server = Server(ballots.study(given.design, given.pictures, given.annotator, given.votes), given.port)
    except (ballots.CannotVote, preferences.ImpossibleDesign) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"port {given.port}: {error.strerror}; name another one with --port", file=sys.stderr)
        return 2
    print(f"Open {server.address} in a browser. Votes go to {given.votes}; Ctrl-C ends this, the same command resumes.",
          flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nstopped; every vote is in the file")
    return 0


if __name__ == "__main__":
    sys.exit(main())

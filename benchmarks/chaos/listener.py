"""A small local server that steps ask and tell: it keeps what it was told, and loses answers when it shall."""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: that callers go away in the middle is what the campaign is for."""


class Listener:
    """``POST`` of ``{"mark": …}`` is heard and counted; ``GET /<mark>`` says whether the mark is ready.

    :param lost: by mark how many answers are lost: a POST is then heard, and its connection closed without an answer;
        a GET is answered with 503.
    """

    def __init__(self, lost: Mapping[str, int]) -> None:
        self.heard: Counter[str] = Counter()
        """How often each mark was told."""
        self.unanswered: Counter[str] = Counter()
        """How often of these whoever told it got no answer."""
        self.ready: Counter[str] = Counter()
        """How often each mark was asked for and found ready."""
        self._lost = dict(lost)
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if outer.hear(str(json.loads(body)["mark"])):
                    self._answer(200)
                else:
                    self.close_connection = True

            def do_GET(self) -> None:
                self._answer(200 if outer.ask(self.path.strip("/")) else 503)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def hear(self, mark: str) -> bool:
        """Keep that a mark was told; False where nobody is to get an answer."""
        with self._lock:
            self.heard[mark] += 1
            if self._takes(mark):
                self.unanswered[mark] += 1
                return False
            return True

    def ask(self, mark: str) -> bool:
        """Say whether a mark is ready."""
        with self._lock:
            if self._takes(mark):
                return False
            self.ready[mark] += 1
            return True

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()

    def _takes(self, mark: str) -> bool:
        left = self._lost.get(mark, 0)
        self._lost[mark] = max(left - 1, 0)
        return left > 0


def lost_answers(marks: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return what a :class:`Listener` is given, of marks with how many answers each loses."""
    return {mark: lost for mark, lost in marks if lost}

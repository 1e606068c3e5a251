"""What steps talk to in tests: an HTTP endpoint that says what a test wants, and ports that never answer."""

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers what the test wants, and remembers what it was told."""

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.heard.append((self.command, self.path, dict(self.headers), body))
        status, text = self.server.answers.get(self.path, (404, "nothing here"))
        if status is None:
            return  # hangs up without an answer
        if text is None:
            self.server.closing.wait(60)  # hangs
            return
        if text == "echo":
            text = json.dumps(dict(self.headers))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def open_endpoint() -> Iterator[http.server.ThreadingHTTPServer]:
    """An endpoint on this machine: ``answers`` by path, ``heard`` as method, path, headers, body.

    A status of None hangs up, a text of None never answers.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.daemon_threads = True
    server.heard, server.answers, server.closing = [], {}, threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue is full: Linux drops what else wants to connect, which looks like a firewall."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]

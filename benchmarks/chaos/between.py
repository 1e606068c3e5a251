"""A stand between Airflow and the simulator that kills the process whose call it has just let through.

The service has done what it was asked; the caller dies before it hears of it. Whose call it is says the access key of
its signature, which process it came from says the kernel.
"""

import http.client
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_KEY = re.compile(r"Credential=([^/,]+)/")
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: that callers go away in the middle is what this is for."""


class Between:
    """Forwards every call, counts those of task processes by access key, and kills the caller of the chosen one.

    :param target: address of the simulator.
    :param kill_at: access key → number of the call (from 1) whose caller dies, or the operation of DRS whose first call
        it is; a key that is absent is left alone.
    :param tasks: the process ids of tasks now; calls of others (the triggerer) are forwarded and not counted.
    """

    def __init__(self, target: str, kill_at: dict[str, int | str], tasks: Callable[[], Iterable[int]]) -> None:
        self.kill_at, self.tasks = kill_at, tasks
        self.counted: dict[str, int] = {}
        self.killed: dict[str, str] = {}
        self._host = urlsplit(target).netloc
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.forward(self)

            do_GET = do_PUT = do_DELETE = do_PATCH = do_POST  # noqa: N815  (http.server's names)

            def log_message(self, *_: object) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where Airflow is to send its calls."""
        return f"http://127.0.0.1:{self.port}"

    def point_at(self, target: str) -> None:
        """Forward to this address from now on."""
        self._host = urlsplit(target).netloc

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()

    def forward(self, asked: BaseHTTPRequestHandler) -> None:
        """Let a call through; then kill its process, or give it the answer."""
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(self._host, timeout=60)
        connection.request(asked.command, asked.path, body=body, headers=dict(asked.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if self._kill(asked):
            asked.close_connection = True
            return
        with suppress(OSError):
            asked.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    asked.send_header(name, value)
            asked.send_header("Content-Length", str(len(content)))
            asked.end_headers()
            asked.wfile.write(content)

    def _kill(self, asked: BaseHTTPRequestHandler) -> bool:
        signed = _KEY.search(asked.headers.get("Authorization", ""))
        key = signed.group(1) if signed else ""
        if key not in self.kill_at:
            return False
        caller = owner_of(asked.client_address[1], self.tasks())
        if caller is None:
            return False
        with self._lock:
            self.counted[key] = number = self.counted.get(key, 0) + 1
            chosen = self.kill_at[key]
            is_it = (
                number == chosen if isinstance(chosen, int) else asked.path == f"/{chosen}" and key not in self.killed
            )
            if not is_it:
                return False
            what = asked.headers.get("X-Amz-Target") or f"{asked.command} {asked.path}"
            self.killed[key] = f"call {number}, {what}"
        with suppress(ProcessLookupError):
            os.kill(caller, signal.SIGKILL)
        return True


def owner_of(port: int, candidates: Iterable[int]) -> int | None:
    """Return which of these processes holds the near end of a TCP connection from a local port; None: none of them."""
    inode = _inode_of(port)
    for pid in candidates if inode else ():
        with suppress(OSError):
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    if str(handle.readlink()) == f"socket:[{inode}]":
                        return pid
    return None


def _inode_of(port: int) -> str | None:
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0":
            return fields[9]
    return None

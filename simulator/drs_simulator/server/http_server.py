"""A small threaded HTTP/1.1 server with keep-alive: werkzeug's own closes the connection after every answer."""

import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from drs_simulator.errors import ConnectionDropped
from drs_simulator.protocol.wire import Reply

Answer = Callable[[str, str, dict[str, str], bytes], Reply]
"""(method, raw path with query, headers, body) → Reply. Raises ConnectionDropped to say nothing at all."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this the kernel holds back the body of an answer until the header's packet is acknowledged.
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: "SimulatorServer"

    def _serve(self) -> None:
        try:
            body = self._body()
        except ValueError:
            self.close_connection = True
            self.send_error(400, "the body's length cannot be read")
            return
        try:
            reply = self.server.answer(self.command, self.path, dict(self.headers.items()), body)
        except ConnectionDropped:
            self._hang_up()
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "status", "server", "date"}:
                self.send_header(name, value)
        has_body = self.command != "HEAD" and reply.status not in {204, 304}
        if has_body:
            self.send_header("Content-Length", str(len(reply.body)))
        elif self.command == "HEAD" and "Content-Length" in reply.headers:
            self.send_header("Content-Length", reply.headers["Content-Length"])
        self.end_headers()
        if has_body:
            self.wfile.write(reply.body)
        self.wfile.flush()

    # The base class looks its methods up under these names.
    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve  # noqa: N815 - see above

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _hang_up(self) -> None:
        """Reset the connection: the caller sees neither an answer nor a clean end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle_expect_100(self) -> bool:
        """Let the caller send its body at once: the answer must not wait in our buffer."""
        answered = super().handle_expect_100()
        self.wfile.flush()
        return answered

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing: the call log has it all."""

    def handle_one_request(self) -> None:
        """Serve one request; a peer that went away is no error of ours."""
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True


class SimulatorServer(ThreadingHTTPServer):
    """Listens at once; serves when `serve_forever` runs."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, host: str, port: int, answer: Answer) -> None:
        self.answer = answer
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where it is reached."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave a broken connection alone."""

"""Receivers of notifications on this machine: a webhook that keeps what it is sent, and a mail server."""

import json
import socketserver
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WebhookReceiver:
    """Keeps the requests it gets; answers with the statuses of ``answers`` in turn, then with 200.

    An answer of None hangs until the receiver is closed.
    """

    def __init__(self, answers=()):
        self.requests: list[tuple[Any, bytes]] = []
        self.answers = list(answers)
        self.closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.headers, body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status is None:
                    receiver.closing.wait(60)
                    return
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_port

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.requests]

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class MailReceiver:
    """A mail server that takes everything; ``mails`` are ``(addresses, message)``."""

    def __init__(self):
        self.mails: list[tuple[list[str], Any]] = []
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self._say("220 mail.example ready")
                addresses = []
                while line := self.rfile.readline():
                    word = line.split(b" ")[0].strip().upper()
                    if word == b"RCPT":
                        addresses.append(line.split(b"<")[1].split(b">")[0].decode())
                    if word == b"DATA":
                        self._say("354 go on")
                        message = b""
                        while (line := self.rfile.readline()) != b".\r\n":
                            message += line
                        receiver.mails.append((addresses, message_from_bytes(message, policy=policy.default)))
                        addresses = []
                    if word == b"EHLO":
                        self._say("250-mail.example")
                        self._say("250-AUTH PLAIN")
                    if word == b"AUTH":
                        self._say("235 come in")
                        continue
                    if word == b"QUIT":
                        self._say("221 bye")
                        return
                    self._say("250 ok")

            def _say(self, line):
                self.wfile.write(f"{line}\r\n".encode())

        socketserver.ThreadingTCPServer.daemon_threads = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def html_of(message) -> str:
    """The HTML of a mail."""
    return next(part.get_content() for part in message.walk() if part.get_content_type() == "text/html")

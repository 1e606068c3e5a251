"""A headless Chromium that a test drives as a person would: it opens pages, clicks, types, and takes pictures.

It speaks the browser's own protocol over its socket: no driver has to be installed. Whatever the pages ask for
and whatever they complain of is kept.
"""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 60.0
"""Seconds in which something appears that a person waits for."""


@dataclass
class Tab:
    """One tab. ``asked``: every address that was asked for; ``complaints``: errors of scripts, and of the console."""

    socket: object
    asked: list = field(default_factory=list)
    complaints: list = field(default_factory=list)
    numbers: Iterator = field(default_factory=lambda: count(1))

    def call(self, method, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._hear(message)

    def _hear(self, message):
        told = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(told["exceptionDetails"].get("exception", {}).get("description") or str(told))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            case "Runtime.consoleAPICalled" if told["type"] == "error":
                self.complaints.append(" ".join(str(each.get("value")) for each in told["args"]))

    def run(self, script):
        """Run a script in the page, and return what it gives."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, (script, found["exceptionDetails"])
        return found["result"].get("value")

    def go(self, address):
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def until(self, script, seconds=PATIENCE):
        """Wait until a script gives something true, such as an element."""
        give_up = time.monotonic() + seconds
        while True:
            try:
                if self.run(f"Boolean({script})"):
                    return
            except AssertionError:  # the page was just exchanged
                if time.monotonic() > give_up:
                    raise
            assert time.monotonic() < give_up, (
                f"not so after {seconds} s: {script}\n{self.run('document.body.innerText')}"
            )
            time.sleep(0.1)

    def sees(self, text, seconds=PATIENCE):
        self.until(f"document.body.innerText.includes({json.dumps(text)})", seconds)

    def click(self, selector, text=None):
        """Click the first element of a selector, or the one that shows a text, once it is there."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        if text is not None:
            found += f".filter((each) => each.textContent.includes({json.dumps(text)}))"
        self.until(f"{found}.length > 0")
        self.run(f"{found}[0].click()")

    def type(self, selector, text):
        self.until(f"document.querySelector({json.dumps(selector)})")
        self.run(
            f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.value = {json.dumps(text)};"
            "field.dispatchEvent(new Event('input', {bubbles: true}));"
            "field.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def look(self, *, width=1400, height=900, dark=False):
        """Set the size of the window, and whether the person likes it dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        value = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def picture(self, path: Path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def sign_in(self, address, token):
        """Give the browser a person's login, as Airflow's own sign-in page does."""
        self.call("Network.setCookie", name="_token", value=token, url=address, httpOnly=True)

    def foreign(self, address):
        """What was asked of others than the server."""
        own = urlsplit(address).netloc
        return [url for url in self.asked if urlsplit(url).scheme.startswith("http") and urlsplit(url).netloc != own]


@contextmanager
def chrome(profile: Path) -> Iterator[Tab]:
    """Start a browser with one tab; it ends with its files."""
    process = subprocess.Popen(
        [
            CHROMIUM,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--disable-dev-shm-usage", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        place = profile / "DevToolsActivePort"
        give_up = time.monotonic() + PATIENCE
        while not place.exists() or not place.read_text().count("\n"):
            assert time.monotonic() < give_up, "Chromium does not start"
            time.sleep(0.05)
        port = place.read_text().splitlines()[0]
        pages = httpx.get(f"http://127.0.0.1:{port}/json", trust_env=False).json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(address, max_size=None, proxy=None) as socket:
            tab = Tab(socket)
            for domain in ("Page", "Runtime", "Network", "Log"):
                tab.call(f"{domain}.enable")
            yield tab
    finally:
        process.terminate()
        process.wait(20)

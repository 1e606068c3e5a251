"""A page of the console in a frame with the sandbox that Airflow gives it, and a person who does something with it."""

import html
import re

from fastapi.responses import HTMLResponse
from kit.browser import page_after_scripts, serving

FRAME = """<!doctype html><title>outside</title><pre id="log"></pre>
<iframe id="frame" sandbox="allow-scripts allow-same-origin allow-forms allow-downloads" src="PATH"></iframe>
<script>
const log = (text) => { document.getElementById("log").textContent += `${text}\\n`; };
const page = () => document.getElementById("frame").contentDocument;
const until = async (what) => { for (let i = 0; i < 4000; i++) {
  try { const found = what(); if (found) return found; } catch {}
  await new Promise((go) => setTimeout(go, 10)); } log(`never: ${what}`); throw new Error("never"); };
const named = (words) => [...page().querySelectorAll("button")].find((button) => button.textContent === words);
const press = (words) => until(() => named(words)).then((button) => button.click());
const field = (id) => page().getElementById(id);
const type = (id, text) => { field(id).value = text; field(id).dispatchEvent(new Event("input")); };
const said = () => page().getElementById("said").textContent;
(async () => { STEPS })().catch((error) => log(`failed: ${error}`)).finally(() => log("done"));
</script>"""


def driven(console, tmp_path, path, steps, *, milliseconds=8000):
    """The lines that a person's steps on a page in a frame leave."""
    return driven_app(console.client().app, tmp_path, path, steps, milliseconds=milliseconds)


def driven_app(app, tmp_path, path, steps, *, milliseconds=8000):
    """The same for any app."""
    app.get("/frame")(lambda: HTMLResponse(FRAME.replace("PATH", path).replace("STEPS", steps)))
    with serving(app) as address:
        shown = page_after_scripts(f"{address}/frame", tmp_path / "browser", milliseconds=milliseconds)
    assert "<title>outside</title>" in shown
    lines = html.unescape(re.search(r'<pre id="log">(.*?)</pre>', shown, re.DOTALL)[1]).splitlines()
    assert lines[-1] == "done", lines
    return lines[:-1]

"""Shows a page in Chromium, lets axe look at it, and gives what it found.

Only the script of axe is taken from the package that brings it; nothing of Playwright is used.
"""

from __future__ import annotations

import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import axe_playwright_python

from tests.programs import require_chromium

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DEADLINE_SECONDS = 120
# Why axe leaves a contrast open: the letters are scrolled out of sight, stand within a picture, or
# are a single one, as a figure may be. Their colours are those of other letters, which it measures.
UNMEASURED = ["elmPartiallyObscured", "imgNode", "shortTextContent"]
_RUN = """
const isUnmeasured = node => node.any.every(one => UNMEASURED.includes(one.data?.messageKey));
const unsure = report => report.incomplete.map(each => {
  const isContrast = each.id === "color-contrast";
  return {...each, nodes: each.nodes.filter(node => !isContrast || !isUnmeasured(node))};
}).filter(each => each.nodes.length);
addEventListener("load", async () => {
  let found;
  try {
    const report = await axe.run(document, {runOnly: RULES});
    found = {
      passes: report.passes.length,
      violations: report.violations.concat(unsure(report)).map(each => ({
        rule: each.id,
        why: each.nodes.flatMap(node => node.any.map(one => one.message)).concat(each.help),
        where: each.nodes.map(node => node.html.slice(0, 200)),
      })),
      dark: matchMedia("(prefers-color-scheme: dark)").matches,
      overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    };
  } catch (error) { found = {error: String(error)}; }
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
});
"""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
)


def look_at(page: str, *, dark: bool = False, width: int = 1000) -> dict[str, Any]:
    """What axe says of the page: `passes` (a number), `violations`, with what it was unsure of but
    the contrast of letters that it could not see (`UNMEASURED`).

    Also `dark` and `overflow`, by how many pixels the page is wider than the window. `page` must
    have no policy against scripts, and a `</head>`. Raises queue.Empty after two minutes.
    """
    run = f"const RULES = {json.dumps(RULES)}, UNMEASURED = {json.dumps(UNMEASURED)};{_RUN}"
    script = f"<script>{AXE}</script><script>{run}</script>"
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    with (
        _served(page.replace("</head>", f"{script}</head>", 1), answers) as url,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
    ):
        colours = ["--blink-settings=preferredColorScheme=0"] if dark else []
        command = [
            require_chromium(),
            *_FLAGS,
            *colours,
            f"--window-size={width},1200",
            f"--user-data-dir={folder}",
            "--remote-debugging-port=0",  # keeps a headless browser open
            url,
        ]
        browser = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            found = answers.get(timeout=DEADLINE_SECONDS)
        finally:
            browser.kill()
            browser.wait()
    assert "error" not in found, found
    return found


@contextmanager
def _served(page: str, answers: queue.Queue[dict[str, Any]]) -> Iterator[str]:
    content = page.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(content if self.path == "/" else b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            answers.put(json.loads(body))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()

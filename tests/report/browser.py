"""A headless Chromium that a test speaks to, by its DevTools protocol."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECONDS = 120
CHROMIUM = shutil.which("chromium")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-quic"]
OPTIONS += ["--remote-debugging-port=0", "--remote-allow-origins=*", "--window-size=1200,900"]


class Browser:
    """One tab of a browser.

    Attributes:
        said: what came without being asked for: (method, parameters).
    """

    def __init__(self, socket: Any) -> None:
        self.socket, self.number, self.said = socket, 0, []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.said.append((message["method"], message["params"]))

    def open(self, path: Path) -> None:
        """Opens a file and waits until its maps are drawn."""
        self.said.clear()
        self.ask("Page.navigate", url=path.as_uri())
        self.until("document.documentElement?.dataset.atlas === 'drawn'")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives, a promise's result if it is one."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + SECONDS
        while not self.value(condition):
            assert time.monotonic() < end, f"never: {condition}"
            time.sleep(0.02)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Presses a key, as a reader does who has no mouse."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code={" ": "Space"}.get(key, key),
                windowsVirtualKeyCode=code,
                **more,
            )

    @property
    def complaints(self) -> list[Any]:
        """Errors and warnings of the console, and scripts that failed."""
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [message for message in self.said if message[0] in kinds]

    @property
    def requests(self) -> list[str]:
        """Addresses asked for, but those within the page."""
        sent = [said["request"]["url"] for kind, said in self.said if kind.endswith("WillBeSent")]
        return [url for url in sent if not url.startswith(("data:", "blob:"))]


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a new profile in a folder; a test that has none is skipped."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    websocket = pytest.importorskip("websocket", reason="websocket-client is not installed")
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = folder / "DevToolsActivePort"
        end = time.monotonic() + SECONDS
        while not (port.exists() and "\n" in port.read_text()):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        address = f"http://127.0.0.1:{port.read_text().split()[0]}/json/list"
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            [tab] = [tab for tab in json.load(answer) if tab["type"] == "page"]
        socket = websocket.create_connection(tab["webSocketDebuggerUrl"], timeout=SECONDS)
        try:
            yield Browser(socket)
        finally:
            socket.close()
    finally:
        process.terminate()
        process.wait()

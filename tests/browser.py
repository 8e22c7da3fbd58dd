"""A Chromium without a window, driven over its debugging pipe with the standard library alone."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


# Chromium reads commands on descriptor 3 and writes answers on 4. They are moved there by way of higher ones, since
# either of the two given may be the other's goal.
_LAUNCH = """
import fcntl, os, sys
command_read, answer_write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(command_read, 3)
os.dup2(answer_write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome on this machine that the pipe can drive, or None."""
    if os.name == "nt":  # the pipe's two descriptors cannot be handed to a child there
        return None
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Browser:
    """One page of one Chromium. Use as a context manager; ``run`` gives back the value of an expression."""

    def __init__(self, path: str, address: str, width: int = 1400, height: int = 900, touch: bool = False) -> None:
        self._path, self._address = path, address
        self._width, self._height, self._touch = width, height, touch
        self._last_id = 0
        self._session: str | None = None

    def __enter__(self) -> Browser:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command_read, self._to = os.pipe()
        self._from, answer_write = os.pipe()
        inherited = (command_read, answer_write)

        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(command_read), str(answer_write), self._path, *FLAGS),
                f"--user-data-dir={self._profile.name}",
                "about:blank",
            ],
            pass_fds=inherited,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for descriptor in inherited:
            os.close(descriptor)
        self._answers = os.fdopen(self._from, "rb")
        self._buffer = b""
        (target,) = [t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self._session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=self._width,
            height=self._height,
            deviceScaleFactor=1,
            mobile=self._touch,
        )
        if self._touch:
            self.send("Emulation.setTouchEmulationEnabled", enabled=True)
        self.send("Page.enable")
        self.requests: list[str] = []
        self.send("Network.enable")
        self.send("Page.navigate", url=self._address)
        while self.run("document.readyState") != "complete":
            pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._to)
        self._answers.close()
        self._process.kill()
        self._process.wait()
        self._profile.cleanup()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one command of the DevTools protocol; requests that the page makes are noted on the way."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description"))
        return result["result"].get("value")

    def point_at(self, selector: str) -> None:
        """Moves the mouse to the middle of the first element that the selector names."""
        x, y = self._middle(selector)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def tap(self, selector: str) -> None:
        x, y = self._middle(selector)
        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40}.get(key, 0)
        for event in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=event, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path) -> None:
        from base64 import b64decode

        path.write_bytes(b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def _middle(self, selector: str) -> tuple[float, float]:
        box = self.run(
            f"(async () => {{ const e = document.querySelector({json.dumps(selector)});"
            " const frame = () => new Promise(requestAnimationFrame);"
            # Rows that come into view get their true heights, which moves the goal: scroll again until it rests.
            " for (let i = 0; i < 3; i++) { e.scrollIntoView({block: 'center'}); await frame(); await frame(); }"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        return box[0], box[1]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            # Long enough for a busy machine, and short enough for a run that nobody watches.
            if not select.select([self._from], [], [], 120)[0]:
                raise RuntimeError("Chromium does not answer")
            chunk = os.read(self._from, 1 << 16)
            if not chunk:
                raise RuntimeError("Chromium ended early")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed

"""A browser without a window."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import websocket

_QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]


def dom(environment: dict[str, str], browser: str, url: str, folder: Path, *options: str) -> str:
    """The page as the browser has made it of what it got; of one that it does not show, nothing, or an error page."""
    program = [browser, *_QUIET, f"--user-data-dir={folder}", "--timeout=30000", *options, "--dump-dom", url]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


class Page:
    """A page in a browser that is told what to do over the DevTools protocol.

    ``requests`` are the URLs that it has asked for, ``complaints`` what the browser has to say of it: errors, and what
    was forbidden.
    """

    def __init__(self, connection: "websocket.WebSocket") -> None:
        self._connection = connection
        self._numbers = 0
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._numbers += 1
        self._connection.send(json.dumps({"id": self._numbers, "method": method, "params": parameters}))
        while (answer := self._receive()).get("id") != self._numbers:
            pass
        assert "error" not in answer, answer["error"]
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv())
        if "method" in message:
            self._events.append(message)
        return message

    def open(self, url: str) -> None:
        """Open this URL, and wait until it is loaded."""
        self._events.clear()
        self._call("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._receive()

    def ask(self, expression: str) -> Any:
        """The value of an expression, when two frames have been drawn since."""
        drawn = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
        said = self._call(
            "Runtime.evaluate", expression=f"{drawn}.then(() => {expression})", awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def text(self, selector: str) -> str:
        """The text of the first such element."""
        found = self.ask(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        assert isinstance(found, str)
        return found

    def press(self, *keys: str) -> None:
        """Press these keys one after the other; a single character is typed."""
        for key in keys:
            typed = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
            self._call("Input.dispatchKeyEvent", type="keyDown", key=key, **typed)
            self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, selector: str, x: float, y: float) -> None:
        """Click so many pixels right of and beneath the corner of the first such element."""
        self.drag(selector, (x, y), (x, y))

    def drag(self, selector: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the button of the mouse there, and let go of it at another place."""
        box = self.ask(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        for kind, (x, y) in (("mousePressed", begin), ("mouseMoved", end), ("mouseReleased", end)):
            at = {"x": box["x"] + x, "y": box["y"] + y, "button": "left", "clickCount": 1}
            self._call("Input.dispatchMouseEvent", type=kind, **at)

    def resize(self, width: int, height: int) -> None:
        """Make the page so large, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def picture(self) -> bytes:
        """What can be seen of it, as PNG."""
        self.ask("0")
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    @property
    def requests(self) -> list[str]:
        events = [event for event in self._events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in events]

    @property
    def complaints(self) -> list[Any]:
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event["params"] for event in self._events if event["method"] in kinds]


@contextlib.contextmanager
def driven(environment: dict[str, str], browser: str, folder: Path, *options: str) -> Iterator[Page]:
    """A browser with one page, which is empty at first."""
    import websocket

    program = [browser, *_QUIET, f"--user-data-dir={folder}", *options, "--remote-debugging-port=0", "about:blank"]
    with subprocess.Popen(
        program, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "DevTools listening on" in line)
            place = said.split("ws://")[1].partition("/")[0]
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(f"http://{place}/json/list", timeout=30) as answer:
                [target] = [one for one in json.load(answer) if one["type"] == "page"]
            connection = websocket.create_connection(
                target["webSocketDebuggerUrl"], timeout=60, suppress_origin=True, http_no_proxy=["*"]
            )
            with contextlib.closing(connection):
                yield Page(connection)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the program may be a script that has started it

"""Posts windows to a visdom server from a thread of its own, so that no step ever waits for it.

Of each window only the newest state is kept until it has been sent, so a server that is slow or
away costs no memory, and one that comes back is told where the run stands.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import urllib3

TIMEOUT_S = 5.0
AGAIN_S = 5.0  # between attempts at a server that is away
LAST_S = 10.0  # for what is still to be sent when a run ends


class Sender:
    """Keeps the newest state of each window and sends it as soon as the server takes it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._http = urllib3.PoolManager(timeout=TIMEOUT_S, retries=False)
        self._waiting: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._ending = False
        self._trouble = ""
        self._thread: threading.Thread | None = None

    @property
    def trouble(self) -> str:
        """Why the last attempt failed; empty while all goes well."""
        return self._trouble

    def reached(self) -> bool:
        """Ask the server whether it is there; takes at most `TIMEOUT_S`."""
        self._trouble = self._request("/win_exists", {"win": "", "eid": "main"})
        return not self._trouble

    def put(self, window: dict[str, Any]) -> None:
        """Send a window, whole; `win` is its name. Returns at once."""
        with self._changed:
            self._waiting[window["win"]] = window
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="visdom", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Wait until all is sent, at most `LAST_S`, and not at all for a server that is away."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(LAST_S)

    def _run(self) -> None:
        while (window := self._next()) is not None:
            self._trouble = self._request("/events", window)
            if self._trouble:
                self._keep(window)

    def _next(self) -> dict[str, Any] | None:
        """Wait for a window that is to be sent; None when there will be no more."""
        with self._changed:
            if self._trouble:
                self._changed.wait_for(lambda: self._ending, AGAIN_S)
            self._changed.wait_for(lambda: self._ending or self._waiting)
            if not self._waiting or (self._ending and self._trouble):
                return None
            return self._waiting.pop(next(iter(self._waiting)))

    def _keep(self, window: dict[str, Any]) -> None:
        with self._changed:
            self._waiting.setdefault(window["win"], window)

    def _request(self, path: str, asked: dict[str, Any]) -> str:
        """Return why a request failed, or nothing."""
        try:
            body = json.dumps(asked, allow_nan=False)
            answer = self._http.request("POST", self._address + path, body=body)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return str(error).split(": ", 1)[-1] or repr(error)
        return "" if answer.status < 300 else f"it answers {answer.status} {answer.reason}"

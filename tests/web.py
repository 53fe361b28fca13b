"""A real web server on loopback that does to its clients what servers and lines really do.

For the tests of pipeline/fetch and for benchmarks/. About 1 ms a request.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """What happens to one request. `after` counts bytes of the body."""

    status: int = 0
    retry_after: str | None = None
    drop_after: int | None = None  # the connection is reset
    short_after: int | None = None  # the body ends early under the whole Content-Length
    cut_at: int | None = None  # the body ends early, and Content-Length says so too: a lie
    stall_after: int | None = None
    drip: float = 0.0  # seconds for each 1,024 bytes
    hold: threading.Event | None = None  # the body comes when it is set
    location: str | None = None
    no_ranges: bool = False
    page: str | None = None  # an HTML page instead of the file


@dataclass
class Site:
    """Files by path, the faults of requests by (path, number of the request), and the log."""

    url: str = ""
    files: dict[str, bytes | Path] = field(default_factory=dict)
    faults: Callable[[str, int], Fault | None] = lambda path, number: None
    asked: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    ranges: list[tuple[str, int]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Handler(http.server.BaseHTTPRequestHandler):
    """GET and HEAD with Range and If-Range, and faults."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else some packets wait 40 ms for the answer to those before
    site: Site

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._answer(body=True)

    def _answer(self, body: bool) -> None:
        site, path = self.site, self.path
        with site.lock:
            number = site.asked[path]
            site.asked[path] += 1
        fault = site.faults(path, number) or Fault()
        if fault.location is not None:
            return self._say(302, b"", Location=fault.location)
        if fault.status:
            after = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            return self._say(fault.status, b"no", **after)
        if fault.page is not None:
            return self._say(200, fault.page.encode(), **{"Content-Type": "text/html"})
        found = site.files.get(path)
        if found is None:
            return self._say(404, b"not found")
        data = found.read_bytes() if isinstance(found, Path) else found
        if fault.cut_at is not None:
            data = data[: fault.cut_at]
        return self._send(data, fault, body)

    def _send(self, data: bytes, fault: Fault, body: bool) -> None:
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and not fault.no_ranges and self.headers.get("If-Range", tag) == tag:
            start = int(asked[1])
            if start >= len(data):
                return self._say(416, b"", **{"Content-Range": f"bytes */{len(data)}"})
        with self.site.lock:
            self.site.ranges.append((self.path, start))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Content-Type", "video/mp4" if self.path.endswith("mp4") else "text/plain")
        self.send_header("ETag", tag)
        if not fault.no_ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            self._body(memoryview(data)[start:], fault)
        return None

    def _body(self, data: memoryview, fault: Fault) -> None:
        ends = [
            x for x in (fault.drop_after, fault.short_after, fault.stall_after) if x is not None
        ]
        whole = len(data)
        if fault.hold is not None:
            self.wfile.flush()
            fault.hold.wait(60)
        data = data[: min([*ends, whole])]
        size = 1024 if fault.drip else 1 << 16
        for at in range(0, len(data), size):
            with self.site.lock:
                self.site.sent[self.path] += len(data[at : at + size])
            self.wfile.write(data[at : at + size])
            if fault.drip and self.site.stop.wait(fault.drip):
                return
        if len(data) == whole and not ends:
            return
        self.close_connection = True
        if fault.stall_after is not None:
            self.site.stop.wait(60)
        if fault.drop_after is not None:  # a reset, not a polite end
            time.sleep(0.02)  # what was sent arrives first
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error here."""


@contextlib.contextmanager
def serving() -> Iterator[Site]:
    """Serve an empty site on a port of its own."""
    one = Site()
    server = _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"site": one}))
    one.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.stop.set()
        server.shutdown()
        server.server_close()
        thread.join(5)

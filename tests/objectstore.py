"""A real object store for tests: moto's server in a process of its own, and a proxy with faults.

The proxy answers every n-th request with a 500 and cuts every m-th answer or request off in the
middle, by counting alone, so that a run does the same each time.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REFUSED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@dataclass
class Store:
    """A server with one bucket, and the environment in which clipmill finds it."""

    port: int
    scratch: Path
    process: subprocess.Popen[bytes] | None = None
    bucket: str = "bucket"
    free_requests: int | None = None  # those that need no credentials; None: none does

    def start(self) -> None:
        """Start the server, empty, and make the bucket."""
        environment = dict(os.environ)
        if self.free_requests is not None:
            environment["INITIAL_NO_AUTH_ACTION_COUNT"] = str(self.free_requests)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            time.sleep(0.05)
        self.make_bucket()

    def make_bucket(self) -> None:
        """Make the bucket."""
        url = f"http://127.0.0.1:{self.port}/{self.bucket}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(urllib.request.Request(url, method="PUT"), timeout=30).close()

    def stop(self) -> None:
        """End the server; all that it held is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """Let the server answer nothing, as a host that is away."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables by which clipmill finds the store."""
        return {
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "NO_PROXY": "127.0.0.1,localhost",
            "CLIPMILL_SCRATCH": str(self.scratch),
            "CLIPMILL_STORE_PATIENCE": "20",
            **more,
        }


class FaultyProxy:
    """Passes connections on to a port; each request may meet a fault.

    Every `fails`-th request is answered with a 500 and not passed on; of every `cuts`-th the
    answer ends after some bytes of it. Connections are closed after one request, so that
    each one is counted. With `open` False nobody is let in.
    """

    def __init__(self, target: int, fails: int = 0, cuts: int = 0) -> None:
        self.target, self.fails, self.cuts = target, fails, cuts
        self.open, self.requests, self.failed, self.cut = True, 0, 0, 0
        self._count = itertools.count(1)
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.settimeout(60)
            if not self.open:
                return
            head, body = _request(client)
            if not head:
                return
            number = next(self._count)
            self.requests = number
            if self.fails and number % self.fails == 0:
                self.failed += 1
                client.sendall(REFUSED)
                return
            most = None
            if self.cuts and number % self.cuts == 0:
                self.cut += 1
                most = 100 + number % 400
            with socket.create_connection(("127.0.0.1", self.target), 60) as server:
                server.sendall(head + body)
                while self.open and (data := server.recv(1 << 16)):
                    if most is not None and len(data) >= most:
                        client.sendall(data[:most])
                        return
                    most = None if most is None else most - len(data)
                    client.sendall(data)


def _request(client: socket.socket) -> tuple[bytes, bytes]:
    """Read one request: its head, told to close the connection, and its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(1 << 16)
        if not piece:
            return b"", b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    length = next(
        (int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")),
        0,
    )
    if any(line.lower().startswith(b"expect:") for line in lines):
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(body) < length:
        piece = client.recv(1 << 16)
        if not piece:
            return b"", b""
        body += piece
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n", body


@contextlib.contextmanager
def serving(scratch: Path, free_requests: int | None = None) -> Iterator[Store]:
    """Give a store that runs for the block."""
    store = Store(free_port(), scratch, free_requests=free_requests)
    store.start()
    try:
        yield store
    finally:
        store.stop()

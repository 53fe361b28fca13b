"""Bodies that the kernel moves: the same bytes as those that are read, on the same connection."""

import http.server
import os
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from manifests import webrequests
from manifests.webbody import moved
from manifests.webpull import BLOCK, Pull
from tests.web import Fault, Site

SIZE = 3_000_001


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "5")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def data(site: Site) -> bytes:
    site.files["/x.tar"] = random.Random(1).randbytes(SIZE)
    return site.files["/x.tar"]


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    made = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield made
    os.close(made)


def test_all_but_the_first_and_the_last_bytes_are_moved(site: Site, data: bytes, fd: int) -> None:
    for _ in range(2):
        response = webrequests.ask("GET", f"{site.url}/x.tar", {})
        line = response.connection.sock  # type: ignore[union-attr]
        first = response.read1(BLOCK)
        count = sum(moved(response, fd, len(first), 5))
        assert 0 < count == SIZE - len(first) - 1
        assert response.read1(BLOCK) == data[-1:] and response.read1(BLOCK) == b""
        assert os.pread(fd, count, len(first)) == data[len(first) : -1]
    again = webrequests.ask("GET", f"{site.url}/x.tar", {})
    assert again.connection.sock is line, "its connection is used again"  # type: ignore[union-attr]
    again.close()


@pytest.mark.parametrize("size", [0, 1, 2, 10_000])
def test_small_files(site: Site, fd: int, size: int) -> None:
    site.files["/s"] = os.urandom(size)
    pull = Pull(f"{site.url}/s", lambda at, block: os.pwrite(fd, block, at), size, fd=fd)
    assert pull.run().size == size
    assert os.pread(fd, size + 1, 0) == site.files["/s"]


def test_a_body_that_breaks_off_goes_on_from_there(site: Site, data: bytes, fd: int) -> None:
    faults = (Fault(drop_after=1_000_000), Fault(short_after=1_500_000), None)
    site.faults = lambda path, number: faults[number]
    read: list[int] = []

    def write(at: int, block: bytes) -> None:
        read.append(at)
        os.pwrite(fd, block, at)

    Pull(f"{site.url}/x.tar", write, SIZE, fd=fd).run()
    assert os.pread(fd, SIZE + 1, 0) == data
    assert [start for _, start in site.ranges] == [0, 1_000_000, 2_500_000]
    assert len(read) <= 6, "the rest was moved"


def test_a_server_that_falls_silent(site: Site, data: bytes, fd: int) -> None:
    site.faults = lambda path, number: Fault(stall_after=1_000_000)
    response = webrequests.ask("GET", f"{site.url}/x.tar", {})
    came = len(response.read1(BLOCK))
    with pytest.raises(TimeoutError, match=r"no byte in 0\.2 s"):
        for count in moved(response, fd, came, 0.2):
            came += count
    assert came == 1_000_000 and os.pread(fd, came, 0)[-1:] == data[came - 1 : came]
    response.close()


def test_what_is_sent_in_chunks_is_read(fd: int) -> None:
    data = os.urandom(SIZE)

    class Chunks(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, SIZE, 70_000):
                block = data[at : at + 70_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
            self.wfile.write(b"0\r\n\r\n")

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chunks)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/x"
        Pull(url, lambda at, block: os.pwrite(fd, block, at), SIZE, fd=fd).run()
    finally:
        server.shutdown()
        server.server_close()
    assert os.pread(fd, SIZE + 1, 0) == data


def test_where_the_file_does_not_take_it_so_it_is_written(
    site: Site, data: bytes, tmp_path: Path
) -> None:
    """The kernel moves nothing into a file that is open for appending."""
    file = tmp_path / "appended"
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    Pull(f"{site.url}/x.tar", lambda at, block: os.pwrite(fd, block, at), SIZE, fd=fd).run()
    os.close(fd)
    assert file.read_bytes() == data


def test_a_forked_child_keeps_no_connection_of_its_parent(site: Site, data: bytes) -> None:
    response = webrequests.ask("GET", f"{site.url}/x.tar", {})
    line = response.connection.sock.fileno()  # type: ignore[union-attr]
    child = os.fork()
    if not child:
        try:
            socket.fromfd(line, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert b"".join(iter(lambda: response.read1(BLOCK), b"")) == data
    response.close()

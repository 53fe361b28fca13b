"""Downloads from a real server that errs, drops, lies, redirects and drips."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from manifests.errors import ClipmillError, StoppedError
from pipeline.annotate.fetch import fetch, is_url

BODY = b"youtube_id,time_start\n" * 40_000


class Odd(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        what = self.path.strip("/").split("/")[0].split("?")[0]
        if what in ("404", "403", "500", "503"):
            self.send_error(int(what))
        elif what == "to":
            self.send_response(302)
            self.send_header("Location", self.path.split("?", 1)[1])
            self.end_headers()
        elif what in ("drop", "lie", "endless", "drip", "silent"):
            self.send_response(200)
            if what in ("drop", "lie"):
                self.send_header("Content-Length", str(len(BODY) + (what == "lie")))
            self.end_headers()
            self.pour(what)
        elif what == "page":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"\xef\xbb\xbf\n<!DOCTYPE html><p>train.csv")
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

    def pour(self, what: str) -> None:
        try:
            if what == "drop":
                self.wfile.write(BODY[: len(BODY) // 2])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
            elif what == "lie":
                self.wfile.write(BODY)
            for _ in range(200 if what in ("endless", "drip", "silent") else 0):
                if what != "silent":
                    self.wfile.write(BODY if what == "endless" else b"x")
                time.sleep(0 if what == "endless" else 0.05)
        except OSError:
            pass  # the client had enough


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    made.daemon_threads = True
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_file_comes_whole_under_a_harmless_name(server, tmp_path):
    path = fetch(f"{server}/k/..%2F..%2Fval%20(1).csv?x=../y", tmp_path)
    assert path.parent == tmp_path and path.name == "val__1_.csv"
    assert path.read_bytes() == BODY
    assert fetch(f"{server}/", tmp_path).name == "lists"


@pytest.mark.parametrize("code", ["403", "404"])
def test_refused_is_an_error(server, tmp_path, code):
    with pytest.raises(ClipmillError, match=f"the server says {code}.*check the address") as caught:
        fetch(f"{server}/{code}", tmp_path)
    assert not isinstance(caught.value, StoppedError)


@pytest.mark.parametrize("code", ["500", "503"])
def test_a_server_that_fails_can_be_tried_again(server, tmp_path, code):
    with pytest.raises(StoppedError, match=f"the server says {code}.*try again"):
        fetch(f"{server}/{code}", tmp_path)


@pytest.mark.parametrize("what", ["drop", "lie"])
def test_fewer_bytes_than_told_are_no_file(server, tmp_path, what):
    with pytest.raises(StoppedError, match=r"broke off after [0-9,]+ of [0-9,]+ bytes"):
        fetch(f"{server}/{what}", tmp_path)


def test_redirections_are_followed_a_few_times(server, tmp_path):
    path = fetch(f"{server}/to?{server}/to?/good.csv", tmp_path)
    assert path.read_bytes() == BODY
    with pytest.raises(ClipmillError, match="the server says 302"):
        fetch(f"{server}/to?/to?/to?/to?/to?/to?/to?/good.csv", tmp_path)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_redirections_elsewhere_are_refused(server, tmp_path, target):
    with pytest.raises(
        ClipmillError, match=r"(redirects to .*expected http|Redirection .* not allowed)"
    ):
        fetch(f"{server}/to?{target}", tmp_path)


def test_a_page_is_no_list(server, tmp_path):
    with pytest.raises(ClipmillError, match=r"/page/val.csv gives a web page \(HTML\); expected"):
        fetch(f"{server}/page/val.csv", tmp_path)


def test_too_large_is_an_error(server, tmp_path):
    with pytest.raises(ClipmillError, match="larger than 1,000,000 bytes"):
        fetch(f"{server}/endless", tmp_path, most_bytes=1_000_000)


def test_a_slow_drip_and_silence_end(server, tmp_path):
    with pytest.raises(StoppedError, match="comes too slowly"):
        fetch(f"{server}/drip", tmp_path, seconds=0.3)
    with pytest.raises(StoppedError, match="timed out"):
        fetch(f"{server}/silent", tmp_path, silence_s=0.3)


def test_nobody_there(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(StoppedError, match="could not be fetched"):
            fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/x.csv", tmp_path)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "s3://bucket/x"])
def test_other_schemes_are_refused(tmp_path, url):
    assert is_url(url)
    with pytest.raises(ClipmillError, match="neither http nor https"):
        fetch(url, tmp_path)

"""Proxies over real sockets: who is asked, what it is told, and what is no proxy at all."""

import base64
import contextlib
import socket
import threading

import pytest

from manifests.errors import ClipmillError, UnreachableError
from manifests.routes import proxy_host
from pipeline.fetch.body import Body, Patience, pool
from pipeline.fetch.errors import FetchError
from pipeline.fetch.pace import Pace

ENVIRONMENT = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
QUICK = Patience(connect=2, stall=2, retries=0)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No proxy but what a test sets."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy(site):
    """A proxy that has one answer for all, and the heads of what it was asked."""
    asked, there = [], site.url + "/a.mp4"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        asked.append(connection.recv(65536))
                        status = b"407 no" if b"nobody" in asked[-1] else b"200 OK"
                        if b"elsewhere" in asked[-1]:
                            status = b"302 there\r\nLocation: " + there.encode()
                        head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n"
                        connection.sendall(head + b"proxy")

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", asked


def read(url, by=None):
    return b"".join(Body(url, pool(by), Pace(), QUICK))


def test_a_proxy_is_told_name_and_password(proxy):
    address, asked = proxy
    url = "http://example.test/a.mp4"
    assert read(url, f"http://user:p%40w%C3%A9@{address}") == b"proxy"
    words = base64.b64encode("user:p@wé".encode())
    [head] = asked
    assert head.startswith(b"GET http://example.test/a.mp4 HTTP/1.1\r\n")
    assert b"proxy-authorization: basic " + words.lower() in head.lower()


def test_a_tunnel_is_asked_for_with_name_and_password(proxy):
    address, asked = proxy
    with pytest.raises(FetchError) as raised:  # this proxy does not speak TLS behind its answer
        read("https://example.test/a.mp4", f"http://user:secret@{address}")
    assert asked[0].startswith(b"CONNECT example.test:443")
    assert b"proxy-authorization: basic " in asked[0].lower()
    assert "secret" not in raised.value.message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_us_costs_no_clip_an_attempt(proxy, scheme):
    address, asked = proxy
    with pytest.raises(UnreachableError, match="status 407") as raised:
        read(f"{scheme}://nobody.test/a.mp4", f"http://user:secret@{address}")
    assert len(asked) == 1 and "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_environment_s_proxy_is_asked(proxy, monkeypatch, name, scheme):
    address, asked = proxy
    monkeypatch.setenv(name, scheme + address)
    assert read("http://example.test/a.mp4") == b"proxy" and len(asked) == 1


def test_a_host_that_no_proxy_names_is_asked_itself(proxy, monkeypatch, site):
    address, _ = proxy
    site.files["/a.mp4"] = b"direct"
    monkeypatch.setenv("http_proxy", address)
    assert read(site.url + "/a.mp4") == b"proxy"
    monkeypatch.setenv("no_proxy", "example.org,127.0.0.1")
    assert read(site.url + "/a.mp4") == b"direct"
    assert read(site.url + "/a.mp4", f"http://{address}") == b"proxy"  # one that was asked for


def test_a_redirect_is_routed_anew(proxy, monkeypatch, site, fault):
    address, asked = proxy
    site.faults = lambda path, number: fault(location="http://example.test/b.mp4")
    monkeypatch.setenv("http_proxy", address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert read(site.url + "/a.mp4") == b"proxy"
    assert site.asked["/a.mp4"] == 1 and asked[0].startswith(b"GET http://example.test/b.mp4")
    site.files["/a.mp4"], site.faults = b"direct", lambda path, number: None
    assert read("http://elsewhere.test/c.mp4") == b"direct" and len(asked) == 2


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://user:secret@127.0.0.1:1",
        "user:secret@127.0.0.1:1",
        "127.0.0.1:1",
        "nonsense",
        "http://[bad",
        "http://",
        "http://a:99999999",
        "ftp://a:1",
        "",
    ],
)
def test_what_is_no_proxy(proxy):
    with pytest.raises(ClipmillError, match=r"--proxy is .*; expected http://HOST:PORT") as raised:
        pool(proxy)
    assert "secret" not in str(raised.value)


def test_an_environment_that_names_none(monkeypatch):
    monkeypatch.setenv("https_proxy", "socks5://user:secret@127.0.0.1:1")
    with pytest.raises(ClipmillError, match="environment's https_proxy") as raised:
        pool()
    assert "secret" not in str(raised.value)


def test_the_host_of_the_proxy(monkeypatch):
    assert proxy_host(None) == ""
    assert proxy_host("http://user:secret@Proxy:3128") == "proxy:3128"
    monkeypatch.setenv("http_proxy", "other:1")
    assert proxy_host(None) == "other:1"
    assert proxy_host("http://proxy:3128") == "proxy:3128"

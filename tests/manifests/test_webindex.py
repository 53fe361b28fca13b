"""Folder pages of real servers: names of files and folders, and nothing else."""

import http.server
import threading
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.webindex import parse, plain

NGINX = """<html><head><title>Index of /d/</title></head><body><h1>Index of /d/</h1><hr><pre>
<a href="../">../</a>
<a href="manifests/">manifests/</a>                      23-Nov-2026 04:10                   -
<a href="dataset.toml">dataset.toml</a>                  23-Nov-2026 04:10                 431
<a href="a-very-long-name.parquet">a-very-long-n..&gt;</a>  23-Nov-2026 04:10         12345678
<a href="with%20space.tar">with space.tar</a>            23-Nov-2026 04:10                  0
<a href="rounded.tar">rounded.tar</a>                    23-Nov-2026 04:10                 12K
</pre><hr></body></html>"""
APACHE = """<table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=S;O=A">Size</a></th></tr>
<tr><td><a href="/root/">Parent Directory</a></td><td>&nbsp;</td><td>- </td></tr>
<tr><td><a href="shards/">shards/</a></td><td>2026-11-23 04:10  </td><td>  - </td></tr>
<tr><td><a href="train-000000.tar">train-000000.tar</a></td><td>2026-11-23 </td><td>1.2M</td></tr>
</table><address>Apache <a href="https://httpd.apache.org">2.4</a></address>"""


def test_nginx_tells_the_bytes() -> None:
    index = parse(NGINX)
    assert index.folders == {"manifests"}
    assert index.files == {
        "dataset.toml": 431,
        "a-very-long-name.parquet": 12345678,
        "with space.tar": 0,
        "rounded.tar": None,
    }


def test_apache_tells_names() -> None:
    index = parse(APACHE)
    assert index.folders == {"shards"} and index.files == {"train-000000.tar": None}


def test_pythons_own_server(tmp_path: Path) -> None:
    names = ["a.tar", "b c.tar", "ü&<x>.tar", "per%cent", ".hidden", "q?#.tar"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{server.server_port}/", timeout=10) as reply:
        index = parse(reply.read().decode())
    server.shutdown()
    server.server_close()
    assert set(index.files) == set(names) - {".hidden"} and index.folders == {"folder"}


@pytest.mark.parametrize(
    "link",
    [
        "../", "..", "/etc/passwd", "a/b", "//host/x", "http://host/x", "?C=N", "#x", "", ".", "./",
        "%2e%2e/", "..%2fx", "a%2Fb", ".hidden", "a%00b", "javascript:x", "a\\b", "./../x",
    ],
)  # fmt: skip
def test_links_that_are_no_names(link: str) -> None:
    assert plain(link) == ""


@given(st.text(max_size=60))
def test_no_page_is_an_error_or_gives_a_path(text: str) -> None:
    index = parse(text + f'<a href="{text}">x</a> 01-Jan-2026 00:00 5')
    assert not any("/" in name or name.startswith(".") for name in [*index.files, *index.folders])

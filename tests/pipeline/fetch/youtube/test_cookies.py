"""Cookies: read once, checked, one site's only, sent to that site, and never written."""

import contextlib
import http.server
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.fetch.source import Arrived
from pipeline.fetch.youtube.cookies import HEADER, read_cookies

DOMAINS = ("youtube.com", "google.com")


def line(domain, name="n", value="v", below=None):
    below = below or str(domain.removeprefix("#HttpOnly_").startswith(".")).upper()
    return f"{domain}\t{below}\t/\tFALSE\t4102444800\t{name}\t{value}\n"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cookies.txt"


def test_only_the_sites_own_lines_are_kept(file):
    kept = [".youtube.com", "youtube.com", "#HttpOnly_.youtube.com", ".accounts.google.com"]
    dropped = [".evil.com", "notyoutube.com", ".youtube.com.evil.com", "# .youtube.com"]
    file.write_text("\ufeff" + HEADER + "".join(map(line, kept + dropped)), encoding="utf-8")
    assert read_cookies(file, DOMAINS) == HEADER + "".join(map(line, kept))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no line is a cookie"),
        (b'[{"domain": ".youtube.com", "name": "a"}]', "no line is a cookie"),
        (b"\xff\xfe\x00", "no text"),
        (b"SID=1; HSID=2", "no line is a cookie"),
        (line(".example.com").encode(), "none of youtube.com"),
        (line(".google.com").encode(), "none of youtube.com"),
    ],
)
def test_a_file_that_cannot_serve_is_told(content, told, file):
    file.write_bytes(content)
    with pytest.raises(ClipmillError, match=told):
        read_cookies(file, DOMAINS)


def test_a_file_that_is_not_there_or_a_folder(file, tmp_path):
    for path in (file, tmp_path):
        with pytest.raises(ClipmillError, match="--cookies"):
            read_cookies(path, DOMAINS)


@given(st.binary(max_size=200))
def test_nothing_else_than_one_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "c"
    path.write_bytes(content)
    with contextlib.suppress(ClipmillError):
        assert read_cookies(path, DOMAINS).startswith(HEADER)


def test_they_are_sent_and_the_file_is_left_as_it_was(
    file, site, youtube, want, tools, make_video, monkeypatch
):
    site.files["/-u8W9n8IOks.mp4"] = make_video("own.mp4")
    sent = []
    answer = http.server.BaseHTTPRequestHandler.parse_request

    def listening(self):
        good = answer(self)
        sent.append(self.headers.get("Cookie"))
        return good

    monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "parse_request", listening)
    text = HEADER + line("127.0.0.1", "mine", "1", "TRUE") + line(".example.com", "theirs", "2")
    file.write_text(text)
    file.chmod(0o400)
    source = youtube(cookies=file)
    found = []

    def work():
        found.extend(source.fetch((want(),), tools))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert isinstance(found[0], Arrived) and set(sent) == {"mine=1"}
    assert file.read_text() == text

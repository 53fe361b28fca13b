"""Names of our own for web addresses."""

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from manifests.errors import StoppedError, UnreachableError
from manifests.reasons import Reason
from pipeline.acquiring.locate import is_own
from pipeline.fetch import partfile
from pipeline.fetch.https import Https, name_of
from pipeline.fetch.pace import Pace, Rates
from pipeline.fetch.source import Arrived, Refused, Want


@pytest.mark.parametrize(
    ("url", "readable", "extension"),
    [
        ("https://a.example/v/clip%201.MP4?key=1#t", "clip_1", ".mp4"),
        ("http://a.example/../../etc/passwd", "passwd", ""),
        ("http://a.example/", "", ""),
        ("http://a.example/x.exe", "x", ""),
        ("http://a.example/-rf.avi", "-rf", ".avi"),
    ],
)
def test_a_name_is_ours_and_stays_in_its_folder(url, readable, extension):
    name = name_of(url)
    assert is_own(url, name) and name.count("/") == 2 and ".." not in name
    assert readable.strip("-") in name and name.endswith(extension)
    assert name == name_of(url) != name_of(url + "x")


def test_one_unit_a_file_for_all_its_clips(tools):
    wants = [Want(str(i), 1, f"http://x/{i % 2}.mp4", "", None, None) for i in range(5)]
    units = Https().units(wants, tools)
    assert [count for _, count in units] == [3, 2]
    assert {want.source for want in units[0][0]} == {"http://x/0.mp4"}


@pytest.mark.parametrize(
    ("source", "served"),
    [
        ("http://a/b.mp4", True),
        ("HTTPS://a/b", True),
        ("file:http://a/b", False),
        ("youtube:abc", False),
        ("https://", False),
        ("http://a/b c", False),
        ("http://[bad/x.mp4", False),
        ("http://host:port/x.mp4", False),
        ("http://[::1]:8080/x.mp4", True),
    ],
)
def test_what_is_an_address(source, served):
    assert Https().serves(source) is served


def fetch(url, tools):
    Path(tools.storage.place(".")).mkdir(exist_ok=True)
    return list(Https().fetch((Want("c", 1, url, "", None, None),), tools))


@pytest.mark.parametrize("header", [None, "0", "nan", "Mon, 01 Jan 0001 00:00:00 -0000"])
def test_429s_end(site, fault, tools, header):
    site.faults = lambda path, number: fault(status=429, retry_after=header)
    said = []
    tools.pace = Pace(Rates(first_pause_s=0.02, give_up=4), say=said.append)
    with pytest.raises(UnreachableError, match="4 times in a row"):
        fetch(site.url + "/a.mp4", tools)
    assert site.asked["/a.mp4"] == 4 and len(said) == 3


def test_space_for_all_of_a_file_is_asked_for_before_its_first_byte(site, tools, monkeypatch):
    site.files["/a.mp4"] = bytes(3_000_000)
    asked = []

    def require(needed=0):
        asked.append(needed)
        if needed:
            raise StoppedError("full")

    monkeypatch.setattr(tools, "require_space", require)
    with pytest.raises(StoppedError):
        fetch(site.url + "/a.mp4", tools)
    assert asked == [0, 3_000_000]
    assert not [*tools.storage.list("videos")]


def test_a_disk_that_runs_full_on_the_way_leaves_what_came(site, fault, tools, monkeypatch):
    data, url = bytes(range(250)) * 16_000, site.url + "/a.mp4"
    site.files["/a.mp4"] = data
    monkeypatch.setattr(partfile, "NOTE_EVERY", 1_000_000)

    def require(needed=0):
        if 0 < needed < len(data):
            raise StoppedError("full")

    monkeypatch.setattr(tools, "require_space", require)
    with pytest.raises(StoppedError):
        fetch(url, tools)
    known = partfile.known(tools.storage, name_of(url), url)
    assert known.size >= 1_000_000 and known.total == len(data)
    monkeypatch.undo()
    [found] = fetch(url, tools)
    assert isinstance(found, Arrived) and tools.storage.read(found.name) == data
    assert site.ranges[-1] == ("/a.mp4", known.size)


@contextlib.contextmanager
def serving_length(length):
    """Serve one answer that says it is so long."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nab" % length)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x.mp4"


def test_a_length_beyond_all_disks_is_that_files_own_fault(site, tools):
    with serving_length(10**15) as url:
        [found] = fetch(url, tools)
    assert isinstance(found, Refused) and found.rule.reason is Reason.UNKNOWN
    assert str(10**15) in found.message

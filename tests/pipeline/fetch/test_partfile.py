"""What is noted of an unfinished download is on the disk; what is not noted is not believed."""

import json
import random
from pathlib import Path

import pytest

from manifests.local import LocalStorage
from pipeline.fetch import partfile
from pipeline.fetch.partfile import NOTE, PART, Note

NAME, URL = "videos/ab/x-0123.mp4", "http://a/b"


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path)


def test_appended_in_two_runs_and_named(storage):
    assert partfile.known(storage, NAME, URL) == Note(URL, 0)
    assert [*partfile.append(storage, NAME, 0, [b"abc", b"def"])] == [6]
    partfile.note(storage, NAME, Note(URL, 4, 8, '"m"'))
    found = partfile.known(storage, NAME, URL)
    assert found == Note(URL, 4, 8, '"m"')
    assert [*partfile.append(storage, NAME, found.size, [b"EFGH"])] == [8]
    partfile.finish(storage, NAME)
    assert storage.read(NAME) == b"abcdEFGH"
    assert [*storage.list("videos/ab")] == ["x-0123.mp4"]


def test_safe_sizes_are_told_on_the_way(storage, monkeypatch):
    monkeypatch.setattr(partfile, "NOTE_EVERY", 10)
    blocks = [bytes(4)] * 6
    assert [*partfile.append(storage, NAME, 0, blocks)] == [12, 24, 24]


def test_an_error_of_the_line_keeps_what_came(storage):
    def blocks():
        yield b"abc"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(partfile.append(storage, NAME, 0, blocks()))
    assert storage.read(NAME + PART) == b"abc"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"url": "http://other", "size": 3}),
        json.dumps({"url": URL, "size": 4}),
        json.dumps({"url": URL, "size": -1}),
        json.dumps({"url": URL, "size": 3, "more": 1}),
    ],
)
def test_a_note_that_cannot_be_believed_begins_anew(storage, text):
    list(partfile.append(storage, NAME, 0, [b"abc"]))
    storage.write(NAME + NOTE, text.encode())
    assert partfile.known(storage, NAME, URL) == Note(URL, 0)


def test_forgotten(storage):
    list(partfile.append(storage, NAME, 0, [b"abc"]))
    partfile.note(storage, NAME, Note(URL, 3))
    partfile.forget(storage, NAME)
    partfile.forget(storage, NAME)
    assert not [*storage.list("videos/ab")]


@pytest.mark.parametrize("fault", ["KILL", "EIO", "ENOSPC", "SHORT", "LATE"])
def test_stopped_at_any_operation_the_bytes_come_out_right(faults, tmp_path, fault):
    data = random.Random(1).randbytes(50)

    def bring(root: Path) -> None:
        storage = LocalStorage(root)
        if storage.size(NAME) is not None:
            return
        start = partfile.known(storage, NAME, URL).size
        blocks = (data[at : at + 10] for at in range(start, 50, 10))
        for size in partfile.append(storage, NAME, start, blocks):
            partfile.note(storage, NAME, Note(URL, size, 50))
        partfile.finish(storage, NAME)

    total = faults.trial(lambda: bring(tmp_path / "count")).value[1]
    assert total > 10
    for at in range(1, total + 1):
        root = tmp_path / str(at)
        faults.trial(lambda root=root: bring(root), at, fault)
        bring(root)
        assert (root / NAME).read_bytes() == data, at

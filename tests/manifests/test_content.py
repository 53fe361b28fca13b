"""Content: size and digest of a file, told apart from any other."""

import hashlib
import os
from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from manifests.content import CHUNK, ChangedError, Content, checked
from manifests.errors import ClipmillError


def contents(data: bytes) -> list[Content]:
    return [
        Content("xxh3", xxhash.xxh3_64_hexdigest(data), len(data)),
        Content("sha256", hashlib.sha256(data).hexdigest(), len(data)),
    ]


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1])
def test_every_byte_counts(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    file = tmp_path / "file"
    for content in contents(data):
        for others in (data, data + b"x", data[:-1] if size else b"y", bytes(size) + b"z"):
            file.write_bytes(others)
            with file.open("rb") as opened:
                assert (content.difference(opened.fileno()) is None) == (others == data)
        if size:
            file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
            with file.open("rb") as opened:
                assert content.kind in str(content.difference(opened.fileno()))


@given(
    st.lists(st.tuples(st.sampled_from(["xxh3", "sha256"]), st.text(), st.integers(0)), min_size=2)
)
def test_names_differ_with_content(several: list[tuple[str, str, int]]) -> None:
    names = {Content(*one).name for one in several}  # type: ignore[arg-type]
    assert len(names) == len(set(several)) and all("/" not in name for name in names)


def test_a_file_that_changes_while_it_is_fetched_is_fetched_anew(tmp_path: Path) -> None:
    [content, _] = contents(b"abc")
    turns = iter((ChangedError("it changed"), None, ChangedError("it changed"), ChangedError("so")))

    def fetch(fd: int) -> None:
        error = next(turns)
        os.pwrite(fd, b"abc", 0)
        if error is not None:
            raise error

    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    checked(fetch, content, "x/0.tar")(fd)
    with pytest.raises(ClipmillError, match=r"x/0.tar: so.* fetched twice"):
        checked(fetch, content, "x/0.tar")(fd)
    os.close(fd)

"""listing.json: what is written is read; anything else is one clear error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests import listing
from manifests.errors import ClipmillError

NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1).map("/".join)


@given(st.dictionaries(PATHS, st.integers(0, 2**53)))
def test_what_is_written_is_read(files: dict[str, int]) -> None:
    assert listing.decode(listing.encode(files), "x") == files
    for path, size in files.items():
        folder, _, name = path.rpartition("/")
        assert (listing.within(files, folder).get(name) == size) == (name[0] != ".")


def test_folders() -> None:
    files = {"a": 1, "b/c": 2, "b/.d": 3, "b/e/f": 4, "bc": 5}
    assert listing.within(files, "") == listing.within(files, ".") == {"a": 1, "bc": 5}
    assert listing.within(files, "b") == {"c": 2} and listing.within(files, "e") == {}


@pytest.mark.parametrize(
    "files",
    [{"../x": 1}, {"/x": 1}, {"": 1}, {"x": -1}, {"x": "1"}, {"x": True}, {"x": None}, [1], 7],
)  # fmt: skip
def test_files_that_are_refused(files: object) -> None:
    data = json.dumps({"clipmill": "listing", "version": 1, "files": files}).encode()
    with pytest.raises(ClipmillError, match=r"https://h/listing.json is no list .*listing --root"):
        listing.decode(data, "https://h/listing.json")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b"null", b"\xff", b'{"clipmill": "x", "version": 1}']
)
def test_what_is_no_listing(data: bytes) -> None:
    with pytest.raises(ClipmillError, match="no list of files"):
        listing.decode(data, "x")


def test_another_version() -> None:
    data = json.dumps({"clipmill": "listing", "version": 2, "files": {}}).encode()
    with pytest.raises(ClipmillError, match="version 2; this clipmill reads version 1"):
        listing.decode(data, "x")

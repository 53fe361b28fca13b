"""A file hashed while it is read: the digest of the whole, whatever its reader did."""

import hashlib
import os
from pathlib import Path

import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.hashed import Digests, HashedFile

DATA = bytes(range(256)) * 9
JUMPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 3000), st.just(0)),
        st.tuples(st.just("seek"), st.integers(0, 3000), st.just(os.SEEK_SET)),
        st.tuples(st.just("seek"), st.integers(-2000, 0), st.just(os.SEEK_END)),
    )
)


@settings(max_examples=200, deadline=None)
@given(JUMPS)
def test_any_way_of_reading(tmp_path_factory, jumps: list[tuple[str, int, int]]) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "hashed"
    path.write_bytes(DATA)
    with HashedFile(path) as file, path.open("rb") as plain:
        for what, number, whence in jumps:
            if what == "read":
                assert file.read(number) == plain.read(number)
            else:
                assert file.seek(number, whence) == plain.seek(number, whence)
            assert file.tell() == plain.tell()
        sha256, xxh3 = hashlib.sha256(DATA).hexdigest(), xxhash.xxh3_64_hexdigest(DATA)
        assert file.digests() == Digests(len(DATA), sha256, xxh3)
        assert file.digests().sha256 == sha256

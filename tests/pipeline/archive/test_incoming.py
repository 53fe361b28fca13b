"""Archives that come in block by block are read like files, and are bounded like them."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.archive.incoming import Incoming
from pipeline.archive.limits import DamagedArchive, Limits
from pipeline.archive.members import Archive

FILES = {"a/x.mp4": os.urandom(200_000), "empty.mp4": b"", "größe/漢字.avi": b"z" * 513}
SQUEEZE = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def tar(files=FILES, **infos):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in infos.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return out.getvalue()


def blocks(data, size=1000):
    return (data[at : at + size] for at in range(0, len(data), size))


def read(data, limits=None, size=1000, **options):
    archive = Archive(Incoming("http://h/a.tgz", blocks(data, size)), limits, **options)
    return {member.name: member.file.read() for member in archive}


@pytest.mark.parametrize("size", [1, 999, 1 << 20])
@pytest.mark.parametrize("squeeze", SQUEEZE)
def test_tars_of_every_compression(squeeze, size):
    files = FILES if size > 1 else {"a": b"x" * 700}
    assert read(SQUEEZE[squeeze](tar(files)), size=size) == files


def test_members_can_be_left_unread_and_the_place_is_told():
    data = tar()
    incoming = Incoming("x", blocks(data))
    archive = Archive(incoming)
    places = [(member.name, archive.position()) for member in archive]
    assert [name for name, _ in places] == list(FILES)
    assert places[0][1] < 20_000 and places[1][1] > 200_000


@pytest.mark.parametrize("name", ["../up.mp4", "/etc/x.mp4", "a/../../x.mp4", "C:/x.mp4"])
def test_names_that_step_outside_end_it(name):
    with pytest.raises(ClipmillError, match="Do not trust"):
        read(gzip.compress(tar({"ok.mp4": b"1", name: b"2"})))


def test_links_and_devices_are_passed_over():
    kinds = {
        "l": tarfile.SYMTYPE,
        "h": tarfile.LNKTYPE,
        "d": tarfile.CHRTYPE,
        "p": tarfile.FIFOTYPE,
    }
    archive = Archive(Incoming("x", blocks(gzip.compress(tar(FILES, **kinds)))))
    assert [member.name for member in archive] == list(FILES)
    assert sum(archive.passed_over.values()) == 4


def test_bombs_end_early():
    bomb = gzip.compress(tar({"x.mp4": bytes(80 << 20)}))
    assert len(bomb) < 1 << 20
    taken = 0

    def counted():
        nonlocal taken
        for block in blocks(bomb):
            taken += len(block)
            yield block

    with pytest.raises(ClipmillError, match="bombs"):
        for member in Archive(Incoming("x", counted()), Limits(free_bytes=1 << 20)):
            while member.file.read(1 << 16):
                pass
    many = tar({f"{n}": b"" for n in range(50)})
    with pytest.raises(ClipmillError, match="more than 9 members"):
        read(many, Limits(members=9))


@pytest.mark.parametrize("squeeze", SQUEEZE)
def test_cut_anywhere_it_is_damaged(squeeze):
    data = SQUEEZE[squeeze](tar())
    for end in (600, len(data) // 2, 199_000):
        with pytest.raises(ClipmillError, match="damaged"):
            read(data[:end])
    assert DamagedArchive.exit_code == 2


@pytest.mark.parametrize("what", ["zip", "page", "nothing", "noise"])
def test_what_is_no_tar_is_told(what):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.mp4", b"1")
    data = {
        "zip": out.getvalue(),
        "page": b"<html>" * 200,
        "nothing": b"",
        "noise": FILES["a/x.mp4"],
    }
    with pytest.raises(ClipmillError, match="tgz is no tar; expected one"):
        read(data[what])


def test_archives_inside_are_opened_only_where_it_is_asked():
    inner = gzip.compress(tar({"y.mp4": b"1"}))
    data = tar({"in.tar.gz": inner})
    assert read(data) == {"in/y.mp4": b"1"}
    assert read(data, nested=False) == {"in.tar.gz": inner}


def test_an_error_of_the_line_passes_through():
    def broken():
        yield tar()[:50_000]
        raise ConnectionError("gone")

    archive = iter(Archive(Incoming("x", broken())))
    member = next(archive)
    with pytest.raises(ConnectionError):
        member.file.read()
    squeezed = gzip.compress(tar())

    def refused():
        yield squeezed[:5000]
        raise LookupError

    with pytest.raises(LookupError):
        list(Archive(Incoming("x", refused())))


@given(
    st.lists(st.binary(max_size=9)),
    st.lists(st.tuples(st.sampled_from(["read", "peek", "skip"]), st.integers(0, 12))),
)
def test_it_is_the_blocks_one_after_the_other(pieces, steps):
    whole = io.BytesIO(b"".join(pieces))
    incoming = Incoming("x", pieces)
    for what, size in steps:
        at = whole.tell()
        expected = whole.read(size)
        if what == "skip":
            assert incoming.skip(size) == (len(expected) == size)
        else:
            assert getattr(incoming, what)(size) == expected
        if what == "peek":
            whole.seek(at)
        assert incoming.tell() == whole.tell()
    assert incoming.read() == whole.read()

"""RAR by its headers, through both readers that are really there."""

import os
import shutil
import struct
from pathlib import Path

import pytest

from manifests.errors import ClipmillError
from manifests.storage import open_storage
from pipeline.archive import rars
from pipeline.archive.members import Archive
from pipeline.archive.unpack import unpack

SYMLINK, FOLDER = 0o120777, 0o040755
GOAL = b"kick_ball/Goal_1_&_2_#20;-)[_NEW_]!.avi"
TEXT, BYTES = b"hello " * 4000, os.urandom(70_000)


@pytest.fixture(params=["bsdtar", "unar"])
def reader(request) -> str:
    if not shutil.which(request.param):
        if os.environ.get("CI"):
            pytest.fail(f"CI lost {request.param}; apt install libarchive-tools unar")
        pytest.skip(f"needs {request.param}")
    return request.param


def read(path: Path, reader: str | None = None) -> dict[str, bytes]:
    return {member.name: member.file.read() for member in Archive(path, reader=reader)}


def test_both_readers_give_the_members_of_both_versions(tmp_path, rar, reader):
    path = tmp_path / "-x.rar"  # a name that looks like an option
    files = [rar.file(GOAL, TEXT), rar.file(b"empty.avi", b""), rar.file(b"b/c.avi", BYTES)]
    path.write_bytes(rar.archive(files))
    assert read(path, reader) == {GOAL.decode(): TEXT, "empty.avi": b"", "b/c.avi": BYTES}


def test_links_and_folders_are_passed_over_and_what_follows_is_right(tmp_path, rar4, rar5, reader):
    link5 = rar5.record(5, b"\x01\x00\x0b/etc/passwd")
    for rar, link in (
        (rar4, rar4.file(b"l.avi", b"/etc/passwd", SYMLINK)),
        (rar5, rar5.file(b"l.avi", b"", SYMLINK, link5)),
    ):
        path = tmp_path / f"{rar.__name__}.rar"
        path.write_bytes(rar.archive([rar.file(b"a.avi", TEXT), link, rar.file(b"z.avi", BYTES)]))
        archive = Archive(path, reader=reader)
        got = {member.name: member.file.read() for member in archive}
        assert got == {"a.avi": TEXT, "z.avi": BYTES}
        assert archive.passed_over == {"symbolic link": 1}


def test_members_can_be_left_unread(tmp_path, rar, reader):
    path = tmp_path / "a.rar"
    path.write_bytes(rar.archive([rar.file(b"%d.avi" % i, BYTES) for i in range(9)]))
    got = [(m.name, m.file.read(10)) for m in Archive(path, reader=reader)]
    assert got == [(f"{i}.avi", BYTES[:10]) for i in range(9)]


def test_what_is_as_large_as_its_archive_is_no_bomb(tmp_path, rar, reader):
    from pipeline.archive.limits import Limits

    path = tmp_path / "a.rar"
    path.write_bytes(rar.archive([rar.file(b"%d.avi" % i, BYTES) for i in range(40)]))
    tight = Limits(free_bytes=1 << 18, ratio=2)
    assert sum(len(m.file.read()) for m in Archive(path, tight, reader)) == 40 * len(BYTES)
    inner = path.read_bytes()
    path.write_bytes(rar.archive([rar.file(b"i.rar", inner)]))
    assert sum(len(m.file.read()) for m in Archive(path, tight, reader)) == 40 * len(BYTES)


def test_a_rar_of_rars_composes_the_names(tmp_path, rar, reader):
    inner = rar.archive([rar.file(b"wave/x.avi", TEXT)])
    path = tmp_path / "hmdb51_org.rar"
    files = [
        rar.file(b"wave.rar", inner),
        rar.file(b"d\\jump.rar", inner),
        rar.file(b"r.txt", b"t"),
    ]
    path.write_bytes(rar.archive(files))
    assert read(path, reader) == {"wave/wave/x.avi": TEXT, "d/jump/wave/x.avi": TEXT, "r.txt": b"t"}


def test_a_wrong_checksum_is_an_error_of_one_member(tmp_path, rar, reader, monkeypatch):
    path = tmp_path / "a.rar"
    files = [rar.file(b"a.avi", TEXT), rar.file(b"b.avi", BYTES, crc=7), rar.file(b"c.avi", TEXT)]
    path.write_bytes(rar.archive(files))
    with pytest.raises(ClipmillError, match=f"cannot be read by {reader} .*b.avi"):
        read(path, reader)
    monkeypatch.setattr(rars, "readers", lambda: [reader])
    root = open_storage(tmp_path / "root")
    for written, skipped in ((2, 0), (0, 2)):
        done = unpack(path, lambda name: name, root)
        assert (done.written, done.skipped) == (written, skipped)
        assert done.damaged.keys() == {"b.avi"} and "'b.avi' has" in str(done.damaged["b.avi"])
        assert root.list(".") == {"a.avi": len(TEXT), "c.avi": len(TEXT)}


def test_damage_in_a_rar_of_rars_takes_one_member(tmp_path, rar):
    inner = [rar.archive([rar.file(b"%d.avi" % i, TEXT) for i in (n, n + 1)]) for n in (1, 3, 5)]
    whole = rar.archive([rar.file(b"%d.rar" % i, data) for i, data in enumerate(inner)])
    path, root = tmp_path / "a.rar", open_storage(tmp_path / "root")
    for at, lost, over in (
        (whole.index(b"3.avi") + len(TEXT) // 2, {"1/3.avi"}, {}),
        (whole.index(b"3.avi"), set(), {"damaged archive inside": 1}),  # a name: all after it
    ):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        done = unpack(path, lambda name: name, root)
        assert done.damaged.keys() == lost and done.passed_over == over
        assert {"0/1.avi", "0/2.avi", "2/5.avi", "2/6.avi"} <= {
            f"{folder}/{name}" for folder in "012" for name in root.list(folder)
        }
    assert root.list("1") == {"4.avi": len(TEXT)}


def test_a_damaged_header_names_its_place(tmp_path, rar):
    data = bytearray(rar.archive([rar.file(b"name.avi", TEXT)]))
    data[data.index(b"name.avi")] ^= 1
    path = tmp_path / "a.rar"
    path.write_bytes(data)
    with pytest.raises(ClipmillError, match=r"header at .* has a wrong checksum"):
        read(path)


def test_cut_off_anywhere_is_an_error(tmp_path, rar):
    data = rar.archive([rar.file(b"a.avi", b"x" * 50), rar.file(b"b.avi", b"y" * 50)])
    path = tmp_path / "a.rar"
    whole = {"a.avi": b"x" * 50, "b.avi": b"y" * 50}
    for end in range(len(rar.mark), len(data)):
        path.write_bytes(data[:end])
        try:
            got = read(path)
        except ClipmillError:
            continue
        # Version 4 needs no end block: what was read are whole members.
        assert got.items() <= whole.items() and rar.mark == b"Rar!\x1a\x07\x00"


def test_encrypted_ones_say_so(tmp_path, rar4, rar5):
    crypt = rar5.block(4, 0, tail=bytes(20))
    cases = {
        "member4": rar4.archive([rar4.file(b"a.avi", TEXT, flags=4)]),
        "headers4": rar4.archive([], flags=0x80),
        "member5": rar5.archive([rar5.file(b"a.avi", TEXT, extra=rar5.record(1, bytes(20)))]),
        "headers5": rar5.mark + crypt,
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ClipmillError, match="is encrypted"):
            read(tmp_path / name)


def test_volumes_say_so(tmp_path, rar4, rar5):
    cases = {
        "first4": rar4.archive([], flags=1),
        "next4": rar4.archive([rar4.file(b"a.avi", TEXT)], end=1),
        "split4": rar4.archive([rar4.file(b"a.avi", TEXT, flags=2)]),
        "first5": rar5.archive([], flags=1),
        "next5": rar5.archive([rar5.file(b"a.avi", TEXT)], end=1),
        "split5": rar5.archive([rar5.file(b"a.avi", TEXT, flags=0x10)]),
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ClipmillError, match="one volume of several"):
            read(tmp_path / name)


def test_without_a_reader_the_packages_are_named(tmp_path, rar, monkeypatch):
    path = tmp_path / "UCF101.rar"
    path.write_bytes(rar.archive([rar.file(b"a.avi", TEXT)]))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClipmillError, match=r"apt install libarchive-tools.*apt install unar"):
        read(path)


def test_the_second_reader_takes_over(tmp_path, rar, monkeypatch):
    if not shutil.which("unar"):
        pytest.skip("needs unar")
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "unar").symlink_to(str(shutil.which("unar")))
    broken = bin / "bsdtar"
    broken.write_text("#!/bin/sh\nhead -c 24010 /dev/zero; echo unsupported filter >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}:/usr/bin:/bin")
    path = tmp_path / "a.rar"
    path.write_bytes(rar.archive([rar.file(b"a.avi", bytes(24_000)), rar.file(b"b.avi", BYTES)]))
    root = open_storage(tmp_path / "root")
    done = unpack(path, lambda name: name, root)
    assert (done.written, done.skipped) == (2, 0)
    assert root.read("a.avi") == bytes(24_000) and root.read("b.avi") == BYTES


def test_a_reader_that_sticks_is_ended(tmp_path, rar, monkeypatch):
    from pipeline.archive.limits import Limits

    sleeper = tmp_path / "bsdtar"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / "a.rar"
    path.write_bytes(rar.archive([rar.file(b"a.avi", TEXT)]))
    with pytest.raises(rars.UnreadableRar, match=r"gave nothing for 0\.2 s"):
        list(Archive(path, Limits(stall_seconds=0.2), "bsdtar"))


def test_names_of_version_4_in_their_three_encodings(tmp_path, rar4, reader):
    def units(text: str) -> bytes:  # each character as a UTF-16 unit: steps 10 10 10 10
        raw = text.encode("utf-16-le")
        chunks = [raw[at : at + 8] for at in range(0, len(raw), 8)]
        return b"\0" + b"".join(b"\xaa" + chunk for chunk in chunks)

    run = b"abcd.avi\0" + bytes([0x04, 0b11_01_00_00, 0x01, 0x30, 0x76]) + b"\xc0\x01"
    files = [
        rar4.file("größe.avi".encode(), b"1"),
        rar4.file(b"???.avi\0" + units("漢字é.avi"), b"2", flags=0x200),
        rar4.file(run, b"3", flags=0x200),
    ]
    path = tmp_path / "a.rar"
    path.write_bytes(rar4.archive(files))
    names = list(read(path, reader))
    assert names[:2] == ["größe.avi", "漢字é.avi"]
    assert names[2].startswith("abc") and names[2][3] == "\u0430"  # a run of 3, then page 4


def test_headers_of_any_length_end_as_errors(tmp_path, rar4, rar5):
    huge = rar5.mark + struct.pack("<I", 0) + rar5.number(1 << 60)
    none = rar4.mark + struct.pack("<HBHH", 0, 0x73, 0, 0)
    for name, data in {"huge": huge, "none": none}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ClipmillError, match="is damaged"):
            read(tmp_path / name)

"""Members of every kind of archive, told by content; archives inside; names."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.archive.limits import Limits
from pipeline.archive.listing import names
from pipeline.archive.members import Archive, members

FILES = {
    "UCF-101/Jump/v_Jump_g01_c01.avi": os.urandom(300_000),
    "Goal_1_&_2 [_NEW_]!;-).avi": b"x" * 100_000,
    "empty.avi": b"",
    "d/" + "long" * 60 + ".avi": b"y",
    "größe/漢字.avi": b"z" * 513,
}
SQUEEZE = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def tar(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def read(path: Path) -> dict[str, bytes]:
    return {member.name: member.file.read() for member in members(path)}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("squeeze", SQUEEZE)
def test_tars_of_every_compression(tmp_path, squeeze, form):
    path = tmp_path / "no-telling-name"
    path.write_bytes(SQUEEZE[squeeze](tar(FILES, form)))
    assert read(path) == FILES
    assert names(path) == list(FILES)


@pytest.mark.parametrize("method", [0, 8, 12])
def test_zips_of_every_method_in_the_files_order(tmp_path, method):
    path = tmp_path / "a.rar"
    path.write_bytes(zipped(FILES, method))
    assert read(path) == FILES
    assert names(path) == list(FILES)


def test_streams_one_after_the_other_are_one(tmp_path):
    whole = tar(FILES)
    pieces = [whole[at : at + 77_777] for at in range(0, len(whole), 77_777)]
    for name, squeeze in SQUEEZE.items():
        path = tmp_path / name
        path.write_bytes(b"".join(map(squeeze, pieces)) + (bytes(2000) if name == "gzip" else b""))
        assert read(path) == FILES, name


def test_members_can_be_left_unread_and_are_closed(tmp_path):
    for name, data in {"a.tar": tar(FILES), "a.zip": zipped(FILES), "a.tgz": tar(FILES)}.items():
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name == "a.tgz" else data)
        kept = []
        for member in members(path):
            assert member.size == len(FILES[member.name])
            assert member.file.read(100) == FILES[member.name][:100]
            kept.append(member.file)
        assert all(file.closed for file in kept)


def test_archives_inside_are_opened_one_level_deep(tmp_path):
    inner, other = {"wave/x.avi": b"1" * 999}, {"deep.zip": zipped({"y.avi": b"2"})}
    whole = {
        "a/wave.zip": zipped(inner),
        "b/wave.tar.gz": gzip.compress(tar(inner)),
        "other.tar": tar(other),
        "labels.csv.gz": gzip.compress(b"no tar"),
        "BZh.avi": b"BZh, by chance",
    }
    expected = {
        "a/wave/wave/x.avi": inner["wave/x.avi"],
        "b/wave/wave/x.avi": inner["wave/x.avi"],
        "other/deep.zip": other["deep.zip"],
        "labels.csv.gz": whole["labels.csv.gz"],
        "BZh.avi": whole["BZh.avi"],
    }
    for data in (tar(whole), zipped(whole)):
        path = tmp_path / "outer"
        path.write_bytes(data)
        assert read(path) == expected
        assert names(path) == list(expected)


def test_names_of_a_rar_come_without_a_reader(tmp_path, rar, monkeypatch):
    monkeypatch.setenv("PATH", "")
    path = tmp_path / "a.rar"
    path.write_bytes(rar.archive([rar.file(b"x\\a.avi", b"1"), rar.file(b"x/a.avi", b"2")]))
    assert names(path) == ["x/a.avi"]
    path.write_bytes(rar.archive([rar.file(b"wave.rar", b"1")]))
    with pytest.raises(ClipmillError, match="neither bsdtar nor unar"):
        names(path)


def test_what_is_passed_over_is_counted(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"{kind}.avi")
            info.type, info.linkname = kind, "good.avi"
            archive.addfile(info)
        for name in ("good.avi", "./good.avi"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    path = tmp_path / "a.tar"
    path.write_bytes(out.getvalue())
    archive = Archive(path)
    assert [member.name for member in archive] == ["good.avi"]
    assert archive.passed_over == {
        "symbolic link": 1,
        "hard link": 1,
        "pipe": 1,
        "device": 1,
        "name that came before": 1,
    }


def test_what_is_no_archive_says_so(tmp_path):
    path = tmp_path / "a.rar"
    for data in (b"", b"hello", bytes(4000), gzip.compress(b"no tar"), b"Rar!"):
        path.write_bytes(data)
        with pytest.raises(ClipmillError, match="is no zip, tar or rar"):
            read(path)
    os.mkfifo(tmp_path / "pipe")
    for odd, says in (("pipe", "is no regular file"), ("none", "does not exist")):
        with pytest.raises(ClipmillError, match=says):
            read(tmp_path / odd)
    path.write_bytes(zipped({}))
    with pytest.raises(ClipmillError, match="holds no regular file"):
        read(path)


def test_limits_are_those_given(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({f"{i}.avi": b"x" * 1000 for i in range(9)}))
    for limits, says in (
        (Limits(members=8), "more than 8 members"),
        (Limits(total_bytes=8000), "more than 8,000 bytes"),
        (Limits(ratio=2, free_bytes=10), "more than 2 times its size"),
    ):
        with pytest.raises(ClipmillError, match=says):
            [member.file.read() for member in members(path, limits)]


def test_real_sizes_pass(tmp_path):
    """A tar of 1.5 GB and a zip of 20,000 members, as sparse as the disk makes them."""
    path = tmp_path / "large.tar"
    info = tarfile.TarInfo("video.mp4")
    info.size = 3 << 29
    with path.open("wb") as out:
        out.write(info.tobuf())
        out.truncate(512 + info.size)
        out.seek(0, os.SEEK_END)
        out.write(tar({"last.avi": b"1"}))
    got = {member.name: member.file.read(10) for member in members(path)}
    assert got == {"video.mp4": bytes(10), "last.avi": b"1"}
    path = tmp_path / "many.zip"
    path.write_bytes(zipped({f"UCF-101/c/v_{i}.avi": b"" for i in range(20_000)}, 0))
    assert len(names(path)) == 20_000


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300).filter(
    lambda name: "\0" not in name
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(NAMES, st.binary(max_size=2000).map(b"\0".__add__), min_size=1, max_size=6),
    st.booleans(),
)
def test_any_tar_is_read_as_the_library_reads_it_or_refused(tmp_path_factory, files, pax):
    path = tmp_path_factory.mktemp("any") / "a.tar"
    path.write_bytes(tar(files, tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT))
    try:
        got = read(path)
    except ClipmillError as error:
        assert any(word in str(error) for word in ("name", "absolute", "no regular file"))
        return
    with tarfile.open(path) as archive:
        whole = [(info.name, archive.extractfile(info)) for info in archive if info.isreg()]
    assert len(got) <= len(whole) and set(got.values()) <= set(files.values())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=2000),
    st.sampled_from([b"", b"PK\3\4", b"Rar!\x1a\x07\x00", b"\x1f\x8b\x08"]),
)
def test_any_bytes_end_in_a_sentence(tmp_path_factory, data, magic):
    path = tmp_path_factory.mktemp("any") / "a"
    path.write_bytes(magic + data)
    with pytest.raises(ClipmillError):
        read(path)

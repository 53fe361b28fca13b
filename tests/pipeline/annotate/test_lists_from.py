"""The same lists from a folder, a file, archives of every kind, and a real server."""

import io
import os
import shutil
import tarfile
import tempfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from manifests.errors import ClipmillError
from pipeline.annotate import lists_from as module
from pipeline.annotate.lists_from import lists_from
from pipeline.annotate.ucf101_lists import find_lists
from pipeline.archive import listing

LISTS = {
    "ucfTrainTestlist/classInd.txt": b"1 A\n",
    "ucfTrainTestlist/trainlist01.txt": b"A/v_A_g01_c01.avi 1\n",
    "ucfTrainTestlist/testlist01.txt": b"A/v_A_g02_c01.avi\n",
}


def packed(kind: str, members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(fileobj=out, mode=f"w:{kind}") as archive:
            for name, data in members.items():
                made = tarfile.TarInfo(name)
                made.size = len(data)
                archive.addfile(made, io.BytesIO(data))
    return out.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_folder_and_a_file_are_given_as_they_are(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("label,youtube_id\n")
    for where in (path, tmp_path):
        with lists_from(str(where)) as given:
            assert given == where


@pytest.mark.parametrize("kind", ["zip", "", "gz", "bz2", "xz"])
def test_an_archive_is_told_by_content_and_gone_afterwards(tmp_path, temporary, kind):
    path = tmp_path / "lists.dat"
    path.write_bytes(packed(kind, LISTS | {"README.pdf": b"%PDF"}))
    with lists_from(str(path)) as given:
        assert contents(given) == LISTS
        assert find_lists(given)[1] == [1]
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("first_fails", [False, True])
def test_a_rar_of_lists(tmp_path, monkeypatch, first_fails):
    if not (shutil.which("bsdtar") and shutil.which("unar")):
        pytest.skip("needs both RAR readers")
    if first_fails:
        (tmp_path / "bin").mkdir()
        broken = tmp_path / "bin/bsdtar"
        broken.write_text("#!/bin/sh\necho unsupported filter >&2; exit 1\n")
        broken.chmod(0o755)
        monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    import struct
    import zlib

    data, name = b"x.avi 1 \n", b"testTrainMulti_7030_splits\\brush_hair_test_split1.txt"
    fields = (len(data), len(data), 3, zlib.crc32(data), 0x52210000, 20, 0x30, len(name), 0o100644)
    rar = b"Rar!\x1a\x07\x00"
    for kind, flags, body in (
        (0x73, 0, bytes(6)),
        (0x74, 0x8000, struct.pack("<IIBIIBBHI", *fields) + name),
    ):
        rest = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
        rar += struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest
    path = tmp_path / "test_train_splits.rar"
    path.write_bytes(rar + data)
    with lists_from(str(path)) as given:
        assert contents(given) == {
            "testTrainMulti_7030_splits/brush_hair_test_split1.txt": b"x.avi 1 \n"
        }
    outer = tmp_path / "outer.zip"  # names of an archive inside need a reader, too
    outer.write_bytes(packed("zip", {"in.rar": rar + data}))
    assert listing.names(outer) == ["in/testTrainMulti_7030_splits/brush_hair_test_split1.txt"]


def test_names_are_made_harmless_and_none_is_lost(tmp_path, temporary):
    names = ["a/b/train.csv", "c/b/train.csv", "x/$(id)\n|;.csv", "y/._train.csv", "top.csv"]
    names += ["z/" + "n" * 300 + ".txt"]
    path = tmp_path / "lists.tar"
    path.write_bytes(packed("", {name: name.encode() for name in names}))
    with lists_from(str(path)) as given:
        assert given.parent == temporary
        got = contents(given)
    assert got.keys() == {
        "b/train.csv",
        "b~2/train.csv",
        "x/_(id)__;.csv",
        "top.csv",
        "z/" + "n" * 196 + ".txt",
    }
    assert set(got.values()) == {name.encode() for name in names if "._" not in name}


def test_large_texts_are_refused_and_large_json_left(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    path = tmp_path / "lists.zip"
    path.write_bytes(packed("zip", {"k/train.csv": b"x" * 900, "k/train.json": b"y" * 900}))
    with lists_from(str(path)) as given:
        assert contents(given).keys() == {"k/train.csv"}
    path.write_bytes(packed("zip", {"k/train.csv": b"x" * 900, "k/val.csv": b"y" * 900}))
    with pytest.raises(ClipmillError, match="of text; expected lists"), lists_from(str(path)):
        pass


def test_what_holds_no_lists_says_so(tmp_path, temporary):
    path = tmp_path / "UCF101.zip"
    path.write_bytes(packed("zip", {"a.avi": b"x"}))
    with pytest.raises(ClipmillError, match=r"holds no \.txt or \.csv"), lists_from(str(path)):
        pass
    with pytest.raises(ClipmillError, match="does not exist"), lists_from(str(tmp_path / "no")):
        pass
    with pytest.raises(ClipmillError, match="neither http nor https"), lists_from("s3://b/l.zip"):
        pass
    assert not list(temporary.iterdir())


def test_a_url_of_a_list_and_of_an_archive(tmp_path, temporary):
    served = tmp_path / "served"
    served.mkdir()
    (served / "val.csv").write_bytes(b"label,youtube_id\n")
    (served / "download").write_bytes(packed("gz", LISTS))
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.func.log_message = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        root = f"http://127.0.0.1:{server.server_address[1]}"
        with lists_from(f"{root}/val.csv") as given:
            assert given.name == "val.csv" and given.read_bytes() == b"label,youtube_id\n"
        with lists_from(f"{root}/download?id=7") as given:
            assert contents(given) == LISTS
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert not list(temporary.iterdir())

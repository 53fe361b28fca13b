"""Videos out of archives: the right member for each clip, resumed after any fault, then packed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.storage import open_storage
from pipeline.acquiring.finding import Span, own_folders
from pipeline.acquiring.from_archive import Names, take_out
from pipeline.acquiring.locate import is_own
from pipeline.annotate.sources import source_of
from pipeline.verifying.verify import verify

Make = Callable[..., Any]
NAMES = ("run/a.avi", "run/b.avi", "jump/c.avi", "jump/d & [e];.avi")  # in the folder `mine`
CLIPS = len(NAMES)


def plain(source: str) -> Span:
    return Span(source, None, None)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("top", ["", "UCF-101/"])
@pytest.mark.parametrize("kind", ["my.zip", "my.tar", "my.tar.gz"])
def test_an_archive_gives_what_its_folder_gives(
    tmp_path: Path,
    mine: Path,
    archived: Make,
    annotate_mine: Make,
    digests: Make,
    run_stages: Make,
    kind: str,
    top: str,
) -> None:
    archive = archived(kind, top)
    annotate_mine(tmp_path / "from-folder", mine)
    annotate_mine(tmp_path / "from-archive", archive)
    archive.unlink()  # what was taken out is enough from here on
    for name in ("from-folder", "from-archive"):
        run_stages(tmp_path / name, "pack")
    found = digests(tmp_path / "from-archive")
    assert found == digests(tmp_path / "from-folder") and len(found) == CLIPS
    assert verify(Dataset.open(str(tmp_path / "from-archive")), Ui(quiet=True))["problems"] == []
    assert len(files_in(tmp_path / "from-archive" / "videos")) == CLIPS


def test_what_the_archive_lacks_is_a_row(
    tmp_path: Path, archived: Make, annotate_mine: Make, rows_of: Make
) -> None:
    csv = tmp_path / "list.csv"
    csv.write_text("path,label\nrun/a.avi,run\nrun/away.avi,run\njump/a.avi,jump\n")
    annotate_mine(tmp_path / "root", archived("my.zip"), csv)
    text = f"{tmp_path}/my.zip holds no video for file:"
    found = {(row["reason"], row["message"]) for row in rows_of(tmp_path / "root", "download")}
    lacking = {("missing", f"{text}{name}") for name in ("jump/a.avi", "run/away.avi")}
    assert found == lacking | {(None, None)}


def test_what_is_damaged_in_the_archive_is_a_row(
    tmp_path: Path, mine: Path, archived: Make, annotate_mine: Make, rows_of: Make, run_stages: Make
) -> None:
    archive, csv = archived("my.zip"), tmp_path / "list.csv"
    csv.write_text("\n".join(["path,label", *(f"{name},{name[:3]}" for name in NAMES)]))
    whole, lost = archive.read_bytes(), archive.read_bytes().index(b"run/b.avi") + 500
    archive.write_bytes(whole[:lost] + bytes([whole[lost] ^ 1]) + whole[lost + 1 :])
    annotate_mine(tmp_path / "root", archive, csv)
    rows = rows_of(tmp_path / "root", "download")
    [failed] = [row for row in rows if row["status"] == "failed"]
    assert len(rows) == CLIPS and failed["reason"] == "corrupt"
    assert "my.zip is damaged: 'run/b.avi' cannot be read" in failed["message"]
    archive.write_bytes(whole)  # fetched again
    annotate_mine(tmp_path / "root", archive, csv)
    assert files_in(tmp_path / "root/videos")
    run_stages(tmp_path / "root", "pack")
    found = sorted(path.read_bytes() for path in files_in(tmp_path / "root/videos"))
    assert found == sorted((mine / name).read_bytes() for name in NAMES)


@pytest.mark.parametrize("kind", ["part_0.tar.gz", "part_0.zip"])
def test_kinetics_members_serve_their_clips(
    tmp_path: Path, make_video: Make, write_members: Make, kind: str
) -> None:
    data, storage = make_video("a.mp4").read_bytes(), open_storage(tmp_path / "root")
    video, other = "-b_000010_c", "aaaaaaaaaaa"
    names = (f"{video}_000010_000020.mp4", f"x/{other}.MP4", "bbbbbbbbbbb_000001_000011.mp4")
    left = {f"._{names[0]}": b"mac", f"{video}.json": b"{}"}
    write_members(tmp_path / kind, left | dict.fromkeys(names, data))
    spans = [Span(f"youtube:{video}", 10, 20), Span(f"youtube:{other}", 5, 15)]
    take_out(tmp_path / kind, spans, storage, Ui(quiet=True))
    taken = files_in(tmp_path / "root" / "videos")
    assert [path.read_bytes() == data for path in taken] == [True, True]
    own = [path.relative_to(tmp_path / "root").as_posix() for path in taken]
    assert sorted(sum(is_own(span.source, name) for name in own) for span in spans) == [1, 1]


@pytest.mark.skipif(not shutil.which("bsdtar"), reason="needs bsdtar (libarchive-tools)")
def test_an_archive_of_archives_as_hmdb51_is(
    tmp_path: Path, mine: Path, annotate_mine: Make, digests: Make, run_stages: Make
) -> None:
    for label in ("run", "jump"):  # each class in an archive of its own, as in hmdb51_org.rar
        inner = ["bsdtar", "-cf", tmp_path / f"{label}.tar", "-C", mine, label]
        subprocess.run(inner, check=True)
    outer = ["bsdtar", "-cf", tmp_path / "all.tar", "-C", tmp_path, "run.tar", "jump.tar"]
    subprocess.run(outer, check=True)
    csv = tmp_path / "list.csv"
    names = [path.relative_to(mine).as_posix() for path in files_in(mine)]
    csv.write_text("\n".join(["path,label", *(f"{name},{name.split('/')[0]}" for name in names)]))
    for name, videos in (("a", tmp_path / "all.tar"), ("b", mine)):
        annotate_mine(tmp_path / name, videos, csv)
        run_stages(tmp_path / name, "pack")
    found = digests(tmp_path / "a")
    assert found == digests(tmp_path / "b") and len(found) == CLIPS


PATHS = st.lists(st.text("ab.é[", min_size=1), min_size=1, max_size=3).map("/".join)


@given(PATHS, PATHS, st.booleans())
def test_members_match_whole_parts_of_paths(path: str, above: str, deeper: bool) -> None:
    names = Names([plain(source_of(path))])
    member = f"{above}/{path}" if deeper else path
    own = names(member)
    assert own is not None and is_own(source_of(path), own)
    assert names(member) == own  # asked again, the same member gets the same name
    assert Names([plain(source_of(path))])("x" + path) is None
    assert Names([plain(source_of(path))])(path + "x") is None


def test_the_first_of_two_members_is_taken(
    tmp_path: Path, write_members: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Ui, "warn", lambda self, text: said.append(text))
    write_members(tmp_path / "my.zip", {"one/run/a.avi": b"first", "two/run/a.avi": b"second"})
    storage = open_storage(tmp_path / "root")
    take_out(tmp_path / "my.zip", [plain("file:run/a.avi")], storage, Ui(quiet=True))
    [taken] = files_in(tmp_path / "root" / "videos")
    assert taken.read_bytes() == b"first"
    assert len(said) == 1 and "'two/run/a.avi' among them" in said[0]


@pytest.mark.parametrize("fault", ["KILL", "ENOSPC", "EIO", "SHORT"])
def test_stopped_at_any_operation_it_goes_on(
    tmp_path: Path, mine: Path, archived: Make, faults: ModuleType, fault: str
) -> None:
    archive, sources = archived("my.tar.gz"), [f"file:{name}" for name in NAMES]

    def take(root: Path) -> None:
        spans = [plain(source) for source in sources]
        take_out(archive, spans, open_storage(root), Ui(quiet=True))

    count = faults.trial(lambda: take(tmp_path / "whole")).value[1]
    for at in range(1, count + 1):
        root = tmp_path / f"{at}"
        ended = faults.trial(lambda root=root: take(root), at, fault)
        stopped = faults.KILLED if fault in ("KILL", "SHORT") else faults.STOPPED
        assert ended.code in (0, stopped), ended.trace
        for folder in own_folders():
            open_storage(root).clean(folder)
        take(root)
        found = sorted(path.read_bytes() for path in files_in(root))
        assert found == sorted((mine / name).read_bytes() for name in NAMES)


def test_what_is_no_archive_is_an_error(tmp_path: Path, annotate_mine: Make) -> None:
    csv = tmp_path / "list.csv"
    csv.write_text("path,label\nrun/a.avi,run\n")
    for given_csv in (None, csv):
        with pytest.raises(ClipmillError, match=r"list\.csv"):
            annotate_mine(tmp_path / "root", csv, given_csv)

"""Videos out of archives: the right member for each clip, resumed after any kill, then packed."""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import Annotation
from manifests.spec import ClipSpec
from manifests.storage import open_storage
from pipeline import annotating, running
from pipeline.annotate.folder import read_folder
from pipeline.annotate.sources import source_of
from pipeline.finding import Span
from pipeline.from_archive import Names, take_out
from pipeline.locate import is_own
from pipeline.verify import verify

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)
NAMES = ("run/a.avi", "run/b.avi", "jump/c.avi", "jump/d & [e];.avi")
Make = Callable[..., Path]


def annotate(root: Path, videos: Path, csv: Path | None = None) -> Annotation:
    found = read_folder(videos, csv=csv, val=0, test=0, seed=0, name="mine")
    options = running.Options(jobs=1, retry="failed")
    annotating.annotate(str(root), found, SPEC, 0, videos, options, Ui(quiet=True))
    return found


def rows(root: Path, table: str) -> list[dict[str, Any]]:
    return Dataset.open(str(root)).parts(table).to_pylist()


def digests(root: Path) -> dict[str, str]:
    return {row["clip_id"]: row["xxh3"] for row in rows(root, "samples")}


def plain(source: str) -> Span:
    return Span(source, None, None)


@pytest.fixture
def own(tmp_path: Path, make_video: Make) -> Path:
    """A folder of two classes with two videos each."""
    for number, name in enumerate(NAMES):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(make_video("a.avi", hue=40 * number), path)
    return tmp_path / "mine"


def archived(folder: Path, archive: Path, top: str = "") -> Path:
    """Put a folder into an archive of the kind its name says, with a Mac's files beside."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = [(top + path.relative_to(folder).as_posix(), path.read_bytes()) for path in files]
    named += [(f"__MACOSX/{top}run/._a.avi", b"mac"), (f"{top}run/notes.txt", b"text")]
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as out:
            for name, data in named:
                out.writestr(name, data)
        return archive
    with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as out:
        for name, data in named:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return archive


@pytest.mark.parametrize("top", ["", "UCF-101/"])
@pytest.mark.parametrize("kind", ["my.zip", "my.tar", "my.tar.gz"])
def test_an_archive_gives_what_its_folder_gives(
    tmp_path: Path, own: Path, run_stages: Any, kind: str, top: str
) -> None:
    archive = archived(own, tmp_path / kind, top)
    annotate(tmp_path / "from-folder", own)
    annotate(tmp_path / "from-archive", archive)
    archive.unlink()  # what was taken out is enough from here on
    for name in ("from-folder", "from-archive"):
        run_stages(tmp_path / name, "pack")
    assert digests(tmp_path / "from-archive") == digests(tmp_path / "from-folder")
    assert len(digests(tmp_path / "from-archive")) == len(NAMES)
    assert verify(Dataset.open(str(tmp_path / "from-archive")), Ui(quiet=True))["problems"] == []
    taken = [path for path in (tmp_path / "from-archive/videos").rglob("*") if path.is_file()]
    assert len(taken) == len(NAMES)


def test_what_the_archive_lacks_is_a_row(tmp_path: Path, own: Path) -> None:
    csv = tmp_path / "list.csv"
    csv.write_text("path,label\nrun/a.avi,run\nrun/away.avi,run\njump/a.avi,jump\n")
    annotate(tmp_path / "root", archived(own, tmp_path / "my.zip"), csv)
    states = {
        row["path"] is None: (row["reason"], row["message"])
        for row in rows(tmp_path / "root", "download")
    }
    text = f"{tmp_path}/my.zip holds no video for file:"
    found = [row["message"] for row in rows(tmp_path / "root", "download") if row["reason"]]
    assert sorted(found) == [f"{text}jump/a.avi", f"{text}run/away.avi"]
    assert states[True][0] == "missing" and states[False] == (None, None)


def test_kinetics_members_serve_their_clips(tmp_path: Path, make_video: Make) -> None:
    archive, storage = tmp_path / "part_0.tar.gz", open_storage(tmp_path / "root")
    data = make_video("a.mp4").read_bytes()
    video, other = "-b_000010_c", "aaaaaaaaaaa"
    with tarfile.open(archive, "w:gz") as out:
        for name in (
            f"{video}_000010_000020.mp4",
            f"x/{other}.MP4",
            "bbbbbbbbbbb_000001_000011.mp4",
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    spans = [Span(f"youtube:{video}", 10, 20), Span(f"youtube:{other}", 5, 15)]
    take_out(archive, spans, storage, Ui(quiet=True))
    taken = sorted(path for path in (tmp_path / "root/videos").rglob("*") if path.is_file())
    assert [path.read_bytes() == data for path in taken] == [True, True]
    names = sorted(path.relative_to(tmp_path / "root").as_posix() for path in taken)
    assert sum(is_own(span.source, name) for span in spans for name in names) == 2


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


def test_the_first_of_two_members_is_taken(tmp_path: Path, monkeypatch: Any) -> None:
    said: list[str] = []
    monkeypatch.setattr(Ui, "warn", lambda self, text: said.append(text))
    with zipfile.ZipFile(tmp_path / "my.zip", "w") as out:
        out.writestr("one/run/a.avi", b"first")
        out.writestr("two/run/a.avi", b"second")
    storage = open_storage(tmp_path / "root")
    take_out(tmp_path / "my.zip", [plain("file:run/a.avi")], storage, Ui(quiet=True))
    [taken] = [path for path in (tmp_path / "root/videos").rglob("*") if path.is_file()]
    assert taken.read_bytes() == b"first"
    assert len(said) == 1 and "'two/run/a.avi' among them" in said[0]


def test_killed_at_any_time_it_goes_on(tmp_path: Path, own: Path, run_stages: Any) -> None:
    archive, root = archived(own, tmp_path / "my.tar.gz"), tmp_path / "root"
    annotate(tmp_path / "whole", archive)
    command = [sys.executable, "clipmill.py", "annotate", "folder", "--root", str(root)]
    command += ["--videos", str(archive), "--frames", "4", "--size", "16", "--jobs", "1"]
    command += ["--val", "0", "--test", "0", "--sampling", "stride 2", "--name", "mine"]
    for wait in (0.3, 0.6, 0.9):
        child = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
        time.sleep(wait)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    annotate(root, archive)
    for name in ("root", "whole"):
        run_stages(tmp_path / name, "pack")
    assert digests(root) == digests(tmp_path / "whole") and len(digests(root)) == len(NAMES)
    left = [path.name for path in (root / "videos").rglob("*") if path.is_file()]
    assert len(left) == len(NAMES) and not [name for name in left if name.startswith(".")]


def test_another_archive_is_taken_out_anew_where_nothing_is_packed(
    tmp_path: Path, own: Path, run_stages: Any
) -> None:
    root = tmp_path / "root"
    annotate(root, archived(own, tmp_path / "first.zip"))
    data = bytearray((own / NAMES[0]).read_bytes())
    data[-100] ^= 1  # of the same size
    (own / NAMES[0]).write_bytes(data)
    annotate(root, archived(own, tmp_path / "second.zip"))
    annotate(tmp_path / "fresh", tmp_path / "second.zip")
    newest = {row["clip_id"]: row for row in rows(root, "download") if row["attempt"] == 2}
    fresh = {row["clip_id"]: row["sha256"] for row in rows(tmp_path / "fresh", "download")}
    assert {clip: row["sha256"] for clip, row in newest.items()} == fresh
    run_stages(root, "pack")
    annotate(root, archived(own, tmp_path / "third.zip"))
    assert max(row["attempt"] for row in rows(root, "download")) == 2


def test_from_archive_to_folder_and_back(tmp_path: Path, own: Path, run_stages: Any) -> None:
    root, archive = tmp_path / "root", archived(own, tmp_path / "my.zip")
    os.utime(archive, (1e9, 1e9))
    for videos, attempts in ((archive, [1] * 4), (own, [1] * 4), (own, [1] * 4)):
        annotate(root, videos)
        assert [row["attempt"] for row in rows(root, "download")] == attempts
    annotate(root, archive)  # another place than before
    assert max(row["attempt"] for row in rows(root, "download")) == 2
    run_stages(root, "pack")
    assert len(digests(root)) == len(NAMES)


def test_what_is_no_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label\nrun/a.avi,run\n")
    with pytest.raises(ClipmillError, match=r"list\.csv"):
        annotate(tmp_path / "root", tmp_path / "list.csv")
    with pytest.raises(ClipmillError, match=r"list\.csv"):
        annotate(tmp_path / "root", tmp_path / "list.csv", tmp_path / "list.csv")

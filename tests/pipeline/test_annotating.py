"""Annotating: what is packed stays true, exchanged videos are seen, real videos get reasons."""

import os
import shlex
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline import annotating, running
from pipeline.annotate.folder import read_folder
from pipeline.status import status
from pipeline.verifying.verify import verify

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)
Stages = Callable[..., dict[str, Any]]


def annotate(root: Path, videos: Path, spec: ClipSpec = SPEC, csv: Path | None = None) -> None:
    found = read_folder(videos, csv=csv, val=0, test=0, seed=0, name="mine")
    options = running.Options(jobs=1, retry="failed")
    annotating.annotate(str(root), found, spec, 0, videos, options, Ui(quiet=True))


def rows(root: Path, table: str) -> list[dict[str, Any]]:
    return Dataset.open(str(root)).parts(table).to_pylist()


@pytest.fixture
def own(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """A folder of two classes with two videos each."""
    for number, name in enumerate(("run/a.avi", "run/b.avi", "jump/c.avi", "jump/d.avi")):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(make_video("a.avi", hue=40 * number), path)
    return tmp_path / "videos"


def exchanged(videos: Path, make_video: Callable[..., Path]) -> None:
    shutil.copyfile(make_video("a.avi", frames=30, hue=7), videos / "run" / "a.avi")


def test_nothing_changed_nothing_is_done_again(tmp_path: Path, own: Path) -> None:
    root = tmp_path / "root"
    annotate(root, own)
    moved = own.rename(tmp_path / "moved")
    annotate(root, moved)
    assert [row["attempt"] for row in rows(root, "download")] == [1, 1, 1, 1]
    assert Dataset.open(str(root)).videos == str(moved)


def test_a_corrected_label_of_a_packed_clip_is_refused(
    tmp_path: Path, own: Path, run_stages: Stages
) -> None:
    root, csv = tmp_path / "root", tmp_path / "list.csv"
    lines = ["path,label,split", "run/a.avi,run,train", "run/b.avi,run,train"]
    lines += ["jump/c.avi,jump,train", "jump/d.avi,jump,train"]
    csv.write_text("\n".join(lines))
    annotate(root, own, csv=csv)
    run_stages(root, "pack")
    csv.write_text("\n".join(lines).replace("b.avi,run", "b.avi,jump"))
    with pytest.raises(ClipmillError, match=r"clip \S*b\S* is packed .*'run'.*'jump'.*new folder"):
        annotate(root, own, csv=csv)


def test_an_exchanged_video_of_a_packed_clip_is_refused(
    tmp_path: Path, own: Path, run_stages: Stages, make_video: Callable[..., Path]
) -> None:
    root = tmp_path / "root"
    annotate(root, own)
    run_stages(root, "pack")
    before = (root / "dataset.toml").read_text()
    exchanged(own, make_video)
    with pytest.raises(ClipmillError, match=r"is packed .*a\.avi is no longer.*a new folder"):
        annotate(root, own)
    assert (root / "dataset.toml").read_text() == before
    (own / "run" / "a.avi").unlink()
    csv = tmp_path / "list.csv"
    names = ("run/a.avi", "run/b.avi", "jump/c.avi", "jump/d.avi")
    lines = ["path,label,split", *(f"{name},{name.split('/')[0]},train" for name in names)]
    csv.write_text("\n".join(lines))
    annotate(root, own, csv=csv)  # removed after packing: nothing is wrong


def test_another_folder_with_contents_of_the_same_size_is_seen(
    tmp_path: Path, own: Path, run_stages: Stages
) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    annotate(root, own)
    run_stages(root, "pack")
    shutil.copytree(own, other)
    data = bytearray((other / "run" / "a.avi").read_bytes())
    data[-100] ^= 1
    (other / "run" / "a.avi").write_bytes(data)
    with pytest.raises(ClipmillError, match=r"other/run/a\.avi is no longer the video"):
        annotate(root, other)


@pytest.mark.parametrize("first", ["pack", "decode", None])
def test_an_exchanged_video_that_is_not_packed_is_accepted(
    tmp_path: Path,
    own: Path,
    run_stages: Stages,
    make_video: Callable[..., Path],
    first: str | None,
) -> None:
    root, fresh = tmp_path / "root", tmp_path / "fresh"
    annotate(root, own)
    if first == "decode":
        run_stages(root, "decode")
    exchanged(own, make_video)
    if first == "pack":
        run_stages(root, "pack")
        assert [row["reason"] for row in rows(root, "pack")].count("changed") == 1
    annotate(root, own)
    assert sorted(row["attempt"] for row in rows(root, "download")) == [1, 1, 1, 1, 2]
    run_stages(root, "pack", retry="failed")
    annotate(fresh, own)
    run_stages(fresh, "pack")
    digests = [{r["clip_id"]: r["xxh3"] for r in rows(at, "samples")} for at in (root, fresh)]
    assert digests[0] == digests[1] and len(digests[0]) == 4


def test_the_hint_can_be_pasted(tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Ui, "note", lambda self, text: said.append(text))
    annotate(tmp_path / "sp ace", own)
    words = shlex.split(said[-1])
    assert words == ["Next:", "clipmill", "pack", "--root", str(tmp_path / "sp ace")]


def test_without_videos_none_is_looked_at(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Ui, "note", lambda self, text: said.append(text))
    root, options = tmp_path / "root", running.Options(jobs=1)
    found = read_folder(own, csv=None, val=0, test=0, seed=0, name="mine")
    annotating.annotate(str(root), found, SPEC, 0, None, options, Ui(quiet=True))
    dataset = Dataset.open(str(root))
    assert (dataset.videos, len(dataset.clips), rows(root, "download")) == ("", 4, [])
    assert said[-1].startswith("Next: the same command with --videos and the folder or archive")
    report = status(dataset, None)
    assert report["next"].startswith("the same `clipmill annotate` with --videos and the folder")


def test_without_videos_it_is_where_the_last_annotate_said(tmp_path: Path, own: Path) -> None:
    root, options = tmp_path / "root", running.Options(jobs=1)
    annotate(root, own)
    found = read_folder(own, csv=None, val=0, test=0, seed=0, name="mine")
    annotating.annotate(str(root), found, SPEC, 0, None, options, Ui(quiet=True))
    assert Dataset.open(str(root)).videos == str(own)
    assert [row["status"] for row in rows(root, "download")] == ["done"] * 4


@pytest.mark.parametrize(
    ("videos", "says"),
    [
        ("/no/such", r"'/no/such': nothing is there; expected the folder"),
        ("https://example.org/a/b.zip", r"'https://example\.org/a/b\.zip' is an address; expected"),
    ],
)
def test_a_place_that_is_not_there_is_refused(
    tmp_path: Path, own: Path, videos: str, says: str
) -> None:
    found = read_folder(own, csv=None, val=0, test=0, seed=0, name="mine")
    root, options = tmp_path / "root", running.Options(jobs=1)
    with pytest.raises(ClipmillError, match=says):
        annotating.annotate(str(root), found, SPEC, 0, Path(videos), options, Ui(quiet=True))
    assert not root.exists()


@pytest.mark.parametrize("wrong", ["too deep", "empty", "archive"])
def test_a_place_that_holds_no_video_of_the_list_is_told(
    tmp_path: Path,
    own: Path,
    write_members: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
) -> None:
    warned: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(Ui, "warn", lambda self, text: warned.append(text))
    monkeypatch.setattr(Ui, "note", lambda self, text: said.append(text))
    root, options = tmp_path / "root", running.Options(jobs=1, retry="failed")
    found = read_folder(own, csv=None, val=0, test=0, seed=0, name="mine")
    (tmp_path / "empty").mkdir()
    write_members(tmp_path / "other.zip", {"x/y.avi": b"1"})
    place, looked, there = {
        "too deep": (own / "run", f"{own}/run/jump/c.avi", "there lies 'a.avi', 'b.avi'"),
        "empty": (tmp_path / "empty", f"{tmp_path}/empty/jump/c.avi", "the folder is empty"),
        "archive": (tmp_path / "other.zip", "jump/c.avi", "no member of the archive is called so"),
    }[wrong]
    ui = Ui(quiet=True)
    annotating.annotate(str(root), found, SPEC, 0, place, options, ui)
    [text] = warned
    assert text.startswith(f"not one of 4 videos is in {place}: looked for {looked}, for example; ")
    assert text.endswith(f"{there}.") and ui.result["warnings"] == [text]
    assert said[-1].startswith("Next: the same command with --videos")
    report = status(Dataset.open(str(root)), None)
    assert report["next"].startswith("the same `clipmill annotate` with --videos")
    annotating.annotate(str(root), found, SPEC, 0, own, options, ui)
    assert len(warned) == 1 and said[-1] == f"Next: clipmill pack --root {root}"


@pytest.mark.shared
def test_the_real_videos(tmp_path: Path, shared: Path, run_stages: Stages) -> None:
    root = tmp_path / "root"
    annotate(root, shared / "data" / "videos", ClipSpec(frames=8, height=32, width=32))
    run_stages(root, "pack", jobs=min(2, os.cpu_count() or 1))
    found = rows(root, "download") + rows(root, "pack")
    reasons = Counter(row["reason"] for row in found if row["status"] != "done")
    assert reasons == {"no_video": 3, "empty": 1}
    assert len(rows(root, "samples")) == 34
    assert verify(Dataset.open(str(root)), Ui(quiet=True))["problems"] == []

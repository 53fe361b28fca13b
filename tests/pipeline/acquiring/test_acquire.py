"""Acquiring Kinetics clips from files on disk, and what waits where no videos are named."""

import subprocess
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from manifests import annotations
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow, clip_id
from manifests.spec import ClipSpec
from pipeline import annotating, running, stage
from pipeline.acquiring import acquire, units
from pipeline.acquiring.from_archive import take_out

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)
ID, OTHER = "-bcdefghij_", "aaaaaaaaaaa"


def kinetics(*spans: tuple[str, float, float]) -> Annotation:
    """An annotation as a list of Kinetics gives it: id, start, end."""
    clips = [
        Clip(
            clip_id(video, f"youtube:{video}", start, end),
            "k", "run", 0, video, f"youtube:{video}", start, end,
        )
        for video, start, end in spans
    ]  # fmt: skip
    splits = [SplitRow("default", clip.clip_id, "train") for clip in clips]
    return Annotation("k", clips, [Label(0, "run", "run")], splits, ["default"])


def annotate(root: Path, found: Annotation, videos: Path, ui: Ui | None = None) -> None:
    options = running.Options(jobs=1, retry="failed")
    annotating.annotate(str(root), found, SPEC, 0, videos, options, ui or Ui(quiet=True))


def rows(root: Path, table: str) -> list[dict[str, Any]]:
    return Dataset.open(str(root)).parts(table).to_pylist()


def ffmpeg(*args: object) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-threads", "1"]
    subprocess.run([*command, *map(str, args)], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds in which every frame is a key frame, and is another picture."""
    path = tmp_path_factory.mktemp("whole") / f"{ID}.avi"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=48x32:r=25:d=5", "-c:v", "mjpeg", "-q:v", "3", path)
    return path


def test_a_trimmed_file_and_the_whole_give_the_same_frames(
    tmp_path: Path, whole: Path, run_stages: Any
) -> None:
    found = kinetics((ID, 1, 3), (ID, 2, 4))
    for name in ("whole", "trimmed"):
        (tmp_path / name / "deep" / "run").mkdir(parents=True)
    (tmp_path / "whole" / whole.name).hardlink_to(whole)
    for start in (1, 2):
        name = f"{ID}_{start:06d}_{start + 2:06d}.avi"
        # A little longer than its name says, as cut files are.
        copy = ("-ss", start, "-t", 2.2, "-i", whole, "-c", "copy")
        ffmpeg(*copy, tmp_path / "trimmed" / "deep" / "run" / name)
    digests = {}
    for name in ("whole", "trimmed"):
        root = tmp_path / f"root-{name}"
        annotate(root, found, tmp_path / name)
        run_stages(root, "pack")
        digests[name] = {row["clip_id"]: row["xxh3"] for row in rows(root, "samples")}
    assert digests["whole"] == digests["trimmed"]
    assert len(set(digests["whole"].values())) == 2
    begins = [row["file_start_s"] for row in rows(tmp_path / "root-trimmed", "download")]
    assert sorted(begins) == [1.0, 2.0]
    assert {row["file_start_s"] for row in rows(tmp_path / "root-whole", "download")} == {0.0}


def test_a_file_is_looked_at_once_and_what_lacks_is_a_row(
    tmp_path: Path, whole: Path, recorded: Any
) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / whole.name).hardlink_to(whole)
    found = kinetics((ID, 0, 2), (ID, 1, 3), (OTHER, 0, 2))
    annotate(tmp_path / "root", found, tmp_path / "videos")
    assert recorded.asked == [("probe", whole.name, None)]
    states = [(row["status"], row["reason"]) for row in rows(tmp_path / "root", "download")]
    assert sorted(states, key=str) == [("done", None)] * 2 + [("failed", "missing")]
    [lacks] = [row for row in rows(tmp_path / "root", "download") if row["status"] == "failed"]
    assert lacks["message"] == f"{tmp_path}/videos holds no video for youtube:{OTHER}"


def test_a_trimmed_file_that_comes_later_is_no_exchange(
    tmp_path: Path, whole: Path, run_stages: Any
) -> None:
    root, videos, found = tmp_path / "root", tmp_path / "videos", kinetics((ID, 1, 3), (ID, 2, 4))
    videos.mkdir()
    (videos / whole.name).hardlink_to(whole)
    annotate(root, found, videos)
    run_stages(root, "pack")
    ffmpeg("-ss", 1, "-t", 2, "-i", whole, "-c", "copy", videos / f"{ID}_000001_000003.avi")
    annotate(root, found, videos)
    assert [row["attempt"] for row in rows(root, "download")] == [1, 1]


def test_without_videos_clips_wait_and_no_row_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Ui, "note", lambda self, text: said.append(text))
    root, found = tmp_path / "root", kinetics((ID, 0, 2), (OTHER, 0, 2))
    annotations.annotate(str(root), found, SPEC, 0, "")
    running.run(str(root), ["download", "pack"], running.Options(jobs=1), Ui(quiet=True))
    assert [text for text in said if text.startswith("2 clips wait for their videos")]
    assert rows(root, "download") == rows(root, "pack") == []
    annotate(root, found, tmp_path)
    assert [row["reason"] for row in rows(root, "download")] == ["missing", "missing"]


def test_an_interrupted_annotate_takes_its_archive_apart_once_more(
    tmp_path: Path, whole: Path, write_members: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, found = tmp_path / "my.zip", kinetics((ID, 0, 2), (OTHER, 0, 2))
    write_members(archive, {whole.name: whole.read_bytes()})
    opened: list[Path] = []

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    def counted(path: Path, *rest: Any) -> Any:
        opened.append(path)
        return take_out(path, *rest)

    monkeypatch.setattr(acquire, "take_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        annotate(tmp_path / "root", found, archive)
    monkeypatch.setattr(acquire, "take_out", counted)
    ui = Ui(quiet=True)
    annotate(tmp_path / "root", found, archive, ui)
    assert opened == [archive]
    [ran] = ui.result["stages"]
    assert (ran["planned"], ran["done"], ran["failed"]) == (2, 1, 1)


def test_a_folder_of_archives_is_read(tmp_path: Path, whole: Path, write_members: Any) -> None:
    """What is left of hmdb51_org.rar when it is unpacked once."""
    folder, found = tmp_path / "archives", kinetics((ID, 0, 2), (OTHER, 0, 2))
    folder.mkdir()
    for name in (ID, OTHER):
        write_members(folder / f"{name}.tar", {f"{name}.avi": whole.read_bytes()})
    annotate(tmp_path / "root", found, folder)
    assert [row["status"] for row in rows(tmp_path / "root", "download")] == ["done", "done"]


def test_archives_beside_videos_are_left_alone(
    tmp_path: Path, whole: Path, write_members: Any
) -> None:
    (tmp_path / "videos" / "deep").mkdir(parents=True)
    (tmp_path / "videos" / "deep" / whole.name).hardlink_to(whole)
    write_members(tmp_path / "videos" / "more.tar", {f"{OTHER}.avi": whole.read_bytes()})
    annotate(tmp_path / "root", kinetics((ID, 0, 2), (OTHER, 0, 2)), tmp_path / "videos")
    found = [row["status"] for row in rows(tmp_path / "root", "download")]
    assert sorted(found) == ["done", "failed"]
    assert not (tmp_path / "root" / "videos").exists()


def test_many_clips_without_a_file_need_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[int] = []
    append = Dataset.append

    def counted(self: Dataset, name: str, rows: list[dict[str, Any]]) -> None:
        parts.append(len(rows))
        append(self, name, rows)

    monkeypatch.setattr(acquire, "in_processes", None)
    monkeypatch.setattr(units, "ABSENT", 10)
    monkeypatch.setattr(stage, "COMMIT_EVERY_ROWS", 20)
    monkeypatch.setattr(Dataset, "append", counted)
    annotate(tmp_path / "root", kinetics(*((ID, at, at + 1) for at in range(45))), tmp_path)
    assert len(rows(tmp_path / "root", "download")) == 45
    assert [count for count in parts if count] == [20, 20, 5]

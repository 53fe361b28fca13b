"""Dropping: from then on no verb sees the clip; bytes, tensors, videos and running trainings."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import Window
from pipeline.acquiring.exchanged import changed_videos
from pipeline.annotate.folder import read_folder
from pipeline.publishing.drop import drop, show
from pipeline.publishing.freeze import frozen_rows
from pipeline.status import show as show_status
from pipeline.status import status
from pipeline.verifying.verify import verify
from shards.stream import Stream, read_samples

Annotated = Callable[..., Dataset]
Stages = Callable[..., dict[str, Any]]
WINDOW = Window(4, 16, 16)


@pytest.fixture
def root(tmp_path: Path, built: Path) -> Path:
    """A copy of the built root that may be changed."""
    return Path(shutil.copytree(built, tmp_path / "root"))


def opened(root: Path) -> Dataset:
    return Dataset.open(str(root))


def clips(dataset: Dataset, video: str) -> list[str]:
    rows = dataset.asked.to_pylist()
    return sorted(row["clip_id"] for row in rows if row["source"] == f"file:{video}")


def video_id(dataset: Dataset, video: str) -> str:
    return next(row["video_id"] for row in dataset.asked.to_pylist() if row["source"][5:] == video)


def stream(root: Path) -> Stream:
    return Stream(opened(root), "train", WINDOW, global_batch=2, train=True, seed=1)


def bytes_of(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "shards").iterdir()}


def test_every_verb_passes_a_dropped_clip_over(root: Path) -> None:
    dataset, before = opened(root), bytes_of(root)
    [clip] = clips(dataset, "a.avi")
    [test] = clips(dataset, "g.avi")
    report = drop(dataset, [clip, test], reason="its owner asked")
    assert (report["dropped"], report["packed"], report["already"]) == (2, 2, 0)
    show(report, Ui())
    dataset = opened(root)
    for split, count in (("train", 5), ("test", 2)):
        names = read_samples(dataset, split, None).clip_ids
        assert len(names) == count and not {clip, test} & set(names)
    assert not {clip, test} & set(dataset.clips["clip_id"].to_pylist())
    assert not {clip, test} & set(dataset.splits_of(None)), "score says how many were asked for"
    assert not {clip, test} & set(frozen_rows(dataset, None)["clip_id"].to_pylist())
    funnel = status(dataset, None)
    assert funnel["dropped"] == 2
    expected = {"asked": 7, "acquired": 6, "packed": 5, "failed": 2}
    assert funnel["splits"]["train"].items() >= expected.items()
    show_status(funnel, Ui())
    assert bytes_of(root) == before, "existing shards never change"
    assert verify(dataset, Ui(quiet=True))["problems"] == []
    assert set(dataset.tombstones["reason"].to_pylist()) == {"its owner asked"}


def test_a_dropped_clip_is_neither_planned_nor_packed(
    tmp_path: Path, annotated: Annotated, run_stages: Stages
) -> None:
    dataset = annotated(tmp_path)
    [clip], [later] = clips(dataset, "a.avi"), clips(dataset, "b.avi")
    drop(dataset, [clip])
    run_stages(tmp_path, "download")
    drop(opened(tmp_path), [later])
    run_stages(tmp_path, "pack")
    for table in ("download", "pack", "samples"):
        found = set(opened(tmp_path).parts(table, dropped=True)["clip_id"].to_pylist())
        assert clip not in found
        assert (later in found) == (table == "download")
    assert len(read_samples(opened(tmp_path), "train", None).clip_ids) == 4


def test_an_interrupted_plan_goes_on_without_it(
    tmp_path: Path, annotated: Annotated, run_stages: Stages
) -> None:
    """Its shard was written and not recorded: it is made again, for nobody has read it yet."""
    annotated(tmp_path)
    run_stages(tmp_path, "download", "pack")
    for table in ("pack", "samples", "shards"):
        shutil.rmtree(tmp_path / "manifests" / table)
    [clip] = clips(opened(tmp_path), "a.avi")
    drop(opened(tmp_path), [clip])
    run_stages(tmp_path, "pack")
    dataset = opened(tmp_path)
    assert clip not in dataset.parts("samples", dropped=True)["clip_id"].to_pylist()
    assert len(dataset.parts("samples")) == 9
    assert verify(dataset, Ui(quiet=True))["problems"] == []


def test_a_video_is_dropped_with_all_its_clips(root: Path) -> None:
    dataset = opened(root)
    video = video_id(dataset, "e.mp4")
    report = drop(dataset, [video])
    assert (report["dropped"], report["videos"]) == (2, 1)
    assert not set(clips(dataset, "e.mp4")) & set(opened(root).clips["clip_id"].to_pylist())


def test_it_stays_dropped_after_annotating_again(root: Path, annotated: Annotated) -> None:
    dataset = opened(root)
    [clip] = clips(dataset, "a.avi")
    video = video_id(dataset, "e.mp4")
    drop(dataset, [clip, video])
    dataset = annotated(root)
    assert len(dataset.asked) == 12
    assert len(dataset.clips) == 9
    assert len(read_samples(dataset, "train", None).clip_ids) == 3


def test_the_video_of_a_dropped_clip_may_be_another_one_now(
    root: Path, videos: Path, tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    other = Path(shutil.copytree(videos, tmp_path / "videos"))
    (other / "a.avi").unlink()
    shutil.copy(make_video("other.avi", frames=30), other / "a.avi")
    found = read_folder(other, csv=other / "clips.csv", val=0, test=0, seed=3, name="twelve")
    with pytest.raises(ClipmillError, match="no longer the"):
        changed_videos(opened(root).storage, found.clips, other)
    drop(opened(root), clips(opened(root), "a.avi"))
    assert changed_videos(opened(root).storage, found.clips, other) == {}


def test_ids_kept_ahead_meet_clips_that_are_annotated_later(
    tmp_path: Path, annotated: Annotated
) -> None:
    names = clips(annotated(tmp_path / "other"), "a.avi")
    root = tmp_path / "root"
    annotated(root)
    path = root / "manifests/clips.parquet"
    report = drop(opened(root), ["unheard-of"], missing_ok=True)
    assert (report["dropped"], report["unknown"]) == (0, ["unheard-of"])
    rows, metadata = tables.decode("clips", path.read_bytes(), "clips")
    values = rows.to_pylist()
    for row in values:
        row["video_id"] = "unheard-of" if row["clip_id"] in names else row["video_id"]
    data = tables.encode("clips", tables.from_rows("clips", values), metadata)
    path.write_bytes(data)
    assert opened(root).dropped.to_pylist()[1:] == names


def test_twice_is_no_harm_and_compaction_keeps_it(root: Path) -> None:
    dataset = opened(root)
    [clip] = clips(dataset, "a.avi")
    drop(dataset, [clip])
    part = [*(root / "manifests/dropped").iterdir()]
    again = drop(opened(root), [clip])
    assert (again["dropped"], again["already"]) == (0, 1)
    assert [*(root / "manifests/dropped").iterdir()] == part
    for number in range(tables.COMPACT_AT):
        drop(opened(root), [f"nobody-{number}"], missing_ok=True)
    assert len([*(root / "manifests/dropped").iterdir()]) < tables.COMPACT_AT
    assert clip in opened(root).dropped.to_pylist()


def test_an_unknown_id_drops_nothing(root: Path) -> None:
    dataset = opened(root)
    [clip] = clips(dataset, "a.avi")
    with pytest.raises(ClipmillError, match=rf"'{clip}x' is neither.*mean '{clip}'\?"):
        drop(dataset, [clip, f"{clip}x"])
    assert not len(opened(root).tombstones)
    with pytest.raises(ClipmillError, match="no ids were given"):
        drop(dataset, [])


def test_dry_run_changes_nothing(root: Path) -> None:
    [clip] = clips(opened(root), "a.avi")
    report = drop(opened(root), [clip], dry_run=True)
    show(report, Ui())
    assert report["dropped"] == 1
    assert not (root / "manifests/dropped").exists()


def test_decoded_tensors_go_at_once(
    tmp_path: Path, annotated: Annotated, run_stages: Stages
) -> None:
    annotated(tmp_path)
    run_stages(tmp_path, "download", "decode")
    dataset = opened(tmp_path)
    [clip] = clips(dataset, "a.avi")
    kept = [*(tmp_path / "clips").rglob("*.tar")]
    assert drop(dataset, [clip])["tensors_removed"] == 1
    left = [*(tmp_path / "clips").rglob("*.tar")]
    assert {path.stem for path in kept} - {path.stem for path in left} == {clip}
    assert verify(opened(tmp_path), Ui(quiet=True))["problems"] == []


def test_videos_of_ours_go_when_asked_and_nobody_else_has_them(
    tmp_path: Path, videos: Path, annotated: Annotated, run_stages: Stages
) -> None:
    """Taken out of an archive, they lie under the root; the user's own files are not touched."""
    shutil.make_archive(str(tmp_path / "all"), "zip", videos)
    dataset = annotated(tmp_path / "root")
    root = tmp_path / "root"
    path = root / "dataset.toml"
    path.write_text(path.read_text().replace(str(videos), str(tmp_path / "all.zip")))
    run_stages(root, "download")
    there = len([file for file in (root / "videos").rglob("*") if file.is_file()])
    one, other = clips(dataset, "e.mp4")
    assert drop(opened(root), [one])["videos_left"] == 0, "its other clip needs the video"
    assert drop(opened(root), [other])["videos_left"] == 1
    report = drop(opened(root), [other], delete_videos=True)
    assert (report["videos_removed"], report["videos_left"]) == (1, 0)
    left = [file for file in (root / "videos").rglob("*") if file.is_file()]
    assert len(left) == there - 1
    assert drop(opened(root), [other], delete_videos=True)["videos_removed"] == 0


def test_the_users_own_videos_are_never_removed(root: Path, videos: Path) -> None:
    dataset = opened(root)
    report = drop(dataset, clips(dataset, "a.avi"), delete_videos=True)
    assert (report["videos_removed"], report["videos_left"]) == (0, 0)
    assert (videos / "a.avi").is_file()


def test_a_training_does_not_go_on_over_dropped_clips(root: Path) -> None:
    begun = stream(root)
    next(iter(begun))
    state = begun.state_dict()
    for video, lost in (("a.avi", 1), ("b.avi", 2)):
        drop(opened(root), clips(opened(root), video))
        with pytest.raises(ClipmillError, match=rf"{lost} of its clips were dropped since.*--run"):
            stream(root).load_state_dict(state)


def test_drops_before_the_training_and_in_other_splits_do_not_stop_it(root: Path) -> None:
    drop(opened(root), clips(opened(root), "a.avi"))
    begun = stream(root)
    next(iter(begun))
    state = begun.state_dict()
    drop(opened(root), clips(opened(root), "g.avi"))
    again = stream(root)
    again.load_state_dict(state)
    assert again.step == 1


def test_other_changes_of_the_data_are_not_called_drops(root: Path) -> None:
    drop(opened(root), clips(opened(root), "a.avi"))
    with pytest.raises(ClipmillError, match="Resume with the same data"):
        stream(root).load_state_dict(stream(root).state_dict() | {"digest": "0" * 16})


def test_killed_at_any_operation_it_can_be_done_again(
    tmp_path: Path, annotated: Annotated, run_stages: Stages, faults: ModuleType
) -> None:
    annotated(tmp_path / "root")
    run_stages(tmp_path / "root", "download", "decode")
    [clip] = clips(opened(tmp_path / "root"), "a.avi")
    [tensor] = (tmp_path / "root/clips").rglob(f"{clip}.tar")
    at = 0
    for at in range(1, 40):
        root = Path(shutil.copytree(tmp_path / "root", tmp_path / f"{at}"))
        ended = faults.trial(lambda root=root: drop(opened(root), [clip]), at, "KILL")
        gone = not (root / tensor.relative_to(tmp_path / "root")).exists()
        assert not gone or clip in opened(root).dropped.to_pylist(), "first the tombstone"
        if ended.code == 0:
            break
        assert ended.code == faults.KILLED
        drop(opened(root), [clip])
        assert opened(root).tombstones["id"].to_pylist() == [clip]
        assert not [*root.rglob(".tmp-*")]
        assert verify(opened(root), Ui(quiet=True))["problems"] == []
    assert 5 < at < 39


def test_the_command_line(
    root: Path, tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    dataset = opened(root)
    (tmp_path / "ids.txt").write_text("# asked by mail\n" + clips(dataset, "a.avi")[0] + "\n\n")
    more = clips(dataset, "b.avi") + clips(dataset, "c.avi")
    done = cli("drop", "--root", root, "--ids", tmp_path / "ids.txt", *more, "--reason", "mail")
    assert done.returncode == 0, done.stderr
    assert "stay in the tars" in " ".join(done.stderr.split())
    assert len(opened(root).dropped) == 3
    odd = ["--ids", "-u8W9n8IOks", "--ids", "-5ZUl3Z5yW0", "--", "-0l35AkU34_", "--help"]
    done = cli("drop", "--root", root, "--missing-ok", "--json", *odd)
    assert json.loads(done.stdout)["unknown"] == [*odd[1:4:2], *odd[5:]]
    wrong = cli("drop", "--root", root, "--ids", "nobody")
    assert wrong.returncode == 2 and "--missing-ok" in wrong.stderr


def test_annotation_of_dropped_labels_is_still_checked(root: Path) -> None:
    """The tables that annotate compares with hold every packed clip, dropped or not."""
    drop(opened(root), clips(opened(root), "a.avi"))
    samples = Dataset.open(str(root)).parts("samples", dropped=True)
    assert len(samples) == 10

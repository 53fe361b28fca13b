"""Which command comes next, for every way in which clips can be lacking."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests import annotations
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from pipeline import annotating, running
from pipeline.annotate.kinetics import read_kinetics
from pipeline.next_step import Again, again_commands, next_command, serving
from pipeline.reporting.lacking import Lacking
from pipeline.status import status

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)
SOURCES = {"youtube:": "youtube:jNQXAC9IVRw", "file:": "file:a.mp4", "https:": "https://h/a.mp4"}
NOBODY: frozenset[str] = frozenset()


@pytest.fixture
def root(tmp_path: Path) -> Callable[..., Dataset]:
    """A maker of annotated roots of one clip: kind of source, name, where videos lie."""

    def make(kind: str, name: str = "kinetics600", videos: str = "") -> Dataset:
        clip = Clip("a", name, "run", 0, "a", SOURCES[kind], 0.0, 10.0)
        rows = [SplitRow("official", "a", "train")]
        found = Annotation(name, [clip], [Label(0, "run", "run")], rows, ["official"])
        return annotations.annotate(str(tmp_path / "ro ot"), found, SPEC, 0, videos)

    return make


def total(**counts: int) -> dict[str, int]:
    names = ("asked", "held", "packed", "pending", "failed", "gone", "waiting")
    return dict.fromkeys(names, 0) | counts


def words(command: str, dataset: Dataset) -> str:
    """Return a command as typed, without `--root` and its folder, which is quoted rightly."""
    split = shlex.split(command)
    place = split.index("--root")
    assert split[place + 1] == dataset.storage.root
    return " ".join([*split[:place], *split[place + 2 :]])


def coming(dataset: Dataset, **lacking: Any) -> str:
    group = Lacking(**{"clips": 5, "reason": "", "via": "", "asked": NOBODY} | lacking)
    counts = total(asked=5, pending=5)
    return words(next_command(dataset, counts, [group], []), dataset)


def again(dataset: Dataset, *groups: Lacking, pending: int = 0) -> list[Again]:
    counts = total(asked=50, failed=sum(group.clips for group in groups), pending=pending)
    return [
        one._replace(command=words(one.command, dataset))
        for one in again_commands(dataset, counts, groups, [])
    ]


def test_sources_are_those_that_can_have_the_clips(root: Callable[..., Dataset]) -> None:
    kinetics = serving(root("youtube:"))
    assert kinetics == {"file:": (), "youtube:": ("cvdf", "youtube"), "https:": ("https",)}
    assert serving(root("youtube:", "mine"))["youtube:"] == ("youtube",)
    here = serving(root("youtube:", videos="/v"))
    assert here["youtube:"] == ("local", "cvdf", "youtube") and here["file:"] == ("local",)


@pytest.mark.parametrize("version", ["400", "600", "700", "700-2020"])
def test_kinetics_without_videos_is_downloaded(root: Callable[..., Dataset], version: str) -> None:
    dataset = root("youtube:", f"kinetics{version}")
    assert coming(dataset, kind="youtube:", status="pending") == "clipmill download"


def test_clips_of_other_lists_come_from_youtube_by_name(root: Callable[..., Dataset]) -> None:
    dataset = root("youtube:", "hmdb51")
    found = coming(dataset, kind="youtube:", status="pending")
    assert found == "clipmill download --source youtube"
    assert coming(root("https:"), kind="https:", status="pending") == "clipmill download"
    assert coming(root("file:", videos="/v"), kind="file:", status="pending") == "clipmill build"


def test_what_most_clips_wait_for_comes_first(root: Callable[..., Dataset]) -> None:
    dataset = root("youtube:", "mine")
    groups = [
        Lacking(3, "youtube:", "pending", "", "", NOBODY),
        Lacking(4, "https:", "pending", "", "", NOBODY),
    ]
    found = next_command(dataset, total(pending=7), groups, [])
    assert words(found, dataset) == "clipmill download"
    groups[0] = groups[0]._replace(clips=5)
    found = next_command(dataset, total(pending=8), groups, [])
    assert words(found, dataset) == "clipmill download --source youtube"


def test_what_the_archives_lack_may_be_on_youtube(root: Callable[..., Dataset]) -> None:
    asked = frozenset({"cvdf"})
    group = Lacking(5, "youtube:", "failed", "no_source", "cvdf", asked)
    dataset = root("youtube:")
    [one] = again(dataset, group)
    assert one == ("clipmill download --source youtube", 5, ("no_source",))
    assert not again(dataset, group._replace(status="gone")), "gone is gone"
    other = group._replace(via="youtube", asked=asked | {"youtube"})
    assert not again(dataset, other), "nobody is left"
    damaged = group._replace(reason="corrupt")
    assert again(dataset, damaged)[0].command == "clipmill download --source youtube"


def test_what_a_mirror_lacks_may_be_on_youtube(root: Callable[..., Dataset]) -> None:
    asked = frozenset({"cvdf", "mirror"})
    group = Lacking(5, "youtube:", "failed", "no_source", "mirror", asked)
    dataset = root("youtube:")
    assert again(dataset, group)[0].command == "clipmill download --source youtube"
    same = "clipmill download --source youtube --youtube ADDRESS --retry failed"
    assert again(dataset, group._replace(reason="network"))[0].command == same
    asked |= {"youtube"}
    assert again(dataset, group._replace(asked=asked))[0].command == same


@pytest.mark.parametrize(
    "reason", ["network", "access", "geo", "unavailable", "no_format", "unknown"]
)
def test_what_passes_is_asked_again_of_the_same_source(
    root: Callable[..., Dataset], reason: str
) -> None:
    dataset = root("youtube:")
    groups = [
        Lacking(5, "youtube:", "failed", reason, "youtube", frozenset({"cvdf", "youtube"})),
        Lacking(7, "youtube:", "failed", reason, "cvdf", frozenset({"cvdf"})),
    ]
    assert [(one.command, one.clips) for one in again(dataset, *groups, pending=3)] == [
        ("clipmill download --retry failed", 7),
        ("clipmill download --source youtube --retry failed", 5),
    ]


def test_what_a_folder_lacks_is_downloaded(root: Callable[..., Dataset]) -> None:
    group = Lacking(5, "youtube:", "failed", "missing", "local", frozenset({"local"}))
    [one] = again(root("youtube:", videos="/v"), group)
    assert one.command == "clipmill download"
    [one] = again(root("file:", videos="/v"), group._replace(kind="file:"))
    assert one.command == "clipmill build --retry failed"


def test_the_road_of_kinetics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists, out = tmp_path / "kinetics-600_train.csv", tmp_path / "root"
    lists.write_text("label,youtube_id,time_start,time_end,split\nrun,jNQXAC9IVRw,0,10,train\n")
    found, options = read_kinetics(lists), running.Options(jobs=1)
    annotating.annotate(str(out), found, SPEC, 0, None, options, Ui())
    assert f"Next: clipmill download --root {out}" in (said := capsys.readouterr().err)
    assert "--videos" in said, "who has them needs no download"
    dataset = Dataset.open(str(out))
    assert status(dataset, None)["next"] == f"clipmill download --root {out}"
    row = {"clip_id": "jNQXAC9IVRw_000000_000010", "attempt": 1, "status": "failed"}
    dataset.append("download", [row | {"reason": "no_source", "via": "cvdf"}])
    report = status(dataset, None)
    assert report["next"] == f"clipmill download --root {out} --source youtube" == report["retry"]
    fetched = {"status": "done", "path": "videos/ab/a.mp4", "bytes": 1, "via": "youtube"}
    dataset.append("download", [row | {"attempt": 2} | fetched])
    report = status(dataset, None)
    assert report["next"] == f"clipmill pack --root {out}" and report["retry"] == ""
    failed = row | {"reason": "timeout"}
    dataset.append("pack", [failed])
    report = status(dataset, None)
    assert report["next"] == f"clipmill pack --root {out} --retry failed" == report["retry"]


def test_a_folder_without_one_of_kinetics_videos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists, out = tmp_path / "kinetics-600_train.csv", tmp_path / "root"
    lists.write_text("label,youtube_id,time_start,time_end,split\nrun,jNQXAC9IVRw,0,10,train\n")
    (tmp_path / "empty").mkdir()
    options = running.Options(jobs=1)
    annotating.annotate(str(out), read_kinetics(lists), SPEC, 0, tmp_path / "empty", options, Ui())
    said = capsys.readouterr().err
    assert "not one of 1 videos is in" in said
    assert f"Next: clipmill download --root {out} (or the same command with --videos" in said
    assert status(Dataset.open(str(out)), None)["next"] == f"clipmill download --root {out}"

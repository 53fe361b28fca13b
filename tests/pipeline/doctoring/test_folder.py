"""Room and file systems: real full disks, folders that cannot be written, real roots."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from pipeline.doctoring.finding import Patient
from pipeline.doctoring.folder import disk, file_system, to_come
from shards.format import sample_bytes

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)


@pytest.fixture
def small(small_disk: Callable[..., Path]) -> Path:
    """A disk of a megabyte."""
    return small_disk("1m")


@pytest.fixture
def root(tmp_path: Path) -> Callable[..., Dataset]:
    """A maker of roots of ten clips: how many are acquired, of which size, from where."""

    def make(acquired: int = 0, size: int = 1000, via: str = "cvdf") -> Dataset:
        clips = [
            Clip(f"c{at}", "kinetics600", "run", 0, f"c{at}", f"youtube:c{at}", 0.0, 10.0)
            for at in range(10)
        ]
        rows = [SplitRow("official", clip.clip_id, "train") for clip in clips]
        found = Annotation("kinetics600", clips, [Label(0, "run", "run")], rows, ["official"])
        dataset = annotations.annotate(str(tmp_path / "root"), found, SPEC, 0, "")
        for clip in clips[:acquired]:
            place: dict[str, Any] = {"path": f"videos/ab/{clip.clip_id}.mp4", "bytes": size}
            row = {"clip_id": clip.clip_id, "attempt": 1, "status": "done", "via": via}
            dataset.append("download", [row | place])
        return dataset

    return make


def test_a_good_folder(tmp_path: Path, patient: Callable[..., Patient]) -> None:
    assert file_system(patient()).level == disk(patient()).level == "ok"
    assert [*(tmp_path / "root").iterdir()] == [], "nothing is left"


def test_what_is_to_come_is_estimated_from_what_came(root: Callable[..., Dataset]) -> None:
    shard = sample_bytes(SPEC)
    dataset = root()
    path = Path(dataset.storage.root)
    assert to_come(path) == (None, 10 * shard), "nobody knows how large videos are"
    root(acquired=4)
    assert to_come(path) == (6000, 10 * shard)
    gone = {"clip_id": "c9", "attempt": 1, "status": "gone", "reason": "removed", "via": "cvdf"}
    failed = gone | {"clip_id": "c8", "status": "failed", "reason": "network"}
    dataset.append("download", [gone, failed])
    assert to_come(path) == (5000, 8 * shard)


def test_views_take_room_each(tmp_path: Path, annotated: Callable[..., Dataset]) -> None:
    spec = dataclasses.replace(SPEC, views=3)
    dataset = annotated(tmp_path / "root", spec)
    tests = dataset.splits.filter(pc.field("split") == "test")["clip_id"].unique()
    samples = len(dataset.clips) + 2 * len(tests)
    assert to_come(tmp_path / "root")[1] == samples * sample_bytes(spec) and len(tests)


def test_too_little_room_for_what_is_to_come_is_a_warning(
    root: Callable[..., Dataset], patient: Callable[..., Patient]
) -> None:
    root(acquired=1, size=1 << 50)
    found = disk(patient())
    assert found.level == "warn" and "of videos to come" in found.found
    assert found.cure.startswith("free ")


def test_unknown_sizes_are_said_to_be_so(
    root: Callable[..., Dataset], patient: Callable[..., Patient]
) -> None:
    root()
    found = disk(patient())
    assert found.level == "ok" and found.details["videos"] is None
    assert "not known before the first" in found.found


def test_below_the_watermark_nothing_goes(patient: Callable[..., Patient]) -> None:
    found = disk(patient(keep_free=1 << 60))
    assert found.level == "fail" and "--keep-free" in found.found


def test_a_damaged_root_is_told(tmp_path: Path, patient: Callable[..., Patient]) -> None:
    (tmp_path / "root" / "dataset.toml").write_text("schema = [")
    found = disk(patient())
    assert found.level == "fail" and "no valid TOML" in found.found


def test_a_disk_that_is_really_full(small: Path, patient: Callable[..., Patient]) -> None:
    room = os.statvfs(small)
    (small / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize))
    found = file_system(patient(root=small))
    assert found.level == "fail" and "the disk is full" in found.found
    assert disk(patient(root=small, keep_free=1)).level == "fail"
    (small / "ballast").unlink()
    assert file_system(patient(root=small)).level == "ok"
    assert [*small.iterdir()] == []


def test_a_folder_that_cannot_be_written(patient: Callable[..., Patient]) -> None:
    found = file_system(patient(root=Path("/proc/1")))
    assert found.level == "fail" and "cannot be written" in found.found


def test_without_a_root_it_is_a_warning(
    patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/proc/1")
    assert file_system(patient(root=None)).level == "warn"

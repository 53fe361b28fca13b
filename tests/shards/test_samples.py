"""The list of a split's packed clips, and how many of it were dropped since a digest."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from shards.samples import dropped_since, read_samples
from shards.write import Written

NAMES = [f"a{number}" for number in range(9)]
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def root(tmp_path: Path, shard: Callable[..., Written], spec: ClipSpec) -> str:
    """Six clips of train and three of test; two clips share the video v0."""
    videos = ["v0", "v0", *(f"v{number}" for number in range(2, 9))]
    clips = [
        Clip(name, "set", "run", 0, video, "file:x")
        for name, video in zip(NAMES, videos, strict=True)
    ]
    parts = ["train"] * 6 + ["test"] * 3
    rows = [SplitRow("default", *pair) for pair in zip(NAMES, parts, strict=True)]
    found = Annotation("set", clips, [Label(0, "run", "run")], rows, ["default"])
    dataset = annotations.annotate(str(tmp_path / "root"), found, spec, 0, "/videos")
    for name, names in (("train-000000.tar", NAMES[:6]), ("test-000000.tar", NAMES[6:])):
        written = shard(dataset.storage, name, names, spec)
        dataset.append("shards", [written.shard])
        dataset.append("samples", written.samples)
    return dataset.storage.root


def drop(root: str, name: str, day: int) -> None:
    moment = START + datetime.timedelta(days=day)
    Dataset.open(root).append("dropped", [{"id": name, "reason": None, "dropped_at": moment}])


def names(root: str, split: str = "train") -> list[str]:
    return read_samples(Dataset.open(root), split, None).clip_ids


def test_a_clip_or_a_whole_video_is_left_out(root: str) -> None:
    assert names(root) == NAMES[:6]
    drop(root, "a3", 1)
    drop(root, "v0", 2)
    assert names(root) == ["a2", "a4", "a5"]
    assert names(root, "test") == NAMES[6:]


def test_what_was_dropped_since_is_counted_from_any_moment(root: str) -> None:
    digests = []
    for day, name in enumerate(("a3", "a7", "v0")):  # a7 is in test
        digests.append(read_samples(Dataset.open(root), "train", None).digest)
        drop(root, name, day)
    dataset = Dataset.open(root)
    lost = [dropped_since(dataset, "train", None, digest) for digest in digests]
    assert lost == [3, 2, 2]
    assert dropped_since(dataset, "train", None, "0" * 16) == 0
    assert dropped_since(dataset, "test", None, digests[0]) == 0


def test_nothing_dropped_explains_nothing(root: str) -> None:
    assert dropped_since(Dataset.open(root), "train", None, "0" * 16) == 0


def test_a_sample_of_an_unknown_shard_is_refused(root: str) -> None:
    dataset = Dataset.open(root)
    shards = dataset.parts("shards").to_pylist()
    for path in (Path(root) / "manifests" / "shards").iterdir():
        path.unlink()
    dataset.append("shards", [row for row in shards if row["shard"] != "train-000000.tar"])
    with pytest.raises(ClipmillError, match=r"shard train-000000\.tar, which"):
        names(root)

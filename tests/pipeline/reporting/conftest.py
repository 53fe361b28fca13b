"""Roots of which the tables alone are there: all that a report reads."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)


def make_listed(
    root: Path,
    clips: dict[str, str],
    *,
    name: str = "kinetics600",
    labels: dict[str, str] | None = None,
    splits: list[tuple[str, str]] | None = None,
    videos: str = "",
) -> Dataset:
    """Annotate clip_id -> source; all are of one class and in train, unless told."""
    of = labels or {}
    names = sorted({of.get(clip, "run") for clip in clips})
    rows = [
        Clip(clip, name, of.get(clip, "run"), names.index(of.get(clip, "run")), clip, source, 0, 10)
        for clip, source in clips.items()
    ]
    chosen = [(clip, "train") for clip in clips] if splits is None else splits
    found = Annotation(
        name,
        rows,
        [Label(number, label, label) for number, label in enumerate(names)],
        [SplitRow("official", clip, split) for clip, split in chosen],
        ["official"],
    )
    return annotations.annotate(str(root), found, SPEC, 0, videos)


@pytest.fixture(scope="session")
def listed() -> Callable[..., Dataset]:
    """A maker of roots: root, clip_id -> source, and what `make_listed` takes."""
    return make_listed


@pytest.fixture(scope="session")
def outcome() -> Callable[..., None]:
    """Append one outcome: dataset, stage, clip, status, reason; the attempts count up."""
    attempts = itertools.count(1)

    def append(
        dataset: Dataset, stage: str, clip: str, status: str, reason: str | None = None, **more: Any
    ) -> None:
        row = {"clip_id": clip, "attempt": next(attempts), "status": status, "reason": reason}
        if status == "done" and stage == "download":
            row |= {"path": f"videos/ab/{clip}.mp4", "bytes": 1000}
        dataset.append(stage, [row | more])

    return append


@pytest.fixture(scope="session")
def sampled() -> Callable[..., None]:
    """Append the row of a packed clip: dataset, clip."""

    def append(dataset: Dataset, clip: str) -> None:
        shape = {"frames": 4, "height": 16, "width": 16, "codec": "raw", "mirrored": False}
        place = {"shard": "train-000000.tar", "index": 0, "offset": 0, "nbytes": 1, "xxh3": "0"}
        row = {
            "clip_id": clip,
            "key": clip,
            "view": 0,
            "label_id": 0,
            "indices": [0, 1, 2, 3],
            "stride": 1,
        }
        dataset.append("samples", [row | shape | place])

    return append

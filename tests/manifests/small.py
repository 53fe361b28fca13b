"""A small dataset folder, annotated and as if packed, for the tests of its files."""

from pathlib import Path
from typing import Any

from manifests import annotations
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec

SPEC = ClipSpec(frames=4, height=16, width=16)


def annotation(name: str = "set", labels: tuple[str, ...] = ("run", "jump")) -> Annotation:
    clips = [
        Clip(f"c{n}", name, labels[n % len(labels)], n % len(labels), f"v{n}", f"file:{n}.avi")
        for n in range(4)
    ]
    return Annotation(
        name,
        clips,
        [Label(number, label, label) for number, label in enumerate(labels)],
        [SplitRow("default", clip.clip_id, "train") for clip in clips],
        ["default"],
    )


def make(root: Path, found: Annotation | None = None, **more: Any) -> Dataset:
    values = {"spec": SPEC, "seed": 3, "videos": "/videos"} | more
    return annotations.annotate(str(root), found or annotation(), **values)


def pack_something(dataset: Dataset) -> None:
    row = {
        "clip_id": "c0", "key": "c0", "view": 0, "shard": "train-000000.tar", "index": 0,
        "label_id": 0, "offset": 0, "nbytes": 0, "frames": 4, "height": 16, "width": 16,
        "codec": "raw",
        "indices": [0], "stride": 1, "mirrored": False, "xxh3": "0",
    }  # fmt: skip
    dataset.append("samples", [row])


def shard_of(dataset: Dataset) -> None:
    row = {
        "shard": "train-000000.tar", "split": "train", "samples": 1, "bytes": 1, "sha256": "0",
        "spec": dataset.spec.digest, "generation": 0, "versions": "{}",
    }  # fmt: skip
    dataset.append("shards", [row])

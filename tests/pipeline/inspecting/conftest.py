"""Roots with shards of pixels that are made on the spot: any size, any label, no video."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from shards.format import Sample
from shards.write import write_shard


def pack(
    root: Path, spec: ClipSpec, clips: Sequence[tuple[str, str | None, str]], **about: Any
) -> Dataset:
    """Pack (clip_id, label, split) into one shard a split; frame t of a clip is grey t."""
    labels = sorted({label for _, label, _ in clips if label is not None})
    number = {label: place for place, label in enumerate(labels)}
    annotation = Annotation(
        "made",
        [
            Clip(
                name, "made", label, None if label is None else number[label], name, f"file:{name}"
            )
            for name, label, _ in clips
        ],
        [Label(place, label, f"slug_{place}") for label, place in number.items()],
        [SplitRow("default", name, split) for name, _, split in clips],
        ["default"],
    )
    dataset = annotations.annotate(str(root), annotation, spec, 0, "videos")
    greys = np.arange(spec.frames, dtype=np.int64) % 256
    pixels = np.empty(spec.shape, np.uint8)
    pixels[:] = greys[:, None, None, None]
    values = {"stride": 1, "mirrored": False, "fps": 25.0} | about
    for split in sorted({split for *_, split in clips}):
        samples = [
            Sample(
                name,
                None if label is None else number[label],
                label,
                f"video of {name}",
                1.0,
                None,
                pixels,
                tuple(range(10, 10 + spec.frames)),
                **values,
            )
            for name, label, own in clips
            if own == split
        ]
        written = write_shard(dataset.storage, f"{split}-000000.tar", split, 0, samples, spec, {})
        assert written is not None
        dataset.append("shards", [written.shard])
        dataset.append("samples", written.samples)
    return dataset


@pytest.fixture(scope="session")
def packed_with() -> Callable[..., Dataset]:
    """A maker of roots: root, spec, clips as (clip_id, label, split)[, values of the samples]."""
    return pack

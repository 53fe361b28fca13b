"""Roots of clips of noise, made without a video: what the tests of reading share."""

import contextlib
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from shards.format import Sample
from shards.write import write_shard
from tests.traces import processes_with

NOISE = ClipSpec(frames=4, rate=2, height=16, width=16)


def noise(clip_id: str, spec: ClipSpec = NOISE) -> np.ndarray:
    """The pixels of a clip: its own, found again from its id."""
    return np.random.default_rng(list(clip_id.encode())).integers(0, 256, spec.shape, np.uint8)


def write_noise(
    root: Path | str, sizes: Sequence[int], classes: int = 5, spec: ClipSpec = NOISE
) -> Dataset:
    """Write a root whose split train lies in shards of these sizes, its clips sorted by class."""
    total = sum(sizes)
    labels = [Label(number, f"class {number}", f"class_{number}") for number in range(classes)]
    label_of = {f"c{place:05}": place * classes // total for place in range(total)}
    clips = [
        Clip(clip, "noise", labels[at].label, at, clip, f"file:{clip}")
        for clip, at in label_of.items()
    ]
    splits = [SplitRow("default", clip, "train") for clip in label_of]
    annotation = Annotation("noise", clips, labels, splits, ["default"])
    dataset = annotations.annotate(str(root), annotation, spec, 0, "videos")
    names = iter(label_of)
    for number, size in enumerate(sizes):
        members = [next(names) for _ in range(size)]
        samples = (
            Sample(
                clip, label_of[clip], labels[label_of[clip]].label, clip, None, None,
                noise(clip, spec), tuple(range(spec.frames)), 1, False, 25.0,
            )
            for clip in members
        )  # fmt: skip
        shard = f"train-{number:06d}.tar"
        written = write_shard(dataset.storage, shard, "train", 0, samples, spec, {})
        assert written is not None
        dataset.append("shards", [written.shard])
        dataset.append("samples", written.samples)
    return Dataset.open(str(root))


@pytest.fixture(scope="session")
def noisy() -> Callable[..., Dataset]:
    """A maker of roots of noise: root, sizes of the shards, number of classes."""
    return write_noise


@pytest.fixture(scope="session")
def pixels_of() -> Callable[..., np.ndarray]:
    """The pixels of a clip of noise, from its id."""
    return noise


@pytest.fixture(scope="session")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Sixty clips of noise in shards of 7, 50 and 3, sorted by class; read it, never change it."""
    return write_noise(tmp_path_factory.mktemp("uneven") / "root", (7, 50, 3))


@pytest.fixture
def mark() -> Iterator[str]:
    """A word for the environment of what a test starts; whatever has it at the end is killed."""
    word = f"reading-{uuid.uuid4().hex}"
    yield word
    for pid in processes_with(word):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

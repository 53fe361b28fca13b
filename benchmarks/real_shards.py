"""Roots of real clips for the benchmarks of streaming: decoded once, packed under many ids.

166 UCF101 clips are decoded by `clipmill pack`; 1,024 samples of them take 1.6 GB raw: more than
any processor's cache, less than a machine's memory. About 15 s.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from many_clips import root_of

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from manifests.annotations import annotate  # noqa: E402
from manifests.console import Ui  # noqa: E402
from manifests.dataset import Dataset  # noqa: E402
from manifests.rows import Annotation, Clip, Label, SplitRow  # noqa: E402
from manifests.spec import ClipSpec  # noqa: E402
from pipeline import running  # noqa: E402
from shards.format import Sample  # noqa: E402
from shards.read import scan  # noqa: E402
from shards.write import shard_path, write_shard  # noqa: E402

SPEC = ClipSpec()  # 32 frames, every fourth, 128x128
IN_A_SHARD = 64  # 100 MB raw


def packed(videos: Path, root: Path, spec: ClipSpec = SPEC) -> Dataset:
    """Return a root into which all the videos of class folders are packed; made once."""
    if not (root / "shards").exists():
        root_of(videos, root, spec)
        running.run(str(root), ["pack"], running.Options(), Ui(quiet=True))
    return Dataset.open(str(root))


def samples_of(dataset: Dataset) -> Iterator[Sample]:
    """Yield the samples of all shards, again and again."""
    names = dataset.parts("shards")["shard"].to_pylist()
    while True:
        for name in names:
            path = Path(dataset.storage.root) / shard_path(name)
            for sample, _ in scan(path, name, dataset.spec):
                yield sample


def many(source: Dataset, root: Path, count: int, codec: str, in_a_shard: int = IN_A_SHARD) -> Path:
    """Write a root of `count` samples in shards of equal size, all of them in train; made once."""
    if (root / "made").exists():
        return root
    spec, labels = replace(source.spec, codec=codec), source.labels
    names = [f"clip-{number:07d}" for number in range(count)]
    samples = samples_of(source)
    taken = [next(samples) for _ in range(min(count, len(source.parts("samples"))))]
    chosen = [
        replace(taken[number % len(taken)], clip_id=name) for number, name in enumerate(names)
    ]
    clips = [
        Clip(one.clip_id, "many", one.label, one.label_id, one.clip_id, f"file:{one.clip_id}")
        for one in chosen
    ]
    annotation = Annotation(
        "many",
        clips,
        [Label(number, label, label) for number, label in enumerate(labels)],
        [SplitRow("default", name, "train") for name in names],
        ["default"],
    )
    dataset = annotate(str(root), annotation, spec, 0, "videos")
    for number in range(0, count, in_a_shard):
        shard = f"train-{number // in_a_shard:06d}.tar"
        part = chosen[number : number + in_a_shard]
        written = write_shard(dataset.storage, shard, "train", 0, part, spec, {})
        assert written is not None
        dataset.append("shards", [written.shard])
        dataset.append("samples", written.samples)
    (root / "made").touch()
    return root

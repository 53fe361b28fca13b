"""Clips by their row: what was found right is believed until its file is written to."""

import os
from pathlib import Path

import numpy as np
import pytest

from manifests.dataset import Dataset
from manifests.spec import ClipSpec
from shards.clips import Clips, Damaged
from shards.read import ShardReader
from shards.remote import source_of
from shards.samples import read_samples


@pytest.fixture(params=["raw", "jpeg"])
def root(request, tmp_path, make_root):
    spec = ClipSpec(frames=4, rate=1, height=20, width=20, codec=request.param)
    return make_root(tmp_path / "root", ("train",), spec)


def opened(root: Path) -> tuple[Dataset, Clips]:
    dataset = Dataset.open(str(root))
    source = source_of(dataset, read_samples(dataset, "train", None))
    return dataset, Clips(source, verify=False, skipping=True)


def test_pixels_are_those_of_the_reader(root):
    dataset, clips = opened(root)
    samples, reader = read_samples(dataset, "train", None), ShardReader.of(dataset)
    rows = {row["clip_id"]: row for row in dataset.parts("samples").to_pylist()}
    for number, clip_id in enumerate(samples.clip_ids):
        row = rows[clip_id]
        where = [row[name] for name in ("shard", "offset", "nbytes", "xxh3")]
        wanted = reader.pixels(*where, row["key"])
        for _ in range(2):  # looked at, then known
            assert np.array_equal(clips.clip(number, None), wanted)


def test_a_header_that_is_written_over_is_found_though_the_clip_was_known(root):
    dataset, clips = opened(root)
    samples = read_samples(dataset, "train", None)
    clips.clip(0, None)
    path = root / "shards" / samples.shards[samples.shard_of[0]]
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(int(samples.offsets[0]) - (640 if dataset.spec.codec == "raw" else 512))
        file.write(b"another-name")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    with pytest.raises(Damaged, match=r"no tar header of .* but one of 'another-name'"):
        clips.clip(0, None)

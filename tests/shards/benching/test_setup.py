"""The clips of a root as every way of the benchmark sees them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from shards.benching.setup import Clips, Setup, require_clips, setup_of
from shards.read import ShardReader
from shards.samples import read_samples


@pytest.fixture
def setup(learnable: Path) -> Setup:
    return replace(setup_of(str(learnable), "train", None, 2, (10, 12)), batch=5)


def test_pixels_are_those_of_the_reader(setup: Setup) -> None:
    dataset = Dataset.open(setup.root)
    samples, reader, clips = (
        read_samples(dataset, "train", None),
        ShardReader.of(dataset),
        Clips(setup),
    )
    assert len(clips) == len(samples.offsets) == 24
    known = {row["clip_id"]: row for row in dataset.parts("samples").to_pylist()}
    for number, clip_id in enumerate(samples.clip_ids):
        row = known[clip_id]
        wanted = reader.pixels(row["shard"], row["offset"], row["nbytes"], row["xxh3"], clip_id)
        assert np.array_equal(clips.pixels(number), wanted)
        assert clips.places[number].label == row["label_id"]


def test_windows_lie_inside_and_reach_all_edges(setup: Setup) -> None:
    clips = Clips(setup)
    starts = clips.starts(2000, np.random.default_rng(0))
    assert [min(column) for column in zip(*starts, strict=True)] == [0, 0, 0]
    assert [max(column) for column in zip(*starts, strict=True)] == [2, 10, 8]
    assert all(clips.cut(clips.pixels(0), start).shape == clips.shape for start in starts[:20])


def test_an_epoch_is_each_clip_once(setup: Setup) -> None:
    clips = Clips(setup)
    rows = clips.rows(replace(setup, batch=6))
    first, second = ([row for _ in range(4) for row in next(rows)] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(24)) and first != second


def test_what_is_taken_unless_told(learnable: Path) -> None:
    setup = setup_of(str(learnable), "train", None, None, None)
    assert tuple(setup.window) == (4, 17, 17)


def test_what_cannot_be_measured(setup: Setup) -> None:
    with pytest.raises(ClipmillError, match="is remote; expected a folder"):
        require_clips(replace(setup, root="https://host/root"))
    with pytest.raises(ClipmillError, match="does not fit"):
        require_clips(replace(setup, frames=5))
    with pytest.raises(ClipmillError, match="less than one batch of 25"):
        require_clips(replace(setup, batch=25))

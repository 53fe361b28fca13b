"""More stored frames than the network takes: windows move in training and stand in evaluation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.dataset import Dataset
from manifests.spec import NAMED, Window
from shards.read import ShardReader
from shards.stream import Stream

SIZE = 16


@pytest.fixture(scope="module")
def jittery(tmp_path_factory: pytest.TempPathFactory, videos: Path, cli: Any) -> Path:
    """A root packed with the spec `seed-jitter`, made small, by the command line."""
    root = tmp_path_factory.mktemp("jittery") / "root"
    spec = ["--spec", "seed-jitter", "--size", SIZE, "--val", 0, "--test", 0]
    given = ["--csv", videos / "clips.csv", "--videos", videos, "--root", root, *spec]
    for command in (["annotate", "folder", *given], ["pack", "--root", root, "--keep-free", 0]):
        ended = cli(*command)
        assert ended.returncode == 0, ended.stderr
    return root


def starts(root: Path, train: bool, epochs: int) -> set[int]:
    """Where in the 64 stored frames the windows of 32 begin that a stream hands out."""
    dataset = Dataset.open(str(root))
    assert dataset.spec.frames == NAMED["seed-jitter"].frames == 64
    sizes = {row["shard"]: row["bytes"] for row in dataset.parts("shards").to_pylist()}
    reader = ShardReader(dataset.storage, dataset.spec, sizes)
    rows = {row["clip_id"]: row for row in dataset.parts("samples").to_pylist()}
    stream = Stream(dataset, "train", Window(32, SIZE, SIZE), global_batch=2, train=train)
    found = set()
    for _ in range(epochs):
        for batch in stream:
            for pixels, place in zip(batch.pixels.numpy(), batch.rows, strict=True):
                if place < 0:
                    continue
                row = rows[stream.clip_ids[place]]
                place_of = (row["shard"], row["offset"], row["nbytes"], row["xxh3"], row["key"])
                whole = reader.pixels(*place_of)
                at = [s for s in range(33) if np.array_equal(whole[s : s + 32], pixels)]
                assert at, "a window of its own clip"
                found.add(at[0])
    return found


def test_windows_move_in_training_and_stand_in_the_middle_otherwise(jittery: Path) -> None:
    assert len(starts(jittery, train=True, epochs=4)) > 4
    assert len(starts(jittery, train=False, epochs=2)) <= 2, "16, or its mirror image's equal"


@pytest.mark.slow
def test_a_network_of_fewer_frames_trains_and_scores(
    jittery: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    options = "--width 4 --epochs 1 --batch 2 --device cpu --frames 32 --crop 16"
    commands = (
        ["train", "--root", jittery, "--run", tmp_path / "run", *options.split()],
        ["score", "--root", jittery, "--checkpoint", tmp_path / "run/last.safetensors",
         "--split", "test", "--out", tmp_path / "out", "--clips", 3],
    )  # fmt: skip
    for command in commands:
        ended = cli(*command, OMP_NUM_THREADS="1")
        assert ended.returncode == 0, ended.stderr

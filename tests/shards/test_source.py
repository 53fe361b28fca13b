"""Single samples for pipelines of others: an epoch exactly, whoever cuts it into pieces."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset as wds
from torch.utils.data import DataLoader

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window
from shards.source import SampleSource
from shards.stream import Stream
from tests.objectstore import serving

PART = Window(2, 10, 12)
CLIPS = 60


def keys(source: Any) -> list[str]:
    return [sample["__key__"] for sample in source]


def loader(source: Any, workers: int, **more: Any) -> DataLoader:
    if workers:
        more |= {"multiprocessing_context": "fork"}
    return DataLoader(source, batch_size=None, num_workers=workers, **more)


def test_a_sample_is_what_pack_wrote(uneven: Dataset, pixels_of: Callable[..., np.ndarray]) -> None:
    samples = list(SampleSource(uneven, "train", train=False))
    assert len(samples) == CLIPS
    for place, sample in enumerate(samples):
        clip = f"c{place:05}"
        assert sorted(sample) == ["__key__", "__url__", "cls", "json", "npy"]
        assert sample["__key__"] == sample["json"]["clip_id"] == clip
        assert Path(sample["__url__"]).is_file()
        assert sample["cls"] == place * 5 // CLIPS
        assert sample["json"]["label"] == f"class {sample['cls']}"
        assert sample["npy"].dtype == np.uint8
        assert np.array_equal(sample["npy"], pixels_of(clip))
        sample["npy"][:] = 0  # it is the caller's own


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_each_clip_once_over_ranks_and_workers(uneven: Dataset, world: int, workers: int) -> None:
    ranks = [
        keys(loader(SampleSource(uneven, "train", train=True, rank=rank, world=world), workers))
        for rank in range(world)
    ]
    assert sorted(key for rank in ranks for key in rank) == [f"c{n:05}" for n in range(CLIPS)]
    assert len({len(rank) for rank in ranks}) == 1


def test_uneven_ranks_drop_in_training_and_are_exact_without(uneven: Dataset) -> None:
    for train, lengths in ((True, [8] * 7), (False, [9, 9, 9, 9, 8, 8, 8])):
        sources = [SampleSource(uneven, "train", train=train, rank=r, world=7) for r in range(7)]
        ranks = [keys(source) for source in sources]
        assert [len(rank) for rank in ranks] == lengths
        assert len({key for rank in ranks for key in rank}) == sum(lengths)
        assert sources[0].dropped == CLIPS - sum(lengths)


def test_torchrun_s_variables_count_unless_told(
    uneven: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    told = keys(SampleSource(uneven, "train", train=True, rank=1, world=3))
    assert keys(SampleSource(uneven, "train", train=True)) == told
    assert len(told) == CLIPS // 3


def test_windows_are_those_of_the_stream(uneven: Dataset) -> None:
    for train in (True, False):
        stream = Stream(uneven, "train", PART, global_batch=6, train=train, seed=3)
        source = SampleSource(uneven, "train", PART, train=train, seed=3)
        for _ in range(2):
            alone = {sample["__key__"]: sample["npy"].copy() for sample in source}
            for batch in stream:
                for place, row in enumerate(batch.rows):
                    assert np.array_equal(batch.pixels[place], alone[stream.clip_ids[row]])


@pytest.mark.parametrize("persistent", [False, True])
def test_each_epoch_has_an_order_of_its_own(uneven: Dataset, persistent: bool) -> None:
    """Workers that live on hear of it, too."""
    source = SampleSource(uneven, "train", train=True)
    wanted = []
    for epoch in (0, 1, 4, 1):
        source.set_epoch(epoch)
        wanted.append(keys(source))
    assert wanted[1] == wanted[3]
    assert len({tuple(order) for order in wanted}) == 3
    found = loader(source, 1, persistent_workers=persistent)
    for epoch, order in zip((0, 1, 4, 1), wanted, strict=True):
        source.set_epoch(epoch)
        assert keys(found) == order


def test_a_second_pass_is_the_next_epoch(uneven: Dataset) -> None:
    source = SampleSource(uneven, "train", train=True)
    first, second = keys(source), keys(source)
    assert first != second and sorted(first) == sorted(second)
    source.set_epoch(0)
    assert [keys(source), keys(source)] == [first, second]
    source.set_epoch(0)
    next(iter(source))
    assert keys(source) == first, "a pass that was broken off is no epoch"


def test_a_pipeline_of_webdataset_batches_and_repeats(uneven: Dataset) -> None:
    source = SampleSource(uneven, "train", PART, train=True, seed=1)
    to_pair = wds.map(lambda sample: (sample["npy"], sample["cls"], sample["__key__"]))
    pipeline = wds.DataPipeline(source, to_pair, wds.batched(8)).repeat(2)
    batches = list(pipeline)
    assert [len(batch[2]) for batch in batches] == [8] * 7 + [4] + [8] * 7 + [4]
    assert batches[0][0].shape == (8, 2, 10, 12, 3)
    epochs = [[key for batch in half for key in batch[2]] for half in (batches[:8], batches[8:])]
    assert sorted(epochs[0]) == sorted(epochs[1]) and epochs[0] != epochs[1]


def test_a_pipeline_in_workers_of_webdataset_s_loader(uneven: Dataset) -> None:
    source = SampleSource(uneven, "train", PART, train=True)
    pipeline = wds.DataPipeline(source, wds.map(lambda sample: sample["__key__"]))
    found = wds.WebLoader(pipeline, batch_size=None, num_workers=2)
    assert sorted(found) == [f"c{n:05}" for n in range(CLIPS)]


def test_spawned_workers_read_as_forked_ones(uneven: Dataset) -> None:
    source = SampleSource(uneven, "train", PART, train=True)
    source.set_epoch(2)
    wanted = {sample["__key__"]: sample["npy"].tobytes() for sample in source}
    source.set_epoch(2)
    spawned = DataLoader(source, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert {one["__key__"]: one["npy"].numpy().tobytes() for one in spawned} == wanted


def test_jpeg_clips_come_decoded(
    tmp_path: Path, noisy: Callable[..., Dataset], spec: ClipSpec
) -> None:
    jpeg = dataclasses.replace(spec, codec="jpeg")
    dataset = noisy(tmp_path / "root", (3, 2), spec=jpeg)
    stream = Stream(dataset, "train", PART, global_batch=5, train=False)
    [batch] = stream
    for place, sample in enumerate(SampleSource(dataset, "train", PART, train=False)):
        assert np.array_equal(batch.pixels[place], sample["npy"])
        assert sample["json"]["clip_id"] == stream.clip_ids[place]


def test_what_cannot_be_read_is_said(uneven: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ClipmillError, match=r"5 frames of 16x16 does not fit"):
        SampleSource(uneven, "train", Window(5, 16, 16), train=True)
    with pytest.raises(ClipmillError, match=r"'val' of .* holds no packed clip"):
        SampleSource(uneven, "val", train=True)
    with pytest.raises(ClipmillError, match=r"60 clips, less than one for each of 61"):
        SampleSource(uneven, "train", train=True, rank=0, world=61)
    with pytest.raises(ClipmillError, match=r"rank 2 of 2; expected 0 to world - 1"):
        SampleSource(uneven, "train", train=True, rank=2, world=2)
    with pytest.raises(ClipmillError, match=r"seed -1; expected 0 or more"):
        SampleSource(uneven, "train", train=True, seed=-1)


@pytest.fixture
def broken(tmp_path: Path, noisy: Callable[..., Dataset]) -> Dataset:
    """A root of which one byte of one clip's pixels is another."""
    dataset = noisy(tmp_path / "root", (4, 4))
    row = dataset.parts("samples").to_pylist()[5]
    path = Path(dataset.storage.root) / "shards" / row["shard"]
    with path.open("r+b") as file:
        file.seek(row["offset"] + 9)
        byte = os.pread(file.fileno(), 1, row["offset"] + 9)
        file.write(bytes([byte[0] ^ 1]))
    return dataset


@pytest.mark.parametrize("workers", [0, 1])
def test_damage_names_shard_and_clip(broken: Dataset, workers: int) -> None:
    with pytest.raises(ClipmillError, match=r"shard train-000001\.tar, clip c00005: "):
        keys(loader(SampleSource(broken, "train", train=True), workers))


def test_of_an_object_store_only_processes_with_their_own_connection_read(
    tmp_path: Path, noisy: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was forked would never answer."""
    with serving(tmp_path / "store") as store:
        for name, value in store.environment(CLIPMILL_SCRATCH=str(tmp_path / "scratch")).items():
            monkeypatch.setenv(name, value)
        dataset = noisy(f"s3://{store.bucket}/noise", (4, 2))
        source = SampleSource(dataset, "train", PART, train=True)
        wanted = keys(source)
        assert len(wanted) == 6
        source.set_epoch(0)
        with pytest.raises(ClipmillError, match="multiprocessing_context='spawn'"):
            keys(loader(source, 1))
        spawned = DataLoader(
            source, batch_size=None, num_workers=1, multiprocessing_context="spawn"
        )
        assert keys(spawned) == wanted

"""The stream inside torchdata's StatefulDataLoader: saved in mid-epoch, resumed to the batch."""

import json
from typing import Any

import pytest
import xxhash
from torchdata.stateful_dataloader import StatefulDataLoader

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import Window
from shards.reading import Reading
from shards.stream import Batch, Stream

PART = Window(2, 10, 12)
STEPS = 10  # of 6 clips each, in an epoch of 60


def loader(dataset: Dataset, workers: int = 0, **more: Any) -> StatefulDataLoader:
    options = {"global_batch": 6, "train": True, "seed": 4} | more
    stream = Stream(dataset, "train", PART, reading=Reading(workers=workers), **options)
    return StatefulDataLoader(stream, batch_size=None)


def seen(batch: Batch) -> tuple[list[int], str]:
    return batch.rows.tolist(), xxhash.xxh3_64_hexdigest(batch.pixels.numpy().tobytes())


def epochs(found: StatefulDataLoader, count: int) -> list[list[tuple[list[int], str]]]:
    return [[seen(batch) for batch in found] for _ in range(count)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("at", [0, 1, 7, STEPS])
def test_saved_in_mid_epoch_and_resumed(uneven: Dataset, at: int, workers: int) -> None:
    wanted = epochs(loader(uneven, workers), 3)
    first = loader(uneven, workers)
    epochs(first, 1)
    batches = iter(first)
    begun = [seen(next(batches)) for _ in range(at)]
    state = json.loads(json.dumps(first.state_dict()))
    assert len(json.dumps(state)) < 1000
    second = loader(uneven, workers)
    second.load_state_dict(state)
    assert [begun + epochs(second, 1)[0], *epochs(second, 1)] == wanted[1:]


def test_the_state_of_a_finished_epoch_begins_the_next(uneven: Dataset) -> None:
    wanted = epochs(loader(uneven), 2)
    first = loader(uneven)
    epochs(first, 1)
    second = loader(uneven)
    second.load_state_dict(first.state_dict())
    assert epochs(second, 1) == wanted[1:]


def test_a_loader_saves_before_it_was_iterated(uneven: Dataset) -> None:
    first, second = loader(uneven), loader(uneven)
    second.load_state_dict(first.state_dict())
    assert epochs(second, 2) == epochs(first, 2)


def test_another_world_size_goes_on_with_the_rest(uneven: Dataset) -> None:
    whole = loader(uneven)
    batches = iter(whole)
    for _ in range(4):
        next(batches)
    state = whole.state_dict()
    wanted = [sorted(seen(batch)[0]) for batch in batches]
    ranks = [loader(uneven, rank=rank, world=2) for rank in range(2)]
    for one in ranks:
        one.load_state_dict(state)
    found = [
        sorted(row for batch in both for row in batch.rows.tolist())
        for both in zip(*ranks, strict=True)
    ]
    assert found == wanted and len(found) == STEPS - 4


def test_its_length_is_the_stream_s(uneven: Dataset) -> None:
    assert len(loader(uneven)) == STEPS


def test_other_data_are_refused(uneven: Dataset) -> None:
    found = loader(uneven)
    found.load_state_dict(loader(uneven, seed=5).state_dict())
    with pytest.raises(ClipmillError, match="seed 5, this run has 4"):
        next(iter(found))


def test_workers_of_the_loader_are_refused(uneven: Dataset) -> None:
    stream = Stream(uneven, "train", PART, global_batch=6, train=True)
    for workers in (1, 2):
        found = StatefulDataLoader(stream, batch_size=None, num_workers=workers)
        with pytest.raises(ClipmillError, match=r"num_workers=0\. .*Reading\(workers=N\)"):
            list(found)

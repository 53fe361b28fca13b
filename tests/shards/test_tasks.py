"""Tasks: rows cut in order, epoch after epoch; and what batches are made of."""

import itertools

import numpy as np
import pytest

from manifests.dataset import Dataset
from manifests.spec import Window
from shards import plan
from shards.epochs import Epochs
from shards.fill import Bad, Done, Task
from shards.position import Course
from shards.samples import read_samples
from shards.slots import Pool, Slots
from shards.tasks import Maker, Tasks


def tasks(dataset: Dataset, together: int) -> Tasks:
    samples = read_samples(dataset, "train", None)
    course = Course(samples.digest, 0, 7, plan.BLOCK, 1)
    epochs = Epochs(samples, course, 0, 1, "drop", True)
    return Tasks(epochs, Pool(Slots(99, 7, Window(1, 2, 2)), 2), together, None)


@pytest.mark.parametrize("together", [1, 3, 8, 20])
def test_rows_come_in_order_and_each_batch_has_a_slot(uneven: Dataset, together: int) -> None:
    made = tasks(uneven, together)
    at = made.epochs.first()
    found = [*made.since(at, endless=False)]
    assert np.array_equal(np.concatenate([task.rows for task in found]), made.epochs.rows(at))
    assert all(len(task.slots) == len(task.rows) <= together for task in found)
    slots = [slot for task in found for slot in task.slots]
    assert len(set(slots)) == len(slots) == 8
    assert {task.epoch for task in found} == {0}


def test_epochs_without_end(uneven: Dataset) -> None:
    made = tasks(uneven, 3)
    at = made.epochs.first()
    at.step = 5
    found = [*itertools.islice(made.since(at, endless=True), 5)]
    assert [(task.epoch, len(task.rows)) for task in found] == [
        (0, 3),
        (1, 3),
        (1, 3),
        (1, 2),
        (2, 3),
    ]
    second = made.epochs.rows(at.following(made.epochs.course))
    assert np.array_equal(np.concatenate([task.rows for task in found[1:4]]), second)


def test_bad_samples_become_padding() -> None:
    random = np.arange(4 * 2 * 8, dtype=np.float32).reshape(4, 2, 8)
    rows = np.array([[4, 2], [0, plan.PAD]])
    maker = Maker(np.arange(10, 15), random)
    made = maker(Task(0, (3, 1), rows), Done([Bad(0, 1, "why")]))
    assert made.rows.tolist() == [[4, plan.PAD], [0, plan.PAD]] and rows[0, 1] == 2
    assert [one.tolist() for one in made.labels] == [[14, -1], [10, -1]]
    random[:] = 0  # the slots are used again
    assert [one[0, 0].item() for one in made.random] == [48, 16]

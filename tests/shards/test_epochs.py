"""The rows of a rank: those of the plan, from any position on."""

from dataclasses import replace

import numpy as np
import pytest

from manifests.dataset import Dataset
from shards import plan
from shards.epochs import Epochs
from shards.position import Course
from shards.samples import read_samples


def epochs(dataset: Dataset, rank: int = 0, world: int = 1, train: bool = True) -> Epochs:
    samples = read_samples(dataset, "train", None)
    course = Course(samples.digest, 3, 8, plan.BLOCK, 1)
    return Epochs(samples, course, rank, world, "drop" if train else "exact", train)


@pytest.mark.parametrize("train", [True, False])
def test_ranks_share_each_batch(uneven: Dataset, train: bool) -> None:
    alone = epochs(uneven, train=train)
    ranks = [epochs(uneven, rank, 3, train) for rank in range(3)]
    at = alone.first()
    whole = alone.rows(at)
    assert len(whole) == alone.steps(at) == (7 if train else 8)
    parts = np.concatenate([rank.rows(at) for rank in ranks], axis=1)
    assert parts.shape[1] == 3 * ranks[0].share == 9
    for mine, theirs in zip(whole, parts, strict=True):
        assert sorted(mine[mine != plan.PAD]) == sorted(theirs[theirs != plan.PAD])


def test_from_a_position_on(uneven: Dataset) -> None:
    found = epochs(uneven)
    first = found.first()
    whole = found.rows(first)
    assert np.array_equal(found.rows(replace(first, step=3)), whole[3:])
    assert np.array_equal(found.rows(replace(first, skipped=16)), whole[2:])
    assert found.steps(replace(first, skipped=16)) == len(whole) - 2
    following = first.following(found.course)
    assert following == replace(first, epoch=1)
    assert not np.array_equal(found.rows(following), whole)

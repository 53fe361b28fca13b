"""What is sorted by class comes out mixed, and each epoch anew: the plan of pack, then of reading.

Pure numpy, so thousands of batches are looked at. The statistic is Pearson's, of the table batches
by classes: the sum of (count - expected)^2 / expected, which for batches drawn without regard to
class has (batches - 1)(classes - 1) degrees of freedom. THRESHOLD is in standard deviations of
that: four are exceeded by chance once in thirty thousand times, and all seeds are fixed.
"""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.packplan import plan_shards
from shards import plan

CLASSES, CLIPS, BATCH = 20, 8_000, 64
THRESHOLD = 4.0


def packed(counts: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each sample's class and shard, of clips sorted by class, in the order of the table."""
    label_of = np.repeat(np.arange(len(counts)), counts)
    clips = [(f"c{place:05}", "train", 1, 1) for place in range(len(label_of))]
    rows = plan_shards(
        clips, sample_bytes=1, shard_bytes=50, seed=seed, generation=0, next_index={}
    )
    shard_of = np.empty(len(label_of), np.int64)
    shard_of[[int(row["clip_id"][1:]) for row in rows]] = [
        int(row["shard"].removeprefix("train-").removesuffix(".tar")) for row in rows
    ]
    return label_of, shard_of


def deviation(labels: np.ndarray, batch: int) -> float:
    """How many standard deviations the batches' label counts are from chance."""
    whole = labels[: len(labels) // batch * batch].reshape(-1, batch)
    counts = np.stack([np.bincount(one, minlength=labels.max() + 1) for one in whole])
    expected = counts.sum(0) * batch / whole.size
    statistic = float(((counts - expected) ** 2 / expected).sum())
    freedom = (len(counts) - 1) * (counts.shape[1] - 1)
    return (statistic - freedom) / (2 * freedom) ** 0.5


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("uneven", [False, True])
def test_sorted_by_class_comes_out_as_if_drawn(uneven: bool, lanes: int) -> None:
    """Over 160 shards of 50 clips, of which a block of eight is laid together."""
    counts = np.full(CLASSES, CLIPS // CLASSES)
    if uneven:
        counts = np.linspace(100, 700, CLASSES).astype(np.int64)
    deviations = []
    for seed in range(6):
        label_of, shard_of = packed(counts, seed)
        for epoch in range(3):
            order = plan.order(
                shard_of, "0123456789abcdef", seed, epoch, lanes=lanes, global_batch=BATCH
            )
            deviations.append(deviation(label_of[order], BATCH))
    assert max(map(abs, deviations)) < THRESHOLD, deviations
    assert abs(float(np.mean(deviations))) < THRESHOLD / len(deviations) ** 0.5


def test_the_measure_tells_what_is_not_mixed() -> None:
    label_of, shard_of = packed(np.full(CLASSES, CLIPS // CLASSES), 0)
    assert deviation(label_of, BATCH) > 100 * THRESHOLD, "as they are listed"
    own = label_of * 8 + np.arange(len(label_of)) % 8  # shards of one class each
    order = plan.order(own, "0123456789abcdef", 0, 0)
    assert deviation(label_of[order], BATCH) > THRESHOLD, "one class a shard: a block has eight"
    assert abs(deviation(np.random.default_rng(0).permutation(label_of), BATCH)) < THRESHOLD
    assert len(set(shard_of)) == CLIPS // 50


def test_epochs_differ_in_order_and_in_the_company_that_clips_keep() -> None:
    _, shard_of = packed(np.full(CLASSES, CLIPS // CLASSES), 0)
    orders = [plan.order(shard_of, "0123456789abcdef", 0, epoch) for epoch in range(2)]
    firsts = [list(dict.fromkeys(shard_of[order].tolist())) for order in orders]
    assert firsts[0] != firsts[1], "the order of shards"
    pairs = [
        {frozenset(pair) for batch in order.reshape(-1, 50) for pair in pairwise(batch)}
        for order in orders
    ]
    assert len(pairs[0] & pairs[1]) < len(pairs[0]) / 100, "who stands beside whom"
    blocks = [
        {frozenset(shard_of[block].tolist()) for block in order.reshape(-1, 400)}
        for order in orders
    ]
    assert len(blocks[0] & blocks[1]) <= 1, "which shards lie together"

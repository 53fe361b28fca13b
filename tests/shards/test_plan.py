"""The order of reading: a permutation, near a few shards, the same for any number of ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from shards import plan

MANIFEST = "0123456789abcdef"
SHARDS = st.lists(st.integers(0, 30), max_size=200).map(lambda n: np.array(n, np.int64))


@given(SHARDS, st.integers(0, 2**40), st.integers(0, 1000), st.integers(1, 9))
def test_an_order_is_a_permutation_and_always_the_same(
    shard_of: np.ndarray, seed: int, epoch: int, block: int
) -> None:
    found = plan.order(shard_of, MANIFEST, seed, epoch, block)
    assert sorted(found.tolist()) == list(range(len(shard_of)))
    assert found.tolist() == plan.order(shard_of, MANIFEST, seed, epoch, block).tolist()


@given(SHARDS, st.integers(1, 9))
def test_a_block_of_shards_is_read_before_the_next(shard_of: np.ndarray, block: int) -> None:
    """Each run of the order that stays in one set of shards uses at most `block` of them."""
    shards = shard_of[plan.order(shard_of, MANIFEST, 1, 2, block)].tolist()
    sizes = {shard: shards.count(shard) for shard in shards}
    while shards:
        seen: set[int] = set()
        length = 0
        while len(seen) <= block and length < sum(sizes[shard] for shard in seen | {shards[0]}):
            seen.add(shards[length])
            length += 1
        assert len(seen) <= block
        assert length == sum(sizes[shard] for shard in seen)
        shards = shards[length:]


def test_seed_epoch_and_manifest_change_the_order() -> None:
    shard_of = np.repeat(np.arange(20), 50)
    orders = [
        plan.order(shard_of, MANIFEST, 0, 0),
        plan.order(shard_of, MANIFEST, 1, 0),
        plan.order(shard_of, MANIFEST, 0, 1),
        plan.order(shard_of, "f" * 16, 0, 0),
    ]
    assert len({tuple(order) for order in orders}) == 4


def test_the_order_stays_the_same_for_ever() -> None:
    """Checkpoints name their place in it: change VERSION when this changes."""
    found = plan.order(np.repeat(np.arange(4), 3), MANIFEST, 7, 2, block=2)
    assert plan.VERSION == 1
    assert found.tolist() == [6, 1, 0, 8, 2, 7, 10, 9, 3, 4, 11, 5]


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 7), st.sampled_from(["drop", "pad"]))
def test_the_ranks_together_read_the_epoch(
    samples: int, size: int, world: int, tail: plan.Tail
) -> None:
    order, seen = np.random.default_rng(samples).permutation(samples), []
    for step in range(plan.steps(samples, size, tail)):
        shares = [plan.batch(order, step, size, rank, world) for rank in range(world)]
        assert len({len(share) for share in shares}) == 1
        # Read across the ranks, the global batch comes back in its order, padding at its end.
        whole = np.stack(shares, axis=1).ravel()
        there = whole[whole != plan.PAD]
        assert np.all(np.concatenate(shares)[np.concatenate(shares) < 0] == plan.PAD)
        assert there.tolist() == order[step * size : (step + 1) * size].tolist()
        seen += there.tolist()
    end = samples if tail == "pad" else samples // size * size
    assert seen == order[:end].tolist()


@given(st.lists(st.text(max_size=8), max_size=40, unique=True), st.integers(0, 2**33))
def test_draws_depend_on_the_clip_and_never_on_its_place(names: list[str], seed: int) -> None:
    keys = plan.clip_keys(names)
    found = plan.draws(keys, seed, 3, 1, 1000)
    assert np.all((found >= 0) & (found < 1000))
    assert plan.draws(keys[::-1], seed, 3, 1, 1000).tolist() == found[::-1].tolist()
    for place in range(len(names)):
        assert plan.draws(keys[place : place + 1], seed, 3, 1, 1000)[0] == found[place]


@pytest.mark.parametrize("bound", [1, 2, 7, 17, 100])
def test_draws_are_uniform_and_independent(bound: int) -> None:
    keys = plan.clip_keys(f"clip-{number}" for number in range(20_000))
    draws = [plan.draws(keys, *by, bound) for by in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))]
    for found in draws:
        counts = np.bincount(found, minlength=bound)
        expected = len(keys) / bound
        chi = float(((counts - expected) ** 2 / expected).sum())
        # The mean is bound - 1, the deviation sqrt(2 (bound - 1)): six of them never happen.
        assert chi <= bound - 1 + 6 * np.sqrt(2 * max(bound - 1, 1))
    for one in range(4):
        for two in range(one):
            same = float(np.mean(draws[one] == draws[two]))
            assert abs(same - 1 / bound) < 0.02


def test_the_largest_draw_stays_below_its_bound() -> None:
    keys = np.arange(100_000, dtype=np.uint64)
    assert plan.draws(keys, 0, 0, 3, 2**31).max() < 2**31


def test_the_digest_names_clips_and_where_they_lie() -> None:
    one = plan.digest(["a", "b"], ["x", "x"])
    assert one == plan.digest(["a", "b"], ["x", "x"])
    assert len({one, plan.digest(["b", "a"], ["x", "x"]), plan.digest(["a", "b"], ["x", "y"])}) == 3


@pytest.mark.parametrize(
    ("samples", "size", "tail", "words"),
    [
        (0, 4, "pad", "holds no packed clip"),
        (3, 4, "drop", "less than one batch of 4. Use --batch 3"),
        (3, 0, "pad", "batch 0; expected at least 1"),
    ],
)
def test_batches_that_cannot_be(samples: int, size: int, tail: plan.Tail, words: str) -> None:
    with pytest.raises(ClipmillError, match=words):
        plan.require_batch(samples, size, tail, "split 'train'")

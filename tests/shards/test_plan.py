"""The order of reading: a permutation, near a few shards, the same for any number of ranks."""

import hashlib

import numpy as np
import pyarrow as pa
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
    found = plan.order(np.repeat(np.arange(4), 3), MANIFEST, 7, 2, 2, lanes=2, global_batch=4)
    assert found.tolist() == [6, 1, 10, 9, 0, 8, 3, 4, 2, 7, 11, 5]


TAILS = st.sampled_from(["drop", "pad", "exact"])


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 7), TAILS)
def test_the_ranks_together_read_the_epoch(
    samples: int, size: int, world: int, tail: plan.Tail
) -> None:
    order, seen = np.random.default_rng(samples).permutation(samples), []
    ranks = [plan.shares(order, size, rank, world, tail) for rank in range(world)]
    assert {rank.shape for rank in ranks} == {(plan.steps(samples, size, tail), -(-size // world))}
    for step in range(len(ranks[0])):
        # One rank's share after the other, the global batch comes back in its order.
        whole = np.concatenate([rank[step] for rank in ranks])
        there = whole[whole != plan.PAD]
        assert (
            max(np.sum(rank[step] != plan.PAD) for rank in ranks)
            - min(np.sum(rank[step] != plan.PAD) for rank in ranks)
            <= 1
        )
        wanted = order[step * size : (step + 1) * size].tolist()
        if tail == "pad":
            wanted += np.resize(order, size).tolist()[: size - len(wanted)]
        assert there.tolist() == wanted
        seen += there.tolist()
    end = samples // size * size if tail == "drop" else samples
    assert seen[:end] == order[:end].tolist()
    assert len(seen) == end + plan.repeated(samples, size, tail)


@given(SHARDS, st.integers(1, 4), st.integers(1, 5), st.integers(1, 4))
def test_lanes_share_each_batch_and_read_shards_of_their_own(
    shard_of: np.ndarray, lanes: int, part: int, block: int
) -> None:
    """Each sample once; of each whole step a lane has its part; few shards lie in two lanes."""
    size = lanes * part
    found = plan.order(shard_of, MANIFEST, 1, 2, block, lanes, size)
    assert sorted(found.tolist()) == list(range(len(shard_of)))
    whole = len(shard_of) // lanes // part
    grid = found[: whole * size].reshape(whole, lanes, part)
    shards = [set(shard_of[grid[:, lane]].ravel().tolist()) for lane in range(lanes)]
    several = [one for one in set().union(*shards) if sum(one in lane for lane in shards) > 1]
    assert len(several) <= lanes - 1


def test_the_digest_names_clips_and_where_they_lie() -> None:
    def digest(keys: list[str], shards: list[str]) -> str:
        places = [sorted(set(shards)).index(name) for name in shards]
        return plan.digest(pa.array(keys), sorted(set(shards)), np.array(places))

    one = digest(["a", "b"], ["x", "x"])
    assert one == hashlib.sha256(b"a\tx\nb\tx\n").hexdigest()[:16]
    assert len({one, digest(["b", "a"], ["x", "x"]), digest(["a", "b"], ["x", "y"])}) == 3


@pytest.mark.parametrize(
    ("samples", "size", "tail", "lanes", "words"),
    [
        (0, 4, "pad", 1, "holds no packed clip"),
        (3, 4, "drop", 1, "less than one batch of 4. Use --batch 3"),
        (3, 0, "pad", 1, "batch 0; expected at least 1"),
        (30, 6, "drop", 4, "4 lanes do not share a batch of 6 evenly; .* such as 3"),
        (30, 6, "drop", 0, "0 lanes"),
        (30, 6, "wrap", 1, "unknown tail"),
    ],
)
def test_batches_that_cannot_be(
    samples: int, size: int, tail: plan.Tail, lanes: int, words: str
) -> None:
    with pytest.raises(ClipmillError, match=words):
        plan.require_batch(samples, size, tail, "split 'train'", lanes)

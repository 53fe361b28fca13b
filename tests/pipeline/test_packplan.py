"""Which clips go into which shard: each once, sizes near the wish, always the same."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.packplan import UNSPLIT, plan_shards, shard_count, shard_split

CLIPS = st.dictionaries(
    st.text("abcdef0123456789", min_size=1, max_size=8),
    st.tuples(st.sampled_from(["train", "val", "test", UNSPLIT]), st.integers(1, 3)),
    max_size=80,
).map(lambda found: [(clip, split, attempt) for clip, (split, attempt) in found.items()])


def plan(todo: list[tuple[str, str, int]], size: int | None = 400, seed: int = 0) -> list[dict]:
    return plan_shards(
        [(clip, split, attempt, 1) for clip, split, attempt in todo],
        sample_bytes=100,
        shard_bytes=size,
        seed=seed,
        generation=2,
        next_index={"train": 7},
    )


@given(CLIPS, st.integers(1, 1000), st.integers(0, 2**40), st.randoms(use_true_random=False))
def test_each_clip_once_whatever_the_order_it_comes_in(
    todo: list[tuple[str, str, int]], size: int, seed: int, chance: random.Random
) -> None:
    rows = plan(todo, size, seed)
    assert sorted((row["clip_id"], row["split"], row["attempt"]) for row in rows) == sorted(todo)
    chance.shuffle(todo)
    assert plan(todo, size, seed) == rows
    for row in rows:
        assert row["shard"].startswith(f"{row['split']}-")
        assert row["generation"] == 2


@given(CLIPS, st.integers(1, 1000))
def test_shards_are_equal_and_near_the_wish(todo: list[tuple[str, str, int]], size: int) -> None:
    sizes: dict[str, Counter[str]] = {}
    for row in plan(todo, size):
        sizes.setdefault(row["split"], Counter())[row["shard"]] += 1
    for split, shards in sizes.items():
        assert max(shards.values()) - min(shards.values()) <= 1
        assert max(shards.values()) * 100 < size + 100
        first = 7 if split == "train" else 0
        assert list(shards) == [f"{split}-{first + n:06d}.tar" for n in range(len(shards))]


def test_seed_and_generation_shuffle() -> None:
    todo = [(f"c{n:03}", "train", 1) for n in range(100)]
    one, two = plan(todo, seed=0), plan(todo, seed=1)
    assert one != two
    assert [row["clip_id"] for row in one] != sorted(row["clip_id"] for row in one)


@pytest.mark.parametrize(
    ("clips", "sample", "wish", "count"),
    [
        (0, 100, None, 1),
        (480_000, 1_600_000, None, 3000),
        (1000, 1_600_000, None, 16),
        (20, 1_600_000, None, 8),
        (3, 1_600_000, 1, 3),
        (3, 1_600_000, 10**12, 1),
    ],
)
def test_how_many_shards(clips: int, sample: int, wish: int | None, count: int) -> None:
    assert shard_count(clips, sample, wish) == count


def test_a_clip_of_two_splits_stays_with_test() -> None:
    assert shard_split(["val", "test"]) == shard_split(["test", "val"]) == "test"
    assert shard_split(["train"]) == "train"
    assert shard_split([]) == UNSPLIT


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=5), st.integers(1, 32), min_size=1),
    st.integers(100, 4000),
)
def test_shards_hold_about_as_many_samples_where_views_differ(
    views: dict[str, int], size: int
) -> None:
    rows = plan_shards(
        [(clip, "test", 1, count) for clip, count in views.items()],
        sample_bytes=100,
        shard_bytes=size,
        seed=0,
        generation=0,
        next_index={},
    )
    assert sorted(row["clip_id"] for row in rows) == sorted(views)
    shards: dict[str, int] = {}
    for row in rows:
        shards[row["shard"]] = shards.get(row["shard"], 0) + views[row["clip_id"]]
    assert list(shards) == [f"test-{number:06d}.tar" for number in range(len(shards))]
    share = max(size / 100, sum(views.values()) / len(views))
    assert max(shards.values()) <= share + 32

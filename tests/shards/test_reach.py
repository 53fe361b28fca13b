"""What is to be here and when: within its room, in order, and never stuck."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from shards.reach import SPAN, Reach, turns


@st.composite
def epochs(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Blocks of shards whose samples are mixed, as plan.order makes them; sizes; a block."""
    count, block = draw(st.integers(1, 30)), draw(st.integers(1, 4))
    sizes = draw(st.lists(st.integers(1, 50), min_size=count, max_size=count))
    shuffle = random.Random(draw(st.integers(0, 999)))
    numbers = shuffle.sample(range(count), count)
    positions = []
    for start in range(0, count, block):
        mixed = [n for n in numbers[start : start + block] for _ in range(shuffle.randint(1, 4))]
        mixed += [-1] * shuffle.randint(0, 2)  # padding
        shuffle.shuffle(mixed)
        positions += mixed
    return positions, sizes, block


@given(
    epochs(),
    st.integers(1, 12),
    st.integers(1, 3),
    st.integers(0, 9),
    st.integers(0, 99),
    st.floats(1, 4),
)
def test_reading_never_waits_for_ever_and_keeps_to_its_room(
    epoch: tuple[list[int], list[int], int],
    step: int,
    at_once: int,
    skip: int,
    seed: int,
    plenty: float,
) -> None:
    """A reader that asks `step` positions at a time, one ask ahead of what it has read."""
    positions, sizes, _ = epoch
    shards, chance = np.array(positions, np.int64), random.Random(seed)
    spans = [*range(0, len(positions), step), len(positions)]
    asked = [(spans[max(0, n - 2)], stop) for n, stop in enumerate(spans)]
    # Between two asks a shard counts whose use began before and has not ended.
    uses = {n: [p for p, m in enumerate(positions) if m == n] for n in set(positions) - {-1}}
    most = (
        max(
            sum(sizes[n] for n, used in uses.items() if used[0] < stop and used[-1] >= read)
            for read, stop in asked
        )
        if uses
        else 1
    )
    room = max(most, int(most * plenty))
    reach = Reach(shards, np.array(sizes, np.int64), room, skip)
    here: set[int] = set()
    coming: set[int] = set()
    read = 0

    def move() -> bool:
        while len(coming) < at_once and (at := reach.begin()) is not None:
            assert at not in here and at not in coming
            coming.add(at)
        assert reach.taken == sum(sizes[reach.numbers[at]] for at in here | coming) <= room
        if not coming:
            return False
        at = chance.choice(sorted(coming))
        coming.remove(at)
        if chance.random() < 0.2:
            reach.refuse(at)
        elif reach.arrived(at):
            here.add(at)
        here.difference_update(reach.surplus())
        return True

    for start, stop in itertools.pairwise(spans):
        for _ in range(chance.randint(0, 5)):
            move()
        wanted = reach.ask(start, stop)
        assert {reach.numbers[at] for at in wanted} == set(positions[start:stop]) - {-1}
        here.difference_update(reach.surplus())
        while not here.issuperset(wanted):
            if not move():
                reach.ask(start, stop)  # what was refused is tried when it is asked for again
                assert not here.issuperset(wanted)
                here.difference_update(reach.surplus())
                assert move(), "nothing comes any more"
        here.difference_update(reach.read(read))
        assert here.issuperset(wanted), "let go before its last use"
        read = stop
    here.difference_update(reach.read(len(positions)))
    assert not here, "held beyond its last use"


@given(epochs(), st.integers(0, 9))
def test_with_room_for_all_each_shard_is_fetched_once_and_early_ones_first(
    epoch: tuple[list[int], list[int], int], skip: int
) -> None:
    positions, sizes, _ = epoch
    reach = Reach(np.array(positions, np.int64), np.array(sizes, np.int64), sum(sizes), skip)
    fetched = []
    while (at := reach.begin()) is not None:
        assert reach.arrived(at)
        fetched.append(at)
    assert sorted(fetched) == [*range(len(set(positions) - {-1}))]
    assert [at // SPAN for at in fetched] == sorted(at // SPAN for at in fetched)
    first = [reach.numbers.index(n) for n in dict.fromkeys(positions) if n >= 0]
    assert first == sorted(first)


def test_ranks_begin_with_different_shards() -> None:
    assert turns(12, 0).tolist() == [*range(12)]
    assert turns(12, 4).tolist() == [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11]
    assert turns(11, 2).tolist() == [2, 3, 4, 5, 6, 7, 0, 1, 10, 8, 9]
    assert turns(0, 4).tolist() == []


def test_what_is_asked_for_comes_first_and_early_ones_make_room() -> None:
    shards, sizes = np.arange(10), np.full(10, 10)
    reach = Reach(shards, sizes, 30, 4)
    early = [at for at in (reach.begin(), reach.begin(), reach.begin()) if at is not None]
    assert [reach.numbers[at] for at in early] == [4, 5, 6] and reach.begin() is None
    assert all(reach.arrived(at) for at in early)
    assert reach.ask(0, 2) == [0, 1] and reach.begin() is None
    assert reach.surplus() == [6] and reach.begin() == 0 and reach.begin() is None
    assert reach.surplus() == [5] and reach.begin() == 1 and reach.surplus() == []
    assert reach.taken == 30


def test_a_block_for_which_there_is_no_room_is_an_error() -> None:
    reach = Reach(np.array([0, 1, 0, 1, 2]), np.array([10, 20, 5]), 29)
    assert reach.ask(0, 1) == [0]
    with pytest.raises(ClipmillError, match=r"2 shards of together 30 bytes .* room for 29"):
        reach.ask(1, 2)


def test_a_million_positions() -> None:
    shards = np.repeat(np.arange(4000), 250)
    reach = Reach(shards, np.full(4000, 10), 100)
    fetched = 0
    for start in range(0, len(shards), 1000):
        wanted = reach.ask(start, start + 1000)
        reach.surplus()
        while (at := reach.begin()) is not None:
            fetched += reach.arrived(at)
        assert reach._here.issuperset(wanted)
        reach.read(start + 1000)
    assert fetched == 4000

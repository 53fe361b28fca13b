import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.annotate import cut as cut_module
from pipeline.annotate.cut import check_fractions, cut, rank

sizes = st.lists(st.integers(1, 9), min_size=1, max_size=9)
fractions = st.floats(0, 0.99)


PINNED = {"val": ["a/g3", "a/g7"], "test": ["a/g1", "a/g4"], "rank": "9929bdec"}


def members_of(classes):
    return [
        (label, f"{label}/g{index}")
        for label, groups in classes.items()
        for index, size in enumerate(groups)
        for _ in range(size)
    ]


def clips_in(part, members, name):
    return sum(part[group] == name for _, group in members)


@given(sizes, fractions, st.integers())
def test_one_part_is_as_near_as_whole_groups_allow(groups, fraction, seed):
    members = members_of({"a": groups})
    part = cut(members, {"val": fraction}, seed=seed)
    target = fraction * sum(groups)
    possible = [
        sum(chosen)
        for count in range(len(groups))  # never all of them
        for chosen in itertools.combinations(groups, count)
    ]
    best = min(abs(total - target) for total in possible)
    assert abs(clips_in(part, members, "val") - target) == pytest.approx(best)
    assert "train" in part.values()


@given(
    st.dictionaries(st.sampled_from("abcd"), sizes, min_size=1),
    st.floats(0, 0.49),
    st.floats(0, 0.49),
    st.integers(0, 9),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_order_of_the_list_gives_the_same_cut(classes, val, test, seed, represent, shuffler):
    members = members_of(classes)
    options = {"seed": seed, "represent": represent}
    part = cut(members, {"val": val, "test": test}, **options)
    shuffled = members[:]
    shuffler.shuffle(shuffled)
    assert cut(shuffled, {"val": val, "test": test}, **options) == part
    assert set(part) == {group for _, group in members}
    for label, groups in classes.items():
        here = {part[group] for name, group in members if name == label}
        assert "train" in here
        wanted = {name for name, x in (("val", val), ("test", test)) if x > 0}
        if represent and len(groups) > len(wanted):
            assert here == {"train"} | wanted


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123456")), min_size=1), fractions
)
def test_groups_of_several_classes_stay_whole_and_train_has_every_class(members, fraction):
    part = cut(members, {"val": fraction}, seed=0)
    assert part == cut(members[::-1], {"val": fraction}, seed=0)
    in_train = {label for label, group in members if part[group] == "train"}
    assert in_train == {label for label, _ in members}


def test_the_classes_do_not_influence_each_other():
    alone = cut(members_of({"a": [3, 4, 5, 6, 7]}), {"val": 0.3}, seed=1)
    both = cut(members_of({"a": [3, 4, 5, 6, 7], "b": [2, 9, 1]}), {"val": 0.3}, seed=1)
    assert alone.items() <= both.items()


def test_the_seed_and_the_salt_decide():
    members = members_of({"a": [1] * 50})
    cuts = [cut(members, {"val": 0.2}, seed=seed) for seed in range(5)]
    cuts.append(cut(members, {"val": 0.2}, seed=0, salt="split2"))
    assert len({tuple(sorted(part.items())) for part in cuts}) == 6
    assert all(Counter(part.values()) == {"train": 40, "val": 10} for part in cuts)


def test_the_cut_is_the_same_on_every_platform_and_for_ever():
    part = cut(members_of({"a": [1] * 8}), {"val": 0.25, "test": 0.25}, seed=7)
    assert sorted(group for group in part if part[group] == "val") == PINNED["val"]
    assert sorted(group for group in part if part[group] == "test") == PINNED["test"]
    assert rank(7, "a").hex()[:8] == PINNED["rank"]


@pytest.mark.parametrize("count", [1, 3, 1000])
def test_beyond_the_window_the_cut_stays_near(count):
    dice = random.Random(count)
    groups = [dice.randint(1, 12) for _ in range(count * 3)]
    members = members_of({"a": groups})
    part = cut(members, {"val": 0.37}, seed=0)
    assert abs(clips_in(part, members, "val") - 0.37 * len(members)) <= (0.5 if count > 1 else 12)


@given(st.lists(st.integers(1, 9), min_size=4, max_size=40), fractions)
def test_a_small_window_still_cuts_within_a_group(groups, fraction):
    members = members_of({"a": groups})
    window, cut_module.WINDOW = cut_module.WINDOW, 3
    try:
        part = cut(members, {"val": fraction}, seed=0)
    finally:
        cut_module.WINDOW = window
    assert "train" in part.values()
    off = abs(clips_in(part, members, "val") - fraction * len(members))
    assert off <= max(groups)


def test_a_class_of_one_group_stays_in_train():
    assert set(cut(members_of({"a": [5]}), {"val": 0.9}, seed=0, represent=True).values()) == {
        "train"
    }
    assert cut([], {"val": 0.5}, seed=0) == {}


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, float("nan"), float("inf")])
def test_fractions_out_of_range_are_refused(value):
    with pytest.raises(ClipmillError, match=r"val fraction .*expected a number from 0 to below 1"):
        check_fractions(val=value)


def test_fractions_that_leave_no_train_are_refused():
    with pytest.raises(ClipmillError, match=r"val 0.5 \+ test 0.5 leave nothing for train"):
        cut([("a", "g")], {"val": 0.5, "test": 0.5}, seed=0)

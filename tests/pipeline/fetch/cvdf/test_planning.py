"""Which archives are to be read, by what is known of them; pure but for looks at files."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.acquiring.locate import own_stem
from pipeline.fetch.cvdf.index import Index
from pipeline.fetch.cvdf.planning import Deal, by_split, deal, mended_first, units_of
from pipeline.fetch.cvdf.reading import Reading
from pipeline.fetch.cvdf.wanted import Split
from pipeline.fetch.source import Arrived, Want
from tests.pipeline.fetch.cvdf.laid import id_of, stem_of

A, B, C = (f"http://h/{name}.tar.gz" for name in "abc")


def want(number):
    return Want(stem_of(number), 1, f"youtube:{id_of(number)}", id_of(number), 10.0, 11.0)


def split_of(*numbers):
    split = Split("kinetics400 train")
    for number in numbers:
        split.add(want(number))
    return split


def held(*numbers, size=3):
    return [(f"{stem_of(number)}.mp4", size) for number in numbers]


def test_each_clip_is_dealt_to_the_first_archive_that_has_it(clips):
    dataset = clips("kinetics400", [(0, "a", "train")])
    Index(dataset).add(A, "x", 9, held(0, 1, 9))
    Index(dataset).add(B, "x", 9, held(1, 2))
    index = Index(dataset)
    dealt = deal(split_of(0, 1, 2), [A, B, C], index, dataset.storage)
    found = [(one.url, one.expected) for one in dealt.readings]
    assert found == [(A, {stem_of(0), stem_of(1)}), (B, {stem_of(2)})]  # C is not needed
    dealt = deal(split_of(1, 3), [A, B, C], index, dataset.storage)
    assert [(one.url, one.expected) for one in dealt.readings] == [(A, {stem_of(1)}), (C, set())]
    assert deal(split_of(3), [A, B], index, dataset.storage).readings == []


def test_files_of_the_right_size_are_here(clips):
    dataset = clips("kinetics400", [(0, "a", "train")])
    Index(dataset).add(A, "x", 9, held(0, 1))
    for number, data in ((0, b"123"), (1, b"other")):
        dataset.storage.write(own_stem(want(number).source, stem_of(number)) + ".mp4", data)
    split = split_of(0, 1)
    dealt = deal(split, [A], Index(dataset), dataset.storage)
    assert [one.wants for one in dealt.here] == [[want(0)]] and dealt.here[0].start_s == 10.0
    assert [one.expected for one in dealt.readings] == [{stem_of(1)}]
    assert list(split.wants) == [stem_of(1)]


def test_mended_clips_go_first_and_are_asked_for_only_with_others(clips):
    dataset = clips("kinetics400", [(0, "a", "train")])
    index, storage = Index(dataset), dataset.storage
    two = [deal(split_of(n), [A, B], index, storage) for n in (0, 1)]
    first = mended_first(A, two, index)
    assert first and first.url == A and first.may_lack
    assert first.splits == [one.split for one in two]
    assert [one.after for each in two for one in each.readings] == [first.done] * 2
    assert {one.url for each in two for one in each.readings} == {B}
    Index(dataset).add(A, None, 0, [])
    Index(dataset).add(B, None, 9, held(0))
    index = Index(dataset)
    assert mended_first(A, [deal(split_of(5), [A, B], index, storage)], index) is None
    assert mended_first(A, [deal(split_of(0), [A, B], index, storage)], index) is not None


def test_a_clip_in_several_splits_is_in_the_first_of_them():
    splits = {stem_of(0): ["test", "train"], stem_of(1): ["test"]}
    found = by_split(map(want, range(3)), lambda clip: splits.get(clip, []), ("train", "test"))
    assert found == {"train": [want(0)], "test": [want(1)], "": [want(2)]}


@given(
    st.lists(st.tuples(st.integers(0, 250), st.integers(0, 5), st.integers(0, 40)), max_size=3),
    st.booleans(),
)
def test_units_hold_every_clip_once_and_every_split_ends(sizes, mended):
    deals, number = [], 0
    for here, readings, others in sizes:
        split = split_of(*range(number + here, number + here + others))
        files = [Arrived([want(n)], "x") for n in range(number, number + here)]
        deals.append(Deal(split, files, [Reading(A, [split]) for _ in range(readings)]))
        number += here + others
    splits = [each.split for each in deals]
    first = Reading(B, splits) if mended and deals else None
    units = list(units_of(deals, first))
    assert sum(count for _, count in units) == number
    assert all(count >= 0 for _, count in units)
    ended = [split for unit, _ in units for split in unit.splits if split.end()]
    assert sorted(map(id, ended)) == sorted(map(id, splits))
    assert sum(len(unit.here) for unit, _ in units) == sum(here for here, _, _ in sizes)

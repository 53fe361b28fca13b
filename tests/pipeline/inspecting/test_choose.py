"""Clips by id, by class, by chance: the right rows, the same every time, or a helpful error."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import schema
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.inspecting.choose import Wish, at_random, find_class, of_class, one_clip, packed
from pipeline.inspecting.choose import page_of as page

SPEC = ClipSpec(frames=2, height=8, width=8)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, packed_with):
    clips = [(f"a{n}", "Juggling Balls", "train") for n in range(5)]
    clips += [(f"b{n}", "yo-yo", ("train", "val")[n % 2]) for n in range(4)]
    clips += [("c0", None, "test")]
    return packed_with(tmp_path_factory.mktemp("choose"), SPEC, clips)


def ids(rows: pa.Table) -> list[str]:
    return rows["clip_id"].to_pylist()


def test_packed_is_all_or_a_split(dataset):
    assert len(packed(dataset, Wish())) == 10
    assert ids(packed(dataset, Wish(split="val"))) == ["b1", "b3"]
    assert ids(packed(dataset, Wish(split="test", split_set="default"))) == ["c0"]
    with pytest.raises(ClipmillError, match=r"unknown split 'vall'.*Did you mean 'val'"):
        packed(dataset, Wish(split="vall"))
    with pytest.raises(ClipmillError, match="unknown split set 'other'"):
        packed(dataset, Wish(split="val", split_set="other"))


def test_one_clip(dataset):
    assert ids(one_clip(dataset, Wish(clip="b1"))) == ["b1"]
    assert ids(one_clip(dataset, Wish(clip="b1", split="val"))) == ["b1"]
    with pytest.raises(ClipmillError, match="b1 is not in the split 'train' of the split set"):
        one_clip(dataset, Wish(clip="b1", split="train"))
    with pytest.raises(ClipmillError, match="unknown clip 'b9'"):
        one_clip(dataset, Wish(clip="b9"))


def test_of_class(dataset):
    name, rows = of_class(dataset, Wish(label="juggling_balls"))
    assert name == "Juggling Balls"
    assert ids(rows) == [f"a{n}" for n in range(5)]
    assert ids(of_class(dataset, Wish(label="yo-yo", split="val"))[1]) == ["b1", "b3"]
    assert ids(of_class(dataset, Wish(label="(no label)"))[1]) == ["c0"]
    with pytest.raises(ClipmillError, match=r"no clip is packed in the split 'test'.*asks for 4"):
        of_class(dataset, Wish(label="yo-yo", split="test"))


def test_find_class():
    labels = ["yo-yo", "Punch", "punch", "Passing (in game)", "日本", "中国"]
    assert find_class("Punch", labels) == 1
    assert find_class("punch", labels) == 2
    assert find_class("YO-YO", labels) == 0
    assert find_class("passing_in_game", labels) == 3
    assert find_class("中国", labels) == 5
    assert find_class("(no label)", labels) is None
    with pytest.raises(ClipmillError, match="may be any of 'Punch', 'punch'"):
        find_class("PUNCH", labels)
    with pytest.raises(ClipmillError, match=r"unknown class 'punsch'.* 6 classes.*mean 'punch'"):
        find_class("punsch", labels)
    with pytest.raises(ClipmillError, match=r"of this dataset\. `clipmill inspect --json`"):
        find_class("韓", labels)


def rows_of(classes: list[int | None]) -> pa.Table:
    row = dict.fromkeys(schema.SAMPLES.names) | {"indices": []}
    rows = [row | {"clip_id": f"c{n}", "label_id": own} for n, own in enumerate(classes)]
    return pa.Table.from_pylist(rows, schema=schema.SAMPLES)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.none() | st.integers(0, 6), min_size=1, max_size=60),
    st.integers(1, 70),
    st.integers(0, 9),
)
def test_chance_takes_every_class_as_evenly_as_can_be(classes, count, seed):
    rows = rows_of(classes)
    chosen = at_random(rows, count, seed)
    assert len(set(ids(chosen))) == len(chosen) == min(count, len(classes))
    assert ids(chosen) == ids(at_random(rows, count, seed))
    have, took = Counter(classes), Counter(chosen["label_id"].to_pylist())
    least = min((took[own] for own in have if took[own] < have[own]), default=None)
    if least is not None:
        assert max(took.values()) <= least + 1
    order = [-1 if own is None else own for own in chosen["label_id"].to_pylist()]
    assert order == sorted(order)


def test_another_seed_is_another_page():
    rows = rows_of([n % 3 for n in range(60)])
    assert len({tuple(ids(at_random(rows, 6, seed))) for seed in range(5)}) == 5
    with pytest.raises(ClipmillError, match="--random 0"):
        at_random(rows, 0, 0)


def test_pages():
    rows = rows_of([0] * 25)
    assert [len(page(rows, number, 10)[0]) for number in (1, 2, 3)] == [10, 10, 5]
    assert ids(page(rows, 3, 10)[0]) == [f"c{n}" for n in range(20, 25)]
    assert page(rows, 1, 10)[1] == 3
    for number in (0, 4, -1):
        with pytest.raises(ClipmillError, match=rf"--page {number}; expected 1 to 3 for 25"):
            page(rows, number, 10)


def test_one_choice_at_a_time():
    assert not Wish(split="val").draws
    assert Wish(clip="").draws
    with pytest.raises(ClipmillError, match="--clip and --random together"):
        Wish(clip="a", random=3)

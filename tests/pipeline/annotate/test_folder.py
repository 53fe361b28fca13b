import os
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.folder import read_folder
from pipeline.annotate.sources import path_of


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def read(videos, csv=None, **options):
    defaults = {"val": 0.0, "test": 0.0, "seed": 0, "name": "mine"}
    if isinstance(csv, str):
        path = videos / "list.csv"
        path.write_text(csv)
        csv = path
    return read_folder(videos, csv=csv, **(defaults | options))


def parts_of(found):
    assert all(row.split_set == "default" for row in found.splits)
    assert sorted(row.clip_id for row in found.splits) == sorted(x.clip_id for x in found.clips)
    source = {clip.clip_id: path_of(clip.source) for clip in found.clips}
    parts = {part: set() for part in rows.SPLITS}
    for row in found.splits:
        parts[row.split].add(source[row.clip_id])
    return parts


def counts_of(found):
    return Counter(row.split for row in found.splits)


TEN = [f"{label}/{i}.avi" for label in ("run", "walk") for i in range(10)]


def test_a_clip_and_its_labels(tmp_path):
    found = read(make(tmp_path, "b #1/x y.avi", "a/z.mp4"))
    assert found.name == "mine"
    assert found.labels == [rows.Label(0, "a", "a"), rows.Label(1, "b #1", "b_1")]
    source = "file:b %231/x y.avi"
    assert found.clips[1] == rows.Clip(
        clip_id=rows.clip_id("x y", source, None, None),
        dataset="mine",
        label="b #1",
        label_id=1,
        video_id="b %231/x y.avi",
        source=source,
    )
    assert found.split_sets == ["default"]
    assert found.notes == ["2 classes; 2 train, 0 val, 0 test clips (cut by the seed)"]
    assert found.warnings == []


def test_each_class_is_cut_by_the_fractions_and_the_seed(tmp_path):
    make(tmp_path, *TEN)
    found = read(tmp_path, val=0.2, test=0.3)
    parts = parts_of(found)
    for label in ("run", "walk"):
        here = {part: sum(x.startswith(label) for x in names) for part, names in parts.items()}
        assert here == {"train": 5, "val": 2, "test": 3}
    assert read(tmp_path, val=0.2, test=0.3) == found
    assert parts_of(read(tmp_path, val=0.2, test=0.3, seed=1)) != parts


def test_small_classes_are_in_every_part_and_single_clips_in_train(tmp_path):
    make(tmp_path, "one/a.avi", "three/a.avi", "three/b.avi", "three/c.avi")
    parts = parts_of(read(tmp_path, val=0.1, test=0.1))
    assert "one/a.avi" in parts["train"]
    assert [len(parts[part]) for part in rows.SPLITS] == [2, 1, 1]
    found = read(make(tmp_path / "few", "one/a.avi", "two/a.avi"), val=0.1)
    assert found.warnings == ["val is empty: no class has groups enough to spare one."]


def test_given_splits_stay_and_a_missing_val_is_cut_from_train(tmp_path):
    make(tmp_path, *(f"train/{name}" for name in TEN), "test/run/x.avi", "test/walk/x.avi")
    found = read(tmp_path, val=0.2, test=0.5)
    assert counts_of(found) == {"train": 16, "val": 4, "test": 2}
    assert parts_of(found)["test"] == {"test/run/x.avi", "test/walk/x.avi"}
    assert found.notes == ["2 classes; 16 train, 4 val, 2 test clips (val cut from train)"]
    assert counts_of(read(tmp_path)) == {"train": 20, "test": 2}
    make(tmp_path, "valid/run/y.avi")
    found = read(tmp_path, val=0.2)
    assert counts_of(found) == {"train": 20, "val": 1, "test": 2}
    assert found.notes[-1].endswith("(as given)")


def test_spans_of_a_video_and_groups_are_never_parted(tmp_path):
    lines = ["path,label,start,end,group"]
    lines += [f"v{i}.avi,{'ab'[i % 2]},{s},{s + 5}," for i in range(20) for s in (0, 5, 10)]
    lines += [f"w{i}.avi,{'ab'[i % 2]},,,person {i // 5}" for i in range(40)]
    found = read(tmp_path, "\n".join(lines), val=0.2, test=0.2)
    part = {row.clip_id: row.split for row in found.splits}
    units = {}
    for clip in found.clips:
        units.setdefault(clip.group or clip.source, set()).add(part[clip.clip_id])
    assert all(len(parts) == 1 for parts in units.values())
    assert len(units) == 28
    assert set(part.values()) == set(rows.SPLITS)
    assert found.warnings == []


def test_the_order_of_rows_does_not_matter(tmp_path):
    lines = [f"{label}{i}.avi,{label},{i},{i + 1}" for label in "abc" for i in range(12)]
    found = read(tmp_path, "path,label,start,end\n" + "\n".join(lines), val=0.2, test=0.2)
    random.Random(0).shuffle(lines)
    again = read(tmp_path, "path,label,start,end\n" + "\n".join(lines), val=0.2, test=0.2)
    assert again == found


def test_a_video_that_is_not_there_is_a_row_like_others(tmp_path):
    found = read(tmp_path, "path,label\nnowhere.avi,run\n")
    assert [clip.source for clip in found.clips] == ["file:nowhere.avi"]
    (tmp_path / "list.csv").write_text("path,label,fps\nnowhere.avi,run,3\n")
    found = read_folder(
        tmp_path / "away", csv=tmp_path / "list.csv", val=0, test=0, seed=0, name="x"
    )
    assert found.warnings == [f"{tmp_path}/away is not there: nor is a video of the list."]
    assert found.notes[0] == "columns ignored: 'fps'"


def test_rows_that_repeat_count_once_and_rows_that_contradict_are_an_error(tmp_path):
    found = read(tmp_path, "path,label\na.avi,run\n./a.avi,run\nb.avi,run\n")
    assert len(found.clips) == 2
    assert found.warnings == ["1 rows say again what another row says; each counts once."]
    message = (
        r"list.csv:3: 'a.avi' as 'walk', but line 2 has 'a.avi' as 'run' for the same clip; "
        "expected one label"
    )
    with pytest.raises(ClipmillError, match=message):
        read(tmp_path, "path,label\na.avi,run\na.avi,walk\n")
    with pytest.raises(ClipmillError, match=r":2: 'a.avi' as 'run', split test, but line 1 has"):
        read(tmp_path, "a.avi,run,train\na.avi,run,test\n")


def test_groups_in_two_splits_and_untrained_classes_are_warned_of(tmp_path):
    text = (
        "path,label,split,start,end\na.avi,run,train,0,5\na.avi,run,test,5,9\nb.avi,walk,test,,\n"
    )
    found = read(tmp_path, text)
    assert found.warnings == [
        "1 groups or videos have clips in several splits, 'file:a.avi'; figures on val and test "
        "will come out too good.",
        "classes without a clip in train: 'walk'",
    ]


def test_a_class_list_fixes_labels_and_their_order(tmp_path):
    make(tmp_path, "run/a.avi", "walk/b.avi")
    found = read(tmp_path, classes=["walk", "swim", "run"])
    assert [label.label for label in found.labels] == ["walk", "swim", "run"]
    assert {clip.label: clip.label_id for clip in found.clips} == {"walk": 0, "run": 2}
    path = tmp_path / "classes.txt"
    path.write_text("run\nwalk\n")
    assert [label.label for label in read(tmp_path, classes=path).labels] == ["run", "walk"]
    message = (
        r"'walk/b.avi': unknown class 'walk'; expected one of the 2 in the class list. "
        r"Did you mean 'Walks'\?"
    )
    with pytest.raises(ClipmillError, match=message):
        read(tmp_path, classes=["run", "Walks"])
    with pytest.raises(ClipmillError, match=r"list.csv:2: unknown class 'walk'"):
        read(tmp_path, "path,label\na.avi,walk\n", classes=["run"])
    with pytest.raises(ClipmillError, match="class 'run' stands twice in the class list"):
        read(tmp_path, classes=["run", "walk", "run"])


def test_fractions_are_checked_first(tmp_path):
    with pytest.raises(ClipmillError, match="leave nothing for train"):
        read(tmp_path, val=0.5, test=0.5)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=20).filter(lambda raw: not set(raw) & {0, ord("/")}),
        st.integers(1, 6),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 3),
)
def test_any_folder_names_survive_and_nothing_is_lost(tmp_path_factory, classes, seed):
    root = tmp_path_factory.mktemp("videos")
    names = [
        os.fsdecode(b"_" + raw + b"/-;&#([! " + raw + b"%d.avi" % i)
        for raw, count in classes.items()
        for i in range(count)
    ]
    make(root, *names)
    found = read(root, val=0.2, test=0.2, seed=seed)
    parts = parts_of(found)
    assert sorted(path_of(clip.source) for clip in found.clips) == sorted(names)
    assert sum(map(len, parts.values())) == len(names)
    assert {x.split("/")[0] for x in parts["train"]} == {x.split("/")[0] for x in names}
    for clip in found.clips:
        f"{clip.label}{clip.video_id}{clip.source}".encode()
        assert rows.CLIP_ID.fullmatch(clip.clip_id)
        assert len(clip.clip_id) <= rows.MAX_CLIP_ID

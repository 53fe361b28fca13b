import os
import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from manifests.errors import ClipmillError
from pipeline.annotate.ucf101 import OFFICIAL, read_ucf101


@pytest.fixture(scope="module")
def lists():
    root = Path(__file__).resolve().parents[3]
    shared = Path(os.environ.get("CLIPMILL_SHARED") or root.parent / "shared")
    folder = shared / "data/annotations/ucf101"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


def splits_of(found):
    parts = defaultdict(set)
    for row in found.splits:
        parts[row.split_set, row.split].add(row.clip_id)
    return parts


@pytest.mark.shared
def test_the_official_lists_have_the_official_counts(lists):
    found = read_ucf101(lists, val=0.1, seed=0)
    assert found.name == "ucf101"
    assert found.split_sets == ["split1", "split2", "split3"]
    assert len(found.clips) == len({clip.clip_id for clip in found.clips}) == 13_320
    assert [label.label_id for label in found.labels] == list(range(101))
    assert (found.labels[0].label, found.labels[100].label) == ("ApplyEyeMakeup", "YoYo")
    assert all(found.labels[clip.label_id].label == clip.label for clip in found.clips)
    parts = splits_of(found)
    for name, (train, test) in OFFICIAL.items():
        assert len(parts[name, "train"] | parts[name, "val"]) == train
        assert len(parts[name, "train"]) + len(parts[name, "val"]) == train
        assert len(parts[name, "test"]) == test
        assert not parts[name, "test"] & (parts[name, "train"] | parts[name, "val"])
    assert found.warnings == []
    assert found.notes[0] == (
        "split1: 9,537 train (before the val cut) and 3,783 test clips, as in the official lists"
    )
    assert len(found.notes) == 3


@pytest.mark.shared
def test_handstand_pushups_take_the_class_of_their_folder(lists):
    found = read_ucf101(lists, val=0.1, seed=0)
    odd = {clip.clip_id for clip in found.clips if "HandStandPushups" in clip.clip_id}
    assert {clip.label for clip in found.clips if clip.clip_id in odd} == {"HandstandPushups"}
    for name in found.split_sets:
        assert sum(row.split_set == name and row.clip_id in odd for row in found.splits) == 128


@pytest.mark.shared
@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.25, 0.5])
def test_groups_never_cross_and_every_class_is_cut_near_the_fraction(lists, fraction):
    found = read_ucf101(lists, val=fraction, seed=3)
    clips = {clip.clip_id: clip for clip in found.clips}
    assert all(clip.group and clip.group.startswith(f"{clip.label}/g") for clip in found.clips)
    for name in found.split_sets:
        parts = {part: ids for (of, part), ids in splits_of(found).items() if of == name}
        groups = {part: {clips[x].group for x in ids} for part, ids in parts.items()}
        assert not groups["train"] & groups["val"]
        assert not groups["train"] & groups["test"]
        assert not groups["val"] & groups["test"]
        train = Counter(clips[x].label for x in parts["train"])
        val = Counter(clips[x].label for x in parts["val"])
        for label, count in train.items():
            total = count + val[label]
            assert count > 0
            # Groups have 4 to 7 clips; the nearest sum of them is within 2.
            assert abs(val[label] - fraction * total) <= 2


@pytest.mark.shared
def test_the_protocol_of_the_seed_leaks_and_says_so(lists):
    found = read_ucf101(lists, val="seed", seed=0)
    parts = splits_of(found)
    assert [len(parts["split1", part]) for part in ("train", "val", "test")] == [9537, 756, 3783]
    assert parts["split1", "val"] < parts["split1", "test"]
    assert "val 'seed' takes 20% of the TEST list" in found.warnings[0]
    assert "too good" in found.warnings[0]
    assert found == read_ucf101(lists, val="seed", seed=0)
    assert found.splits != read_ucf101(lists, val="seed", seed=1).splits


def write(folder, classes=("A", "B"), groups=5, split=1):
    """Write lists of `groups` train groups and one test group of three clips, for each class."""
    folder.mkdir(exist_ok=True)
    lines = [f"{i} {name}" for i, name in enumerate(classes, 1)]
    (folder / "classInd.txt").write_text("\n".join(lines))
    clips = [
        (name, i, f"{name}/v_{name}_g{group:02d}_c{clip:02d}.avi")
        for i, name in enumerate(classes, 1)
        for group in range(groups + 1)
        for clip in range(3)
    ]
    train = [f"{path} {i}" for _, i, path in clips if "_g00_" not in path]
    test = [path for _, _, path in clips if "_g00_" in path]
    (folder / f"trainlist0{split}.txt").write_text("\n".join(train))
    (folder / f"testlist0{split}.txt").write_text("\n".join(test))
    return folder


def test_one_split_of_ones_own_is_enough(tmp_path):
    found = read_ucf101(write(tmp_path / "mine"), val=0.2, seed=0)
    assert found.split_sets == ["split1"]
    assert Counter(row.split for row in found.splits) == {"train": 24, "val": 6, "test": 6}
    assert found.notes == ["split1: 30 train (before the val cut) and 6 test clips"]
    assert found.warnings == []


def test_the_order_of_the_lines_does_not_matter(tmp_path):
    folder = write(tmp_path / "mine")
    before = read_ucf101(folder, val=0.3, seed=5)
    for path in folder.iterdir():
        lines = path.read_text().splitlines()
        random.Random(1).shuffle(lines)
        path.write_bytes(b"\xef\xbb\xbf" + "  \r\n\r\n".join(lines).encode())
    assert read_ucf101(folder, val=0.3, seed=5) == before
    assert read_ucf101(folder, val=0.3, seed=6).splits != before.splits


def test_no_val_is_no_val_and_train_keeps_a_group(tmp_path):
    folder = write(tmp_path / "mine", groups=2)
    none = read_ucf101(folder, val=0, seed=0)
    assert {row.split for row in none.splits} == {"train", "test"}
    assert none.warnings == []
    most = read_ucf101(folder, val=0.99, seed=0)
    assert Counter(row.split for row in most.splits) == {"train": 6, "val": 6, "test": 6}
    least = read_ucf101(folder, val=0.01, seed=0)
    assert least.warnings == ["split1: val is empty: every group is larger than 0.01 asks for."]


def test_clips_without_a_group_are_cut_one_by_one(tmp_path):
    folder = write(tmp_path / "mine", classes=("A",))
    lines = [f"A/clip{i}.avi 1" for i in range(10)]
    (folder / "trainlist01.txt").write_text("\n".join(lines))
    found = read_ucf101(folder, val=0.2, seed=0)
    assert Counter(row.split for row in found.splits) == {"train": 8, "val": 2, "test": 3}


def test_a_clip_in_train_and_test_is_an_error(tmp_path):
    folder = write(tmp_path / "mine")
    with (folder / "testlist01.txt").open("a") as handle:
        handle.write("\nA/v_A_g01_c00.avi")
    message = (
        r"testlist01.txt:7: 'file:A/v_A_g01_c00.avi', which trainlist01.txt:1 has too; "
        "expected a clip in train or in test"
    )
    with pytest.raises(ClipmillError, match=message):
        read_ucf101(folder, val=0, seed=0)


def test_two_clips_of_one_id_are_an_error(tmp_path):
    folder = write(tmp_path / "mine")
    with (folder / "trainlist01.txt").open("a") as handle:
        handle.write("\nA/same.avi 1\nB/same.avi 2")
    message = r"'file:A/same.avi' and 'file:B/same.avi' have the same clip id 'same'; expected"
    with pytest.raises(ClipmillError, match=message):
        read_ucf101(folder, val=0, seed=0)


def test_groups_in_train_and_test_and_empty_lists_are_warned_of(tmp_path):
    folder = write(tmp_path / "mine")
    (folder / "testlist01.txt").write_text("A/v_A_g01_c09.avi")
    [warning] = read_ucf101(folder, val=0, seed=0).warnings
    assert warning.startswith("split1: 1 groups have clips in train and in test, A/g01 among them")
    (folder / "testlist01.txt").write_text("\n")
    assert read_ucf101(folder, val=0, seed=0).warnings == ["split1: the test list is empty."]


def test_other_counts_than_the_official_ones_are_noted(tmp_path):
    folder = write(tmp_path / "mine", classes=[f"C{i:03d}" for i in range(101)], split=2)
    [note] = read_ucf101(folder, val=0, seed=0).notes
    assert note.endswith(
        "1,515 train (before the val cut) and 303 test clips, "
        "but 9,586 and 3,734 in the official lists"
    )


@pytest.mark.parametrize("val", ["test", -0.1, 1.0, float("nan")])
def test_a_val_that_is_none_is_refused(tmp_path, val):
    with pytest.raises(ClipmillError, match="expected a"):
        read_ucf101(write(tmp_path / "mine"), val=val, seed=0)

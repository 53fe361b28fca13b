import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.annotate.hmdb51 import OFFICIAL, read_hmdb51
from pipeline.annotate.sources import path_of


@pytest.fixture(scope="module")
def lists(shared):
    return shared / "data/annotations/hmdb51"


def splits_of(found):
    parts = defaultdict(set)
    for row in found.splits:
        parts[row.split_set, row.split].add(row.clip_id)
    return parts


@pytest.mark.shared
def test_the_official_lists_have_the_official_counts(lists):
    found = read_hmdb51(lists, val="unused", seed=0)
    assert found.name == "hmdb51"
    assert found.split_sets == ["split1", "split2", "split3"]
    assert len(found.clips) == len({clip.clip_id for clip in found.clips}) == 6766
    names = [label.label for label in found.labels]
    assert names == sorted((lists / "class_list.txt").read_text().split())
    assert all(names[clip.label_id] == clip.label for clip in found.clips)
    parts = splits_of(found)
    for name in found.split_sets:
        sizes = [len(parts[name, part]) for part in ("train", "test", "val")]
        assert sizes == [3570, 1530, 1666] == list(OFFICIAL.values())
    assert found.notes[:-1] == [
        *(
            f"{name}: 3,570 train, 1,530 test and 1,666 unused clips, as in the official lists"
            for name in found.split_sets
        ),
        "6,766 clips of 51 classes, as in the official lists",
    ]
    assert "566 (split1), 553 (split2), 563 (split3) have clips in" in found.notes[-1]
    assert "--val 0.1 cuts val from train" in found.notes[-1]
    assert found.warnings == []


@pytest.mark.shared
def test_the_traps_of_the_real_names(lists):
    clips = read_hmdb51(lists, val="unused", seed=0).clips
    classes = {clip.label for clip in clips}
    paths = [path_of(clip.source) for clip in clips]
    assert all(path.split("/")[0] in classes for path in paths)
    # Names that hold another class as a word; the class is the split file's all the same.
    others = [
        clip
        for clip in clips
        if any(f"_{x}_" in f"_{path_of(clip.source).split('/')[1]}" for x in classes - {clip.label})
    ]
    assert len(others) > 400
    assert Counter(clip.label for clip in clips)["kick"] == 130
    assert Counter(clip.label for clip in clips)["kick_ball"] == 128
    assert sum(any(c in path for c in " &;()[]!#'") for path in paths) > 500
    assert max(len(path.split("/")[1]) for path in paths) == 120
    assert any("#2_Gum_chew" in path for path in paths)
    assert all(clip.group and clip.group.startswith(f"{clip.label}/") for clip in clips)
    assert len({clip.group for clip in clips}) == 2291


@pytest.mark.shared
@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3])
def test_a_fraction_cuts_train_by_whole_videos(lists, fraction):
    found = read_hmdb51(lists, val=fraction, seed=3)
    assert found.warnings == []
    clips = {clip.clip_id: clip for clip in found.clips}
    assert len(clips) == 6766
    parts = splits_of(found)
    for name in found.split_sets:
        train, val, test = (parts[name, part] for part in ("train", "val", "test"))
        assert (len(train) + len(val), len(test)) == (3570, 1530)
        groups = [{clips[x].group for x in ids} for ids in (train, val, test)]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert {clips[x].label for x in train} == {clips[x].label for x in test}
        assert abs(len(val) - fraction * 3570) <= 51
    assert found.splits == read_hmdb51(lists, val=fraction, seed=3).splits
    assert found.splits != read_hmdb51(lists, val=fraction, seed=4).splits


def write(folder, classes=("climb", "climb_stairs"), splits=(1, 2), videos=6, more=""):
    """Write split files: videos of two clips each; 0 unused, 1 test, the others train."""
    folder.mkdir(exist_ok=True)
    for label in classes:
        for split in splits:
            lines = [
                f"film{(video + split) % videos}_{label}_f_cm_np1_le_med_{clip}.avi {flag} "
                for video in range(videos)
                for clip in range(2)
                for flag in ["02"[video] if video < 2 else "1"]
            ]
            (folder / f"{label}_test_split{split}.txt").write_text("\n".join([*lines, more]))
    return folder


def test_lists_of_ones_own(tmp_path):
    found = read_hmdb51(write(tmp_path / "mine"), val="unused", seed=0)
    assert found.split_sets == ["split1", "split2"]
    assert Counter((row.split_set, row.split) for row in found.splits) == {
        (name, part): count
        for name in found.split_sets
        for part, count in (("train", 16), ("val", 4), ("test", 4))
    }
    assert found.notes[0] == "split1: 16 train, 4 test and 4 unused clips"
    assert found.notes[-1] == "24 clips of 2 classes"
    assert found.warnings == []
    cut = read_hmdb51(tmp_path / "mine", val=0.25, seed=0)
    assert Counter(row.split for row in cut.splits) == {"train": 24, "val": 8, "test": 8}
    assert [clip.clip_id for clip in cut.clips] == [clip.clip_id for clip in found.clips]
    none = read_hmdb51(tmp_path / "mine", val=0, seed=0)
    assert Counter(row.split for row in none.splits) == {"train": 32, "test": 8}
    assert none.warnings == []


def test_the_order_of_the_lines_does_not_matter(tmp_path):
    folder = write(tmp_path / "mine")
    before = read_hmdb51(folder, val=0.3, seed=5)
    for path in folder.iterdir():
        lines = path.read_text().splitlines()
        random.Random(1).shuffle(lines)
        path.write_bytes(b"\xef\xbb\xbf" + " \r\n\r\n".join(lines).encode())
    assert read_hmdb51(folder, val=0.3, seed=5) == before


def test_other_counts_than_the_official_ones_are_noted(tmp_path):
    folder = write(tmp_path / "mine", classes=[f"c{i:02d}" for i in range(51)], splits=(2,))
    notes = read_hmdb51(folder, val="unused", seed=0).notes
    assert notes[0].endswith("but 3,570 train, 1,530 test and 1,666 unused in the official lists")
    assert notes[1] == "612 clips of 51 classes, but 6,766 in the official lists"


def test_a_clip_of_two_classes_is_an_error(tmp_path):
    folder = write(tmp_path / "mine", more="same.avi 1")
    with pytest.raises(ClipmillError) as error:
        read_hmdb51(folder, val="unused", seed=0)
    path = folder / "climb_stairs_test_split1.txt"
    assert str(error.value) == (
        f"{path}:13: 'same.avi', which class 'climb' lists too; expected every clip in one class."
    )


def test_what_leaks_and_what_is_empty_is_warned_of(tmp_path):
    folder = write(tmp_path / "mine", splits=(1,), more="film0_climb_f_cm_np1_le_med_9.avi 2")
    (folder / "climb_stairs_test_split1.txt").write_text("a.avi 1\n")
    [warning] = read_hmdb51(folder, val=0, seed=0).warnings
    assert warning.startswith("split1: 1 videos have clips in train and in test, climb/film0 among")
    (folder / "climb_test_split1.txt").write_text("")
    found = read_hmdb51(folder, val="unused", seed=0)
    assert found.warnings == ["split1: no clip is in test.", "split1: val is empty."]


@pytest.mark.parametrize("val", ["seed", -0.1, 1.0, float("nan")])
def test_a_val_that_is_none_is_refused(tmp_path, val):
    with pytest.raises(ClipmillError, match="expected a"):
        read_hmdb51(write(tmp_path / "mine"), val=val, seed=0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["climb", "climb_stairs", "sword"]), st.integers(0, 4)),
        unique=True,
    ),
    st.sampled_from(["unused", 0, 0.2, 0.5]),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_every_clip_is_in_the_part_its_flag_says(tmp_path_factory, videos, val, seed, rng):
    folder = tmp_path_factory.mktemp("lists")
    flags = {}
    for label in ("climb", "climb_stairs", "sword"):
        lines = []
        for of, video in videos:
            for clip in range(2 if of == label else 0):
                name = f"film{video}_{label}_f_cm_np1_le_med_{clip}.avi"
                flags[f"{label}/{name}"] = rng.choice("012")
                lines.append(f"{name} {flags[f'{label}/{name}']} ")
        (folder / f"{label}_test_split1.txt").write_text("\n".join(lines))
    found = read_hmdb51(folder, val=val, seed=seed)
    sources = {clip.clip_id: path_of(clip.source) for clip in found.clips}
    assert set(sources.values()) == set(flags)
    parts = {sources[row.clip_id]: row.split for row in found.splits}
    assert len(parts) == len(found.splits)
    for path, flag in flags.items():
        if flag == "0":
            assert parts.get(path) == ("val" if val == "unused" else None)
        elif flag == "2":
            assert parts[path] == "test"
        else:
            assert parts[path] in (("train",) if val in ("unused", 0) else ("train", "val"))

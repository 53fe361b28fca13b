import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests import annotations
from manifests.leaks import by_split, overlap, warning
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.seen import Seen, hashes

videos = st.sets(st.text(st.characters(codec="utf-8"), max_size=3), max_size=8)


def seen_of(train, val=()) -> Seen:
    return Seen(np.unique(hashes(train)), np.unique(hashes(val)), "d", "split1")


@given(videos, videos, videos)
def test_the_overlap_is_that_of_the_sets(train, val, mine):
    found = overlap(seen_of(train, val), [*mine, *mine])
    assert (found.videos, found.train, found.val) == (len(mine), len(mine & train), len(mine & val))
    assert list(found.train_examples) == sorted(mine & train)[:3]
    assert list(found.val_examples) == sorted(mine & val)[:3]


def test_what_is_a_leak_and_what_is_not():
    seen = seen_of("abc", "de")
    assert warning(seen, overlap(seen, "abcde"), "train", "split1") == ""
    assert warning(seen, overlap(seen, "de"), "val", "split1") == ""
    assert warning(seen, overlap(seen, "xyz"), "test", "split1") == ""
    assert warning(seen, overlap(seen, "axb"), "test", "split2") == (
        "2 of the 3 videos of test of split2 were in the checkpoint's train (it was trained on "
        "split1 of d), a, b among them: figures on test come out too good."
    )
    assert "1 of the 2 videos of val of" in warning(seen, overlap(seen, "ax"), "val", "split2")
    assert warning(seen, overlap(seen, "dx"), "test", "split2") == (
        "1 of the 2 videos of test of split2 were in the checkpoint's val (it was trained on "
        "split1 of d), d among them: if it was chosen by val, figures on test come out too good."
    )


def test_splits_of_one_set_are_told_apart(tmp_path, spec):
    """Clips of one video count once, and splits stand in their order, unknown ones last."""
    clips = [Clip(f"c{n}", "d", "a", 0, f"v{n // 2}", f"file:{n}") for n in range(6)]
    members = {"one": ["test", "test", "odd", "train", "train", "val"], "two": ["train"] * 6}
    rows = [
        SplitRow(name, f"c{n}", split)
        for name, splits in members.items()
        for n, split in enumerate(splits)
    ]
    found = Annotation("d", clips, [Label(0, "a", "a")], rows, ["one", "two"])
    dataset = annotations.annotate(str(tmp_path / "root"), found, spec, 0, "videos")
    report = by_split(seen_of(["v0", "v1"], ["v2"]), dataset, None)
    assert list(report) == ["train", "val", "test", "odd"]
    assert {name: (x.videos, x.train, x.val) for name, x in report.items()} == {
        "train": (2, 1, 1),
        "val": (1, 0, 1),
        "test": (1, 1, 0),
        "odd": (1, 1, 0),
    }
    assert by_split(seen_of(["v0"]), dataset, "two")["train"].as_dict() == {
        "videos": 3,
        "train": 1,
        "val": 0,
        "train_examples": ("v0",),
        "val_examples": (),
    }


@pytest.mark.shared
def test_450_val_videos_of_kinetics_400_are_in_test_of_kinetics_600(shared):
    def ids(path):
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [row["youtube_id"] for row in csv.DictReader(file)]

    folder = shared / "data/annotations"
    mine = ids(folder / "kinetics400/activitynet/kinetics-400_val.csv")
    theirs = ids(folder / "kinetics600/activitynet/kinetics-600_test.csv")
    seen = seen_of([], mine)
    found = overlap(seen, theirs)
    assert (found.train, found.val) == (0, 450)
    assert set(found.val_examples) < set(mine) & set(theirs)
    assert warning(seen, found, "test", "kinetics600").startswith("450 of the 72,9")

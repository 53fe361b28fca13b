"""Official counts: the right release, splits that were cut from one another counted together."""

from typing import Any

import pytest

from pipeline.annotate.kinetics_counts import KNOWN
from pipeline.reporting.official import coverage, known


def counted(**splits: tuple[int, int]) -> dict[str, dict[str, int]]:
    """Return counts of asked and held clips by split."""
    return {
        name: {"asked": asked, "held": held, "packed": 0} for name, (asked, held) in splits.items()
    }


def covered(name: str, split_set: str, classes: int, splits: dict[str, Any]) -> dict[str, Any]:
    official = known(name, split_set, classes, {x: one["asked"] for x, one in splits.items()})
    assert official is not None
    return coverage(official, splits)


def test_kinetics_600_is_held_against_the_first_release() -> None:
    splits = counted(train=(370_582, 300_000), val=(28_313, 28_313), test=(56_618, 0))
    found = covered("kinetics600", "official", 600, splits)
    assert found["reference"] == "the first release"
    assert list(found["releases"]) == list(KNOWN["600"])
    train, val, test = found["splits"]
    assert (train["official"], train["asked"], train["held"]) == (392_622, 370_582, 300_000)
    assert train["held_of_official"] == 300_000 / 392_622
    assert train["held_of_asked"] == 300_000 / 370_582
    assert (val["held_of_asked"], test["held_of_asked"]) == (1.0, 0.0)


def test_without_a_first_release_the_nearest_one_counts() -> None:
    later, copy = KNOWN["400"].values()
    for sizes, name in ((later, "DeepMind's later lists"), (copy, "CVDF's copy")):
        asked = {"train": sizes[0] - 10, "val": sizes[1] - 10, "test": sizes[2] - 10}
        official = known("kinetics400", "official", 400, asked)
        assert official is not None and official.reference == name


def test_a_list_of_one_split_alone_is_compared_with_that_split() -> None:
    official = known("kinetics400", "official", 400, {"val": 19_906})
    assert official is not None and official.reference == "CVDF's copy"


def test_ucf101s_val_is_cut_from_train_and_counts_with_it() -> None:
    splits = counted(train=(8_600, 8_600), val=(937, 900), test=(3_783, 3_000))
    both, test = covered("ucf101", "split1", 101, splits)["splits"]
    assert (both["splits"], both["official"], both["asked"]) == (["train", "val"], 9_537, 9_537)
    assert both["held"] == 9_500 and test["official"] == 3_783


def test_the_seeds_val_is_a_part_of_test_and_counts_nowhere() -> None:
    splits = counted(train=(9_586, 9_586), val=(746, 746), test=(3_734, 3_734))
    train, test = covered("ucf101", "split2", 101, splits)["splits"]
    assert train["splits"] == ["train"] and train["held_of_official"] == 1.0
    assert test["splits"] == ["test"] and test["held_of_official"] == 1.0


def test_hmdb51s_unused_clips_are_val_or_in_no_split() -> None:
    unused = counted(train=(3_570, 0), val=(1_666, 0), test=(1_530, 0))
    found = covered("hmdb51", "split1", 51, unused)["splits"]
    assert [one["official"] for one in found] == [3_570, 1_666, 1_530]
    cut = counted(train=(3_200, 0), val=(370, 0), test=(1_530, 0), unsplit=(1_666, 0))
    both, test = covered("hmdb51", "split1", 51, cut)["splits"]
    assert (both["official"], both["asked"], test["official"]) == (3_570, 3_570, 1_530)


@pytest.mark.parametrize(
    ("name", "split_set", "classes"),
    [
        ("mine", "default", 3),
        ("kinetics", "official", 700),
        ("kinetics500", "official", 500),
        ("ucf101", "split1", 8),
        ("hmdb51", "split1", 50),
        ("ucf101", "default", 101),
    ],
)
def test_of_anything_else_nothing_is_known(name: str, split_set: str, classes: int) -> None:
    assert known(name, split_set, classes, {"train": 1}) is None

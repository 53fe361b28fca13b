"""Known lengths of the lists: which version it is, and what is said of the counts."""

import pytest

from manifests.errors import ClipmillError
from manifests.rows import SPLITS
from pipeline.annotate.kinetics_counts import CLASSES, KNOWN, VERSIONS, checked, compare, guess


@pytest.mark.parametrize(
    ("told", "classes", "version"),
    [
        ([None, "700-2020"], 700, "700-2020"),
        (["400"], 600, "400"),
        ([None], 600, "600"),
        ([None], 700, None),
        (["700"], 700, "700"),
        (["400", "600"], 5, None),
        ([], 0, None),
    ],
)
def test_the_version_is_guessed(told: list[str | None], classes: int, version: str | None) -> None:
    assert guess(told, classes) == version


def test_a_version_that_is_none_is_told_with_a_guess() -> None:
    for version in (None, *VERSIONS):
        checked(version)
    with pytest.raises(ClipmillError, match=r"'k400'; expected one of .* Did you mean '400'"):
        checked("k400")


def test_known_counts_are_named_and_others_compared() -> None:
    assert compare("600", {"val": 30_000, "test": 5, "train": 392_622}) == [
        "train: 392,622 clips, as in the first release",
        "val: 30,000 clips, as in the first release",
        "test: 5 clips; known are 72,924 in the first release, 56,982 in what the seed's authors "
        "could download, 56,618 in DeepMind's later lists, 72,924 in CVDF's copy",
    ]


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert compare(None, {"val": 3, "train": 0}) == ["val: 3 clips"]


def test_the_table_is_whole() -> None:
    assert set(KNOWN) == set(VERSIONS) == set(CLASSES)
    assert all(len(sizes) == len(SPLITS) for known in KNOWN.values() for sizes in known.values())

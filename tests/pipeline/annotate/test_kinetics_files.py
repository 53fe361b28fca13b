"""Which files of a folder are the lists: names, versions, what is left aside, what is unclear."""

from pathlib import Path

import pytest

from manifests.errors import ClipmillError
from pipeline.annotate.kinetics_files import find_lists, split_in, version_in


def found(folder: Path, *names: str, version: str | None = None) -> tuple[dict[str, str], str]:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files, notes = find_lists(folder, version)
    return {str(f.split): str(f.path.relative_to(folder)) for f in files}, " | ".join(notes)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("validate", "val"),
        ("kinetics-600_val", "val"),
        ("kinetics_600_test", "test"),
        ("k700-2020_Validation", "val"),
        ("kinetics700test", "test"),
        ("train_val", None),
        ("contest", None),
        ("annotations", None),
    ],
)
def test_the_split_of_a_name(name: str, split: str | None) -> None:
    assert split_in(name) == split


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("kinetics400/val.csv", "400"),
        ("kinetics-600_val.csv", "600"),
        ("k700-2020/test.csv", "700-2020"),
        ("kinetics_700_2020_train.csv", "700-2020"),
        ("Kinetics/600/annotations/val.csv", "600"),
        ("kinetics700/k400_val.csv", "400"),
        ("deck400/val.csv", None),
        ("kinetics4000/val.csv", None),
        ("val.csv", None),
    ],
)
def test_the_version_of_a_path(path: str, version: str | None) -> None:
    assert version_in(path) == version


def test_lists_two_folders_down(tmp_path: Path) -> None:
    names = ("train.csv", "a/b/Validate.CSV", "a/test.csv", "a/b/c/test.csv")
    assert found(tmp_path, *names) == (
        {"train": "train.csv", "val": "a/b/Validate.CSV", "test": "a/test.csv"},
        "",
    )


def test_a_mirror_with_text_files_and_a_second_test(tmp_path: Path) -> None:
    names = ("train.txt", "val.txt", "test.csv", "kinetics600_holdout_test.csv", "readme.txt")
    files, notes = found(tmp_path, *names, "k600_train_path.txt", ".train.csv", "__MACOSX/val.csv")
    assert files == {"train": "train.txt", "val": "val.txt", "test": "test.csv"}
    assert notes == "left aside lists of a second, held-out test: 'kinetics600_holdout_test.csv'"


def test_json_and_nameless_lists_are_left_aside(tmp_path: Path) -> None:
    files, notes = found(tmp_path, "val.csv", "val.json", "info.json", "missing.csv")
    assert files == {"val": "val.csv"}
    assert notes == (
        "left aside JSON lists (the CSV says the same): 'val.json' | "
        "left aside CSVs whose names tell no split: 'missing.csv'"
    )


def test_one_list_may_have_any_name(tmp_path: Path) -> None:
    assert found(tmp_path, "annotations.csv")[0] == {"None": "annotations.csv"}
    with pytest.raises(ClipmillError, match=r"several CSVs .* \('annotations.csv', 'more.csv'\)"):
        found(tmp_path, "more.csv")


def test_versions_are_kept_apart(tmp_path: Path) -> None:
    names = ("kinetics400/val.csv", "kinetics700/val.csv", "k700_2020/test.csv")
    with pytest.raises(ClipmillError, match=r"Kinetics-400 and Kinetics-700 .*--version"):
        found(tmp_path, *names)
    assert found(tmp_path, version="400")[0] == {"val": "kinetics400/val.csv"}
    files, notes = found(tmp_path, version="700")
    assert files == {"val": "kinetics700/val.csv"} and "k700_2020/test.csv" in notes
    message = r"no list of Kinetics-600 \(left aside lists of other versions than 600: .*k700_2020"
    with pytest.raises(ClipmillError, match=message):
        found(tmp_path, version="600")


def test_a_folder_of_700_may_hold_the_lists_of_2020(tmp_path: Path) -> None:
    assert found(tmp_path, "kinetics700/val.csv", version="700-2020")[0]


def test_two_lists_of_a_split_are_both_named(tmp_path: Path) -> None:
    with pytest.raises(ClipmillError, match=r"2 lists of val: 'val.csv', 'x/validate.csv'"):
        found(tmp_path, "val.csv", "x/validate.csv")


def test_one_file(tmp_path: Path) -> None:
    (tmp_path / "kinetics-400_val.csv").touch()
    [file], _ = find_lists(tmp_path / "kinetics-400_val.csv", None)
    assert (file.split, file.version) == ("val", "400")
    assert find_lists(file.path, "400")[0] == [file]
    with pytest.raises(
        ClipmillError, match=r"list of Kinetics-400 by its name .*, and --version .*600"
    ):
        find_lists(file.path, "600")


@pytest.mark.parametrize(
    ("typed", "version"),
    [
        ("x/kinetics700_2020.tar.gz", "700-2020"),
        ("/data/k400/lists.zip", "400"),
        ("https://host.org/kinetics/600/lists.zip", "600"),
        ("https://k400.org/get?name=kinetics%20700-2020.zip", "700-2020"),
        ("/kinetics400/some/where/lists.zip", None),
    ],
)
def test_the_name_of_an_archive_or_address_tells(
    tmp_path: Path, typed: str, version: str | None
) -> None:
    lists = tmp_path / "kinetics600" / "clipmill-lists-k600"  # no name of the user's
    lists.mkdir(parents=True)
    for name in ("validate.csv", "kinetics400_train.csv"):
        (lists / name).touch()
    [file], _ = find_lists(lists / "validate.csv", None, typed)
    assert file.version == version
    assert find_lists(lists, "400", typed)[0][0].version == "400"


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_no_list_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipmillError, match="expected a CSV of Kinetics, or a folder with"):
        find_lists(tmp_path / name, None)

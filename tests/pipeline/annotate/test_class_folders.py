import os
import zipfile

import pytest

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.class_folders import read_class_folders


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def read(root):
    found = rows.Annotation("mine", [], [], [], [])
    listed = read_class_folders(root, found)
    return [(row.path, row.label, row.split) for row in listed], found


def test_folders_are_classes(tmp_path):
    names = ("run/deep/b.avi", "run/a.avi", "walk (slow)/c.mp3")
    listed, found = read(make(tmp_path, *names))
    assert listed == [
        ("run/a.avi", "run", None),
        ("run/deep/b.avi", "run", None),
        ("walk (slow)/c.mp3", "walk (slow)", None),
    ]
    assert (found.notes, found.warnings) == ([], [])


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_folders_of_splits_hold_folders_of_classes(tmp_path, val):
    listed, found = read(make(tmp_path, "train/run/a.avi", f"{val}/run/x/b.avi", "test/walk/c.avi"))
    assert sorted(listed) == sorted(
        [
            ("train/run/a.avi", "run", "train"),
            (f"{val}/run/x/b.avi", "run", "val"),
            ("test/walk/c.avi", "walk", "test"),
        ]
    )
    assert found.warnings == []


def test_a_split_word_beside_other_folders_is_a_class_with_a_warning(tmp_path):
    listed, found = read(make(tmp_path, "train/a.avi", "car/b.avi"))
    assert [label for _, label, _ in listed] == ["car", "train"]
    assert found.warnings[0].startswith("'train' beside other folders is taken for a class")


def test_what_lies_in_no_class_folder_is_warned_of(tmp_path):
    _, found = read(make(tmp_path, "run/a.avi", "loose.avi", "notes.txt", "empty/readme.txt"))
    assert found.warnings == ["left aside 1 file in no class folder: 'loose.avi'"]
    assert found.notes == [
        "left aside 2 files without a known media extension: 'empty/readme.txt', 'notes.txt'",
        "folders without a video, no class: 'empty'",
    ]
    _, found = read(make(tmp_path / "other", "train/run/a.avi", "train/b.avi"))
    assert found.warnings == ["left aside 1 file in no class folder: 'train/b.avi'"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.avi", "b.avi"], r"has 2 files but none in a class folder \('a.avi', 'b.avi'\); "
         r"expected <class>/<file> or .* or give a CSV"),
        (["train/a.avi", "test/b.avi"], r"has 2 files but none in a class folder"),
        (["a/readme.txt"], r"holds no video \('a/readme.txt' have no known extension\); expected"),
        ([], r"holds no video; expected"),
    ],
)  # fmt: skip
def test_a_folder_without_classes_is_an_error(tmp_path, names, message):
    with pytest.raises(ClipmillError, match=message):
        read(make(tmp_path, *names))


def test_a_folder_that_is_none_is_an_error(tmp_path):
    with pytest.raises(ClipmillError, match=r"nowhere is not there; expected a folder of class"):
        read(tmp_path / "nowhere")


def test_class_folders_that_are_no_utf8_get_a_printable_class(tmp_path):
    make(tmp_path, os.fsdecode(b"caf\xe9/a.avi"), "run/b.avi")
    listed, found = read(tmp_path)
    assert [label for _, label, _ in listed] == ["caf\\xe9", "run"]
    assert os.fsencode(listed[0][0]) == b"caf\xe9/a.avi"
    assert "folder names that are no UTF-8" in found.warnings[0]
    make(tmp_path, "caf\\xe9/a.avi")
    with pytest.raises(ClipmillError, match="two folders would both be the class"):
        read(tmp_path)


def test_folders_that_may_not_be_read_are_warned_of(tmp_path, monkeypatch):
    make(tmp_path, "a/x.avi", "lost+found/y.avi")
    scandir = os.scandir

    def refuse(path):
        if path.endswith("lost+found"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    _, found = read(tmp_path)
    assert found.warnings == [
        "no permission to look into: 'lost+found'; what is there is left out."
    ]


@pytest.fixture
def read_names(tmp_path):
    """A reader of a real zip that holds members of these names."""

    def read_zip(*names):
        with zipfile.ZipFile(tmp_path / "my.zip", "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        return read(tmp_path / "my.zip")

    return read_zip


@pytest.mark.parametrize("top", ["", "my/", "UCF-101/", "a/b/"])
def test_an_archive_is_read_as_its_folder_is(tmp_path, read_names, top):
    names = ("run/deep/b.avi", "run/a.avi", "walk (slow)/c.mp3", "walk (slow)/notes.txt")
    on_disk, _ = read(make(tmp_path / "disk", *names))
    listed, found = read_names(*(top + name for name in names), "__MACOSX/run/._a.avi")
    assert listed == on_disk
    assert [note for note in found.notes if "looked through" in note] == (
        [f"my.zip: all videos lie in {top!r}, looked through"] if top else []
    )


@pytest.mark.parametrize("top", ["", "mine/"])
def test_splits_in_an_archive(read_names, top):
    listed, _ = read_names(f"{top}train/run/a.avi", f"{top}test/run/b.avi")
    assert listed == [("test/run/b.avi", "run", "test"), ("train/run/a.avi", "run", "train")]
    listed, _ = read_names(f"{top}train/run/a.avi")
    assert listed == [("train/run/a.avi", "run", "train")]


def test_the_only_class_is_not_looked_through(read_names):
    listed, _ = read_names("run/a.avi", "run/b.avi")
    assert [row[1] for row in listed] == ["run", "run"]


def test_an_archive_without_videos(read_names):
    with pytest.raises(ClipmillError, match=r"my\.zip holds no video"):
        read_names("run/readme.txt")

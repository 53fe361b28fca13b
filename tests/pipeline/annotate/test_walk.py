import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.annotate.walk import count, is_media, some, walk


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_media_files_are_found_at_any_depth_and_sorted(tmp_path):
    make(tmp_path, "b/x.MP4", "b/deep/er/y.avi", "a/z.mp3", "a/readme.txt", "top.mkv", "a/none")
    found = walk(tmp_path)
    assert found.files == ["a/z.mp3", "b/deep/er/y.avi", "b/x.MP4", "top.mkv"]
    assert found.top_folders == ["a", "b"]
    assert sorted(found.others) == ["a/none", "a/readme.txt"]
    assert found.notes() == [
        "left aside 2 files without a known media extension: 'a/none', 'a/readme.txt'"
    ]


def test_hidden_files_and_folders_are_left_aside(tmp_path):
    make(tmp_path, "a/x.avi", "a/._x.avi", "a/.DS_Store", ".git/y.avi")
    found = walk(tmp_path)
    assert found.files == ["a/x.avi"]
    assert found.notes() == ["left aside 3 files hidden by a leading dot"]


@pytest.mark.timeout(20)
def test_links_to_folders_are_entered_once_and_never_loop(tmp_path):
    make(tmp_path, "videos/b/x.avi", "elsewhere/y.avi")
    videos = tmp_path / "videos"
    (videos / "a").mkdir()
    (videos / "a" / "up").symlink_to("..")
    (videos / "a" / "to_b").symlink_to("../b")
    (videos / "b" / "to_a").symlink_to("../a")
    (videos / "c").symlink_to(tmp_path / "elsewhere")
    (videos / "self").symlink_to("self")
    found = walk(videos)
    # b is found under its own name, though a link to it comes first by name.
    assert found.files == ["b/x.avi", "c/y.avi"]
    assert sorted(found.repeated) == ["a/to_b", "a/up", "b/to_a"]
    assert "that lead to a folder found already" in found.notes()[1]


def test_links_to_files_stay_and_broken_ones_get_their_row_later(tmp_path):
    make(tmp_path, "store/x.avi")
    (tmp_path / "videos" / "a").mkdir(parents=True)
    (tmp_path / "videos/a/good.avi").symlink_to(tmp_path / "store/x.avi")
    (tmp_path / "videos/a/broken.avi").symlink_to("nowhere.avi")
    os.mkfifo(tmp_path / "videos/a/pipe.avi")
    assert walk(tmp_path / "videos").files == ["a/broken.avi", "a/good.avi", "a/pipe.avi"]


def test_folders_that_may_not_be_read_are_named(tmp_path, monkeypatch):
    make(tmp_path, "a/x.avi", "lost+found/y.avi")
    scandir = os.scandir

    def refuse(path):
        if path.endswith("lost+found"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = walk(tmp_path)
    assert (found.files, found.unreadable) == (["a/x.avi"], ["lost+found"])


@settings(max_examples=60, deadline=None)
@given(
    st.sets(
        st.binary(min_size=1, max_size=30).filter(lambda raw: not set(raw) & {0, ord("/")}),
        max_size=8,
    )
)
def test_any_name_survives(names):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        expected = []
        for raw in names:
            name = os.fsdecode(b"-;&#([! " + raw + b".avi")
            (root / name).touch()
            expected.append(name)
        assert walk(root).files == sorted(expected)


def test_small_helpers():
    assert is_media("a.AVI")
    assert not is_media("avi")
    assert not is_media("a.avi.part")
    assert count(1, "x") == "1 file x"
    assert count(1200, "x") == "1,200 files x"
    assert some(["c", "a", "b\udcff", "d"]) == r"'a', 'b\\xff', 'c' and 1 more"

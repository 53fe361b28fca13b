"""Which archives hold the videos: the named one, or those in a folder without a video."""

from pathlib import Path

import pytest

from pipeline.acquiring.archives import archives
from pipeline.acquiring.locate import Places


def make(folder: Path, *names: str) -> Places:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return Places(folder)


def test_archives_of_a_folder_by_name(tmp_path: Path) -> None:
    places = make(tmp_path / "a", "run.rar", "jump.RAR", "b.tar.gz", "._b.zip", "notes.txt")
    assert [path.name for path in archives(places)] == ["b.tar.gz", "jump.RAR", "run.rar"]


@pytest.mark.parametrize("name", ["a.avi", "deep/er/a.MP4"])
def test_a_folder_with_a_video_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    assert archives(make(tmp_path / "a", "run.rar", name)) == []


def test_the_named_one_and_none(tmp_path: Path) -> None:
    make(tmp_path / "a", "of_any_name")
    file = tmp_path / "a" / "of_any_name"
    assert archives(Places(file)) == [file]
    assert archives(Places(None)) == archives(Places(tmp_path / "no")) == []

"""Records of whole files: of this very file as it is, bounded, and of no harm where they cannot be.

What processes do with them at once is in test_verified.py.
"""

import os
import time
from pathlib import Path

import pytest

from manifests import records, scratch
from manifests.records import FOLDER, Record


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch folder of the test's own; where its records lie."""
    monkeypatch.setenv(scratch.FOLDER, str(tmp_path / "scratch"))
    return tmp_path / "scratch" / FOLDER


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"some bytes")
    return path


def record(path: Path, told: str = "digest") -> Record:
    return Record(scratch.folder(), path, path.stat(), told)


def keep(path: Path) -> None:
    with record(path).held() as held:
        assert held is not None
        record(path).keep(held)


def test_a_record_is_of_one_file_as_it_is_and_of_one_digest(file: Path, tmp_path: Path) -> None:
    assert not record(file).found()
    keep(file)
    assert record(file).found()
    assert not record(file, "another").found()
    os.link(file, tmp_path / "other name")  # moves its ctime
    assert not record(file).found()
    keep(file)
    assert record(file).found() and not record(tmp_path / "other name").found()
    with file.open("r+b") as out:
        out.write(b"S")
    assert not record(file).found()


def test_a_relative_path_is_the_same_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(file)
    monkeypatch.chdir(file.parent)
    assert record(Path("file")).found()


def test_a_look_that_keeps_nothing_leaves_nothing(file: Path, folder: Path) -> None:
    with record(file).held() as held:
        assert held is not None and not record(file).found()
    assert [*folder.iterdir()] == []


def test_where_none_can_be_kept_nothing_is_held(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(scratch.FOLDER, "/proc/nowhere")
    with record(file).held() as held:
        assert held is None
    assert not record(file).found()


def test_a_file_is_looked_at_when_its_clock_has_moved_on(file: Path) -> None:
    """Else what is written into it right after would have the same times."""
    os.utime(file)
    record(file).let_clock_tick()
    assert time.time_ns() - file.stat().st_ctime_ns >= records._TICK_NS


def test_records_are_bounded_and_those_in_use_stay(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(file)
    [mine] = folder.iterdir()
    monkeypatch.setattr(records, "MOST", 50)
    for number in range(200):
        old = folder / f"{number:032x}"
        old.write_bytes(old.name.encode())
        os.utime(old, (number, number))
    os.utime(mine, (0, 0))
    assert record(file).found(), "which notes its use"
    records._bound(folder / "ff")
    assert len([*folder.iterdir()]) == 201, "one in 256 looks"
    records._bound(folder / "00")
    left = {path.name for path in folder.iterdir()}
    assert left == {mine.name} | {f"{number:032x}" for number in range(151, 200)}


def test_what_was_copied_is_looked_at_again_after_the_machine_was_started(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut may have taken bytes of a copy, which is not synced."""
    copy = tmp_path / "scratch" / "files" / "copy"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"some bytes")
    for path in (file, copy):
        keep(path)
        assert record(path).found()
    (tmp_path / "boot_id").write_text("another start\n")
    monkeypatch.setattr(records, "STARTED", tmp_path / "boot_id")
    assert record(file).found() and not record(copy).found()
    keep(copy)
    assert record(copy).found()
    monkeypatch.setattr(records, "STARTED", tmp_path / "none")  # a system that does not tell
    assert not record(copy).found()
    keep(copy)
    assert record(copy).found()
    records._unknown_start.cache_clear()  # as in another process
    assert not record(copy).found()

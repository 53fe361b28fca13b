"""Finding files by names: trimmed before whole, at any depth, ids of every shape."""

from pathlib import Path

import pytest

from manifests.storage import Storage, open_storage
from pipeline.acquiring.finding import Span, find, own_folders, stems
from pipeline.acquiring.locate import Places, own_stem

ODD_ID = "-a_000010_b"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(tmp_path / "root")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    return tmp_path / "videos"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(storage: Storage, videos: Path | None, *spans: Span) -> list[tuple[str, float] | None]:
    files = find(Places(videos), spans, storage)
    found = [files.get(span) for span in spans]
    return [(file.name, file.start_s) if file else None for file in found]


def span(video: str, start: float | None, end: float | None) -> Span:
    return Span(f"youtube:{video}", start, end)


@pytest.mark.parametrize("video", ["abcdefghijk", "-bcdefghij_", "_-_-_-_-_-_", ODD_ID])
@pytest.mark.parametrize("folder", ["", "val/", "train/arm wrestling/"])
def test_a_trimmed_file_goes_before_the_whole_one(
    storage: Storage, videos: Path, video: str, folder: str
) -> None:
    asked = span(video, 10, 20), span(video, 7, 17)
    touch(videos, f"{folder}{video}.webm")
    assert names(storage, videos, *asked) == [(f"{folder}{video}.webm", 0.0)] * 2
    touch(videos, f"{folder}{video}_000010_000020.mp4")
    trimmed = f"{folder}{video}_000010_000020.mp4", 10.0
    assert names(storage, videos, *asked) == [trimmed, (f"{folder}{video}.webm", 0.0)]


def test_what_is_no_video_of_that_name_never_counts(storage: Storage, videos: Path) -> None:
    touch(videos, "._abcdefghijk_000010_000020.mp4", "abcdefghijk.json", "Abcdefghijk.mp4")
    touch(videos, "abcdefghijk_000010_000020.mp4.part", "abcdefghijk_10_20.mp4")
    assert names(storage, videos, span("abcdefghijk", 10, 20)) == [None]


def test_names_that_must_be_encoded(storage: Storage, videos: Path) -> None:
    touch(videos, "100%/abcdefghijk.mp4")
    asked = span("abcdefghijk", 0, 10)
    [file] = find(Places(videos), [asked], storage).values()
    assert (file.name, file.path) == ("100%25/abcdefghijk.mp4", videos / "100%" / "abcdefghijk.mp4")
    assert file.path.exists()


def test_stems_are_those_of_whole_seconds() -> None:
    assert stems(span("abcdefghijk", 9.5, 19.5)) == [
        ("abcdefghijk_000009_000019", 9.0),
        ("abcdefghijk", 0.0),
    ]
    assert stems(span("abcdefghijk", None, None)) == [("abcdefghijk", 0.0)]


def test_the_folder_goes_before_what_was_taken_out(storage: Storage, videos: Path) -> None:
    taken = own_stem("file:run/a.avi") + ".avi"
    asked = Span("file:run/a.avi", None, None)
    storage.write(taken, b"x")
    assert names(storage, videos, asked) == [(taken, 0.0)]
    touch(videos, "run/a.avi")
    assert names(storage, videos, asked) == [("run/a.avi", 0.0)]
    archive = videos / "gone.zip"
    assert names(storage, archive, asked) == [(taken, 0.0)]
    trimmed = own_stem("youtube:abcdefghijk", "abcdefghijk_000010_000020") + ".mp4"
    storage.write(trimmed, b"x")
    assert names(storage, archive, span("abcdefghijk", 10, 20)) == [(trimmed, 10.0)]
    assert trimmed.rpartition("/")[0] in own_folders()


def test_without_videos_nothing_is_found(storage: Storage) -> None:
    assert names(storage, None, span("abcdefghijk", 10, 20)) == [None]

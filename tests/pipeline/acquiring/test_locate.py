"""Where videos lie: names of our own are told from a user's, for every source."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.storage import open_storage
from pipeline.acquiring.locate import InRoot, Places, at_hand, is_own, own_stem
from pipeline.annotate.sources import source_of

PLACES = Places(Path("/videos"))
IDS = st.text(string.ascii_letters + string.digits + "-_", min_size=11, max_size=11)
SOURCES = st.one_of(
    st.text(min_size=1).map(source_of),
    IDS.map(lambda name: f"youtube:{name}"),
)


@given(SOURCES, SOURCES, st.none() | st.text())
def test_a_name_of_our_own_is_recognised_for_its_source_alone(
    source: str, other: str, readable: str | None
) -> None:
    name = own_stem(source, readable) + ".mp4"
    assert is_own(source, name)
    assert is_own(other, name) == (other == source)
    assert PLACES.acquired(source, name) == InRoot(name)
    head, folder, file = name.split("/")
    assert head == "videos" and len(folder) == 2 and len(file) <= 85
    assert set(file) <= set(string.ascii_letters + string.digits + "-_.")


@given(st.text(min_size=1).map(source_of))
def test_a_file_of_the_folder_stays_there_whatever_its_name(source: str) -> None:
    assert PLACES.acquired(source, source.removeprefix("file:")) == PLACES.named(source)


def test_a_copy_of_another_roots_video_is_not_taken_for_our_own() -> None:
    name = own_stem("file:run/a.avi") + ".avi"
    assert PLACES.acquired(f"file:{name}", name) == Path("/videos") / name


@pytest.mark.parametrize("source", ["file:run/a%25.avi", "youtube:abcdefghijk"])
def test_a_lost_file_has_a_place_where_nothing_is(source: str) -> None:
    places = Places(None)
    place = places.acquired(source, "")
    assert isinstance(place, InRoot) and place.startswith("videos/")
    with at_hand(open_storage("/root"), place) as path:
        assert path == Path("/root") / place and not path.exists()


@pytest.mark.parametrize(
    ("source", "videos", "waits"),
    [
        ("file:a.avi", Path("/videos"), False),
        ("youtube:abcdefghijk", Path("/videos"), False),
        ("https://example.org/a.mp4", Path("/videos"), True),
        ("file:a.avi", None, True),
        ("youtube:abcdefghijk", None, True),
    ],
)
def test_what_waits(source: str, videos: Path | None, waits: bool) -> None:
    assert Places(videos).waits(source) == waits


def test_an_archive_is_told_by_being_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.zip").touch()
    assert Places(tmp_path / "a.zip").archive == tmp_path / "a.zip"
    for other in (tmp_path, tmp_path / "away.zip", None):
        assert Places(other).archive is None

"""dataset.toml: names of every script survive it, and what was changed in it is told."""

from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.header import Header


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(name=st.text(st.characters(exclude_categories=["Cs"])), videos=st.text(max_size=5))
def test_names_of_every_script_survive(
    tmp_path: Path, name: str, videos: str, small: ModuleType
) -> None:
    """Emoji, quotes, line breaks and DEL: JSON is not quite TOML."""
    try:
        videos.encode()
    except UnicodeEncodeError:
        videos = ""
    small.make(tmp_path / "root", small.annotation(name), videos=videos)
    opened = Dataset.open(str(tmp_path / "root"))
    assert (opened.name, opened.videos) == (name, videos)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("schema = 1", "schema = 2", "schema version 2; this clipmill reads 1"),
        ("schema = 1", "", "schema version None"),
        ("seed = 3", 'seed = "3"', "seed is '3'; expected a int"),
        ("seed = 3", "seed = 3\nsede = 4", "unknown key .*Did you mean 'seed'"),
        ('split_sets = ["default"]', "split_sets = []", "expected a list of names"),
        ("frames = 4", "frames = 0", "ClipSpec frames is 0"),
        ("frames = 4", "frmaes = 4", "Did you mean 'frames'"),
        ("frames = 4", "", "ClipSpec lacks frames"),
        ("frames = 4", "frames =", "no valid TOML"),
    ],
)
def test_a_changed_dataset_toml(
    tmp_path: Path, old: str, new: str, words: str, small: ModuleType
) -> None:
    small.make(tmp_path)
    path = tmp_path / "dataset.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ClipmillError, match=words):
        Dataset.open(str(tmp_path))


def test_what_is_written_is_read_again(tmp_path: Path, small: ModuleType) -> None:
    header = small.make(tmp_path).header
    assert Header.read(header.text().encode(), "dataset.toml") == header
    assert (tmp_path / "dataset.toml").read_text() == header.text()

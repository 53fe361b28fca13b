"""The dataset folder: what opening checks, and what its tables give."""

from pathlib import Path
from types import ModuleType

import pytest

from manifests.dataset import Dataset
from manifests.errors import ClipmillError


def test_what_is_annotated_is_opened(tmp_path: Path, small: ModuleType) -> None:
    made = small.make(tmp_path / "root")
    opened = Dataset.open(str(tmp_path / "root"))
    for name in ("name", "seed", "spec", "split_sets", "videos", "annotation"):
        assert getattr(opened, name) == getattr(made, name)
    assert opened.labels == ["run", "jump"]
    assert opened.clips["clip_id"].to_pylist() == ["c0", "c1", "c2", "c3"]
    assert opened.splits_of(None) == {f"c{n}": ["train"] for n in range(4)}
    with pytest.raises(ClipmillError, match=r"unknown split set 'defualt'.*Did you mean 'default'"):
        opened.split_set("defualt")


def test_a_folder_that_is_no_dataset(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ClipmillError, match=r"holds no dataset\.toml.*clipmill annotate"):
            Dataset.open(str(root))
    (tmp_path / "dataset.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClipmillError, match=r"no valid TOML"):
        Dataset.open(str(tmp_path))


def test_tables_of_two_annotations_are_not_mixed(tmp_path: Path, small: ModuleType) -> None:
    small.make(tmp_path)
    old = (tmp_path / "manifests" / "splits.parquet").read_bytes()
    small.make(tmp_path, small.annotation(labels=("run",)))
    (tmp_path / "manifests" / "splits.parquet").write_bytes(old)
    opened = Dataset.open(str(tmp_path))
    assert opened.labels == ["run"]
    with pytest.raises(ClipmillError, match=r"was interrupted. Run it again"):
        _ = opened.splits
    (tmp_path / "manifests" / "splits.parquet").unlink()
    with pytest.raises(ClipmillError, match=r"is missing"):
        _ = opened.splits

"""Checking a root against a frozen list: missing, extra and different clips are told apart."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from pipeline.publishing.drop import drop
from pipeline.publishing.freeze import freeze, frozen_rows
from pipeline.publishing.frozen import check, same, show


@pytest.fixture(scope="module")
def frozen(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frozen list of the built root."""
    file = tmp_path_factory.mktemp("frozen") / "list.parquet"
    freeze(Dataset.open(str(built)), file, None)
    return file


@pytest.fixture
def root(tmp_path: Path, built: Path) -> Path:
    """A copy of the built root that may be changed."""
    return Path(shutil.copytree(built, tmp_path / "root"))


def edit(root: Path, table: str, change: Callable[[list[dict[str, Any]]], None]) -> Dataset:
    """Change the rows of a single table behind clipmill's back."""
    path = root / f"manifests/{table}.parquet"
    rows, metadata = tables.decode(table, path.read_bytes(), table)
    values = rows.to_pylist()
    change(values)
    path.write_bytes(tables.encode(table, tables.from_rows(table, values), metadata))
    return Dataset.open(str(root))


def test_the_same_root_is_the_same(built: Path, frozen: Path) -> None:
    report = check(Dataset.open(str(built)), frozen)
    assert same(report) and report["clips"] == 10
    assert report["missing"] == report["extra"] == report["different"] == 0
    show(report, Ui())


def test_a_dropped_clip_is_missing_and_named(root: Path, frozen: Path) -> None:
    clip = frozen_rows(Dataset.open(str(root)), None)["clip_id"][3].as_py()
    drop(Dataset.open(str(root)), [clip])
    report = check(Dataset.open(str(root)), frozen)
    assert not same(report)
    assert (report["missing"], report["dropped"], report["extra"]) == (1, 1, 0)
    assert report["examples"]["missing"] == [clip]
    show(report, Ui())


def test_a_clip_that_came_later_is_extra(root: Path, built: Path, tmp_path: Path) -> None:
    clip = frozen_rows(Dataset.open(str(root)), None)["clip_id"][0].as_py()
    drop(Dataset.open(str(root)), [clip])
    freeze(Dataset.open(str(root)), tmp_path / "less.parquet", None)
    report = check(Dataset.open(str(built)), tmp_path / "less.parquet")
    assert (report["missing"], report["extra"], report["different"]) == (0, 1, 0)
    assert report["examples"]["extra"] == [clip]


def test_other_splits_labels_and_pixels_are_different(root: Path, frozen: Path) -> None:
    rows = frozen_rows(Dataset.open(str(root)), None).to_pylist()
    moved = next(row["clip_id"] for row in rows if row["split"] == "train")

    def change(values: list[dict[str, Any]]) -> None:
        for row in values:
            row["split"] = "val" if row["clip_id"] == moved else row["split"]

    report = check(edit(root, "splits", change), frozen)
    assert (report["missing"], report["extra"], report["different"]) == (0, 0, 1)
    assert report["differences"] == [
        {"clip_id": moved, "column": "split", "then": "train", "now": "val"}
    ]
    show(report, Ui())


def test_pixels_that_differ_are_seen(root: Path, frozen: Path) -> None:
    folder = root / "manifests/samples"
    rows = Dataset.open(str(root)).parts("samples")
    shutil.rmtree(folder)
    place = rows.column_names.index("xxh3")
    values = ["0" * 16, *rows["xxh3"].to_pylist()[1:]]
    changed = rows.set_column(place, rows.schema.field("xxh3"), [values])
    dataset = Dataset.open(str(root))
    tables.append(dataset.storage, "manifests/samples", "samples", changed)
    report = check(dataset, frozen)
    assert report["different"] == 1
    assert report["differences"][0]["column"] == "xxh3"


def test_a_list_that_was_edited_is_refused(built: Path, frozen: Path, tmp_path: Path) -> None:
    rows, metadata = tables.decode("frozen", frozen.read_bytes(), "frozen")
    fewer = rows.filter(pc.field("split") != "val")
    (tmp_path / "edited.parquet").write_bytes(tables.encode("frozen", fewer, metadata))
    (tmp_path / "bare.parquet").write_bytes(tables.encode("frozen", rows))
    dataset = Dataset.open(str(built))
    for name in ("edited", "bare"):
        with pytest.raises(ClipmillError, match="was changed after"):
            check(dataset, tmp_path / f"{name}.parquet")
    with pytest.raises(ClipmillError, match="is not there"):
        check(dataset, tmp_path / "none.parquet")
    with pytest.raises(ClipmillError, match="expected the table 'frozen'"):
        check(dataset, built / "manifests/clips.parquet")
    (tmp_path / "UCF101.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(ClipmillError, match=r"UCF101.zip cannot be read .* Is it another file\?"):
        check(dataset, tmp_path / "UCF101.zip")


def test_another_split_set_is_not_compared(
    tmp_path: Path, three_splits: Path, cli: Callable[..., Any]
) -> None:
    file = tmp_path / "two.parquet"
    assert (
        cli("freeze", "--root", three_splits, "--out", file, "--split-set=split2").returncode == 0
    )
    for name, code in (("split2", 0), ("split1", 2), ("split9", 2)):
        done = cli("freeze", "--root", three_splits, "--check", file, f"--split-set={name}")
        assert done.returncode == code, done.stderr
    assert "freeze 'split1'" in str(_error(three_splits, file))


def _error(root: Path, file: Path) -> ClipmillError:
    with pytest.raises(ClipmillError) as caught:
        check(Dataset.open(str(root)), file, "split1")
    return caught.value

"""Frozen lists: the same data has the same digest, however it was packed; any change another."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests import annotations
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from pipeline.publishing.drop import drop
from pipeline.publishing.freeze import digest, freeze, frozen_rows, lines, show
from shards.write import Written

Annotated = Callable[..., Dataset]
Stages = Callable[..., dict[str, Any]]


def opened(root: Path) -> Dataset:
    return Dataset.open(str(root))


def test_what_is_packed_and_where_it_comes_from(built: Path, tmp_path: Path) -> None:
    report = freeze(opened(built), tmp_path / "list.parquet", None)
    assert report["clips"] == 10
    assert report["splits"] == {"train": 6, "val": 1, "test": 3}
    show(report, Ui())
    rows = pq.read_table(tmp_path / "list.parquet")
    assert rows.column_names[:3] == ["clip_id", "split", "label"]
    samples = opened(built).parts("samples")
    pairs = dict(zip(*(samples[name].to_pylist() for name in ("clip_id", "xxh3")), strict=True))
    assert {row["clip_id"]: row["xxh3"] for row in rows.to_pylist()} == pairs
    assert rows.schema.metadata[b"clipmill.digest"].decode() == report["sha256"]
    again = freeze(opened(built), tmp_path / "again.parquet", None)
    assert again["sha256"] == report["sha256"]
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "list.parquet").read_bytes()


@pytest.mark.parametrize(
    "options", [{"jobs": 2, "shard_mb": 1}, {"decoder": "ffmpeg", "shard_mb": 0.006}]
)
def test_jobs_shard_sizes_and_decoders_do_not_count(
    tmp_path: Path, built: Path, annotated: Annotated, run_stages: Stages, options: dict[str, Any]
) -> None:
    annotated(tmp_path / "root")
    run_stages(tmp_path / "root", "download", "pack", **options)
    one, two = opened(built), opened(tmp_path / "root")
    assert len(one.parts("shards")) != len(two.parts("shards"))
    found = [freeze(data, tmp_path / "list.parquet", None)["sha256"] for data in (one, two)]
    assert found[0] == found[1]


def test_every_column_and_the_spec_count(built: Path, tmp_path: Path) -> None:
    dataset = opened(built)
    rows = frozen_rows(dataset, None)
    seen = {digest(rows, dataset.spec), digest(rows, ClipSpec()), digest(rows[1:], dataset.spec)}
    for column in rows.column_names:
        field = rows.schema.field(column)
        other = "other" if field.type == pa.string() else 7
        values = pa.array([other, *rows[column].to_pylist()[1:]], field.type)
        changed = rows.set_column(rows.column_names.index(column), field, values)
        seen.add(digest(changed, dataset.spec))
    assert len(seen) == 3 + len(rows.column_names)


def test_dropped_clips_are_not_in_it(built: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(built, tmp_path / "root"))
    before = freeze(opened(root), tmp_path / "list.parquet", None)
    drop(opened(root), [frozen_rows(opened(root), None)["clip_id"][0].as_py()])
    after = freeze(opened(root), tmp_path / "list.parquet", None)
    assert (before["clips"], after["clips"]) == (10, 9)
    assert before["sha256"] != after["sha256"]


def test_split_sets_and_clips_that_one_leaves_aside(
    tmp_path: Path, shard: Callable[..., Written], spec: ClipSpec
) -> None:
    """A clip in two splits has two rows, one in none has one row without a split."""
    clips = [Clip(name, "set", "run", 0, name, f"file:{name}") for name in ("a", "b", "c")]
    splits = [SplitRow("one", "a", "train"), SplitRow("one", "b", "val")]
    splits += [SplitRow("one", "b", "test"), SplitRow("two", "c", "train")]
    found = Annotation("set", clips, [Label(0, "run", "run")], splits, ["one", "two"])
    dataset = annotations.annotate(str(tmp_path / "root"), found, spec, 0, "/videos")
    written = shard(dataset.storage, "train-000000.tar", ["c", "a", "b"], spec)
    dataset.append("shards", [written.shard])
    dataset.append("samples", written.samples)
    dataset = opened(tmp_path / "root")

    def pairs(split_set: str | None) -> list[tuple[str, str | None]]:
        rows = frozen_rows(dataset, split_set)
        return [*zip(rows["clip_id"].to_pylist(), rows["split"].to_pylist(), strict=True)]

    assert pairs(None) == [("a", "train"), ("b", "test"), ("b", "val"), ("c", None)]
    assert pairs("two") == [("a", None), ("b", None), ("c", "train")]
    report = freeze(dataset, tmp_path / "list.parquet", None)
    assert report["clips"] == 3
    assert report["splits"] == {"train": 1, "val": 1, "test": 1, "unsplit": 1}
    with pytest.raises(ClipmillError, match="split set 'three'"):
        freeze(dataset, tmp_path / "list.parquet", "three")


def test_lines_are_json_a_reader_can_check(built: Path) -> None:
    clip, line = next(lines(frozen_rows(opened(built), None)))
    row = json.loads(line)
    assert row["clip_id"] == clip and row["source"].startswith("file:")
    assert list(row) == sorted(row)


def test_wrong_use_is_refused(tmp_path: Path, built: Path, annotated: Annotated) -> None:
    with pytest.raises(ClipmillError, match=r"ends in \.parquet"):
        freeze(opened(built), tmp_path / "list.csv", None)
    with pytest.raises(ClipmillError, match="no packed clip"):
        freeze(annotated(tmp_path / "root"), tmp_path / "list.parquet", None)


def test_the_command_line(
    built: Path, tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    file = tmp_path / "list.parquet"
    done = cli("freeze", "--root", built, "--out", file, "--json")
    assert done.returncode == 0, done.stderr
    name = json.loads(done.stdout)["sha256"]
    done = cli("freeze", "--root", built, "--check", file)
    assert done.returncode == 0 and name in done.stderr
    root = Path(shutil.copytree(built, tmp_path / "root"))
    drop(opened(root), [frozen_rows(opened(root), None)["clip_id"][0].as_py()])
    assert cli("freeze", "--root", root, "--check", file).returncode == 1
    for wrong in ((), ("--out", file, "--check", file)):
        assert cli("freeze", "--root", built, *wrong).returncode == 2

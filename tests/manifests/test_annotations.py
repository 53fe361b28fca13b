"""What annotate writes, and what must not be changed once something is packed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from manifests.storage import open_storage


def test_a_path_that_is_no_text_is_refused_before_anything_is_written(
    tmp_path: Path, small: ModuleType
) -> None:
    with pytest.raises(ClipmillError, match=r"not valid Unicode"):
        small.make(tmp_path / "root", videos="/videos/\udcff")
    assert not (tmp_path / "root").exists()


def test_after_packing_labels_and_spec_must_stay(tmp_path: Path, small: ModuleType) -> None:
    small.pack_something(small.make(tmp_path))
    with pytest.raises(ClipmillError, match=r"frames 4 against 8"):
        small.make(tmp_path, spec=ClipSpec(frames=8, height=16, width=16))
    with pytest.raises(ClipmillError, match=r"holds shards of 2 classes that differ from the 1"):
        small.make(tmp_path, small.annotation(labels=("run",)))
    small.make(tmp_path, seed=9)
    assert Dataset.open(str(tmp_path)).seed == 9


def test_annotate_mends_what_an_interrupted_one_left(
    tmp_path: Path, annotated: Callable[..., Dataset], small: ModuleType
) -> None:
    small.pack_something(small.make(tmp_path))
    (tmp_path / "manifests" / "labels.parquet").write_bytes(b"torn")
    small.make(tmp_path)
    assert Dataset.open(str(tmp_path)).labels == ["run", "jump"]


def test_a_packed_clip_keeps_its_label(tmp_path: Path, small: ModuleType) -> None:
    dataset = small.make(tmp_path)
    small.pack_something(dataset)
    found = small.annotation()
    found.clips[0] = found.clips[0]._replace(label="jump", label_id=1)
    with pytest.raises(ClipmillError, match=r"clip c0 .*'run'.*'jump' \(1 clips.*a new folder"):
        small.make(tmp_path, found)
    (tmp_path / "dataset.toml").unlink()
    with pytest.raises(ClipmillError, match=r"clip c0 .*'run'.*'jump'"):
        small.make(tmp_path, found)
    found.clips[0] = found.clips[0]._replace(label=None, label_id=None)
    with pytest.raises(ClipmillError, match=r"says \(no label\)"):
        small.make(tmp_path, found)
    found = small.annotation()
    found.clips[1] = found.clips[1]._replace(label="run", label_id=0)
    small.make(tmp_path, found)
    assert Dataset.open(str(tmp_path)).clips["label_id"].to_pylist() == [0, 0, 0, 1]


def test_a_lost_or_edited_dataset_toml_lets_no_other_spec_in(
    tmp_path: Path, small: ModuleType
) -> None:
    dataset, other = small.make(tmp_path), ClipSpec(frames=8, height=16, width=16)
    small.pack_something(dataset)
    small.shard_of(dataset)
    dataset.require_own_shards()
    path = tmp_path / "dataset.toml"
    good = path.read_text()
    words = rf"shards of ClipSpec {small.SPEC.digest}; this annotate asks for {other.digest}"
    path.unlink()
    with pytest.raises(ClipmillError, match=words):
        small.make(tmp_path, spec=other)
    with pytest.raises(ClipmillError, match=r"shards of 2 classes that differ from the 1"):
        small.make(tmp_path, small.annotation(labels=("run",)))
    path.write_text(good.replace("frames = 4", "frames = 8"))
    with pytest.raises(ClipmillError, match=words):
        small.make(tmp_path, spec=other)
    words = rf"with ClipSpec {small.SPEC.digest}; .*{other.digest}"
    with pytest.raises(ClipmillError, match=words):
        Dataset.open(str(tmp_path)).require_own_shards()
    small.make(tmp_path)
    assert path.read_text() == good


def test_an_annotation_is_carried_into_another_root(tmp_path: Path, small: ModuleType) -> None:
    source = small.make(tmp_path / "one")
    other = replace(source.header, spec=ClipSpec(frames=8, height=16, width=16))
    storage = open_storage(str(tmp_path / "two"))
    annotations.copy_annotation(source, Dataset(storage, other))
    opened = Dataset.open(str(tmp_path / "two"))
    assert opened.spec == other.spec and opened.annotation == source.annotation
    assert opened.labels == source.labels
    assert opened.clips == source.clips and opened.splits == source.splits

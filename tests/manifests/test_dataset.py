"""The dataset folder: what annotate writes, what opening checks, and what must not be changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests import annotations
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec

SPEC = ClipSpec(frames=4, height=16, width=16)


def annotation(name: str = "set", labels: tuple[str, ...] = ("run", "jump")) -> Annotation:
    clips = [
        Clip(f"c{n}", name, labels[n % len(labels)], n % len(labels), f"v{n}", f"file:{n}.avi")
        for n in range(4)
    ]
    return Annotation(
        name,
        clips,
        [Label(number, label, label) for number, label in enumerate(labels)],
        [SplitRow("default", clip.clip_id, "train") for clip in clips],
        ["default"],
    )


def make(root: Path, found: Annotation | None = None, **more: Any) -> Dataset:
    values = {"spec": SPEC, "seed": 3, "videos": "/videos"} | more
    return annotations.annotate(str(root), found or annotation(), **values)


def pack_something(dataset: Dataset) -> None:
    row = {
        "clip_id": "c0", "key": "c0", "view": 0, "shard": "train-000000.tar", "index": 0,
        "label_id": 0, "offset": 0, "nbytes": 0, "frames": 4, "height": 16, "width": 16,
        "codec": "raw",
        "indices": [0], "stride": 1, "mirrored": False, "xxh3": "0",
    }  # fmt: skip
    dataset.append("samples", [row])


def shard_of(dataset: Dataset) -> None:
    row = {
        "shard": "train-000000.tar", "split": "train", "samples": 1, "bytes": 1, "sha256": "0",
        "spec": dataset.spec.digest, "generation": 0, "versions": "{}",
    }  # fmt: skip
    dataset.append("shards", [row])


def test_what_is_annotated_is_opened(tmp_path: Path) -> None:
    made = make(tmp_path / "root")
    opened = Dataset.open(str(tmp_path / "root"))
    for name in ("name", "seed", "spec", "split_sets", "videos", "annotation"):
        assert getattr(opened, name) == getattr(made, name)
    assert opened.labels == ["run", "jump"]
    assert opened.clips["clip_id"].to_pylist() == ["c0", "c1", "c2", "c3"]
    assert opened.splits_of(None) == {f"c{n}": ["train"] for n in range(4)}
    with pytest.raises(ClipmillError, match=r"unknown split set 'defualt'.*Did you mean 'default'"):
        opened.split_set("defualt")


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(max_size=5))
def test_names_of_every_script_survive(tmp_path: Path, name: str, videos: str) -> None:
    """Emoji, quotes, line breaks and DEL: JSON is not quite TOML."""
    try:
        videos.encode()
    except UnicodeEncodeError:
        videos = ""
    make(tmp_path / "root", annotation(name), videos=videos)
    opened = Dataset.open(str(tmp_path / "root"))
    assert (opened.name, opened.videos) == (name, videos)


def test_a_path_that_is_no_text_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ClipmillError, match=r"not valid Unicode"):
        make(tmp_path / "root", videos="/videos/\udcff")
    assert not (tmp_path / "root").exists()


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
def test_a_changed_dataset_toml(tmp_path: Path, old: str, new: str, words: str) -> None:
    make(tmp_path)
    path = tmp_path / "dataset.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ClipmillError, match=words):
        Dataset.open(str(tmp_path))


def test_a_folder_that_is_no_dataset(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ClipmillError, match=r"holds no dataset\.toml.*clipmill annotate"):
            Dataset.open(str(root))
    (tmp_path / "dataset.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClipmillError, match=r"no valid TOML"):
        Dataset.open(str(tmp_path))


def test_tables_of_two_annotations_are_not_mixed(tmp_path: Path) -> None:
    make(tmp_path)
    old = (tmp_path / "manifests" / "splits.parquet").read_bytes()
    make(tmp_path, annotation(labels=("run",)))
    (tmp_path / "manifests" / "splits.parquet").write_bytes(old)
    opened = Dataset.open(str(tmp_path))
    assert opened.labels == ["run"]
    with pytest.raises(ClipmillError, match=r"was interrupted. Run it again"):
        _ = opened.splits
    (tmp_path / "manifests" / "splits.parquet").unlink()
    with pytest.raises(ClipmillError, match=r"is missing"):
        _ = opened.splits


def test_after_packing_labels_and_spec_must_stay(tmp_path: Path) -> None:
    pack_something(make(tmp_path))
    with pytest.raises(ClipmillError, match=r"frames 4 against 8"):
        make(tmp_path, spec=ClipSpec(frames=8, height=16, width=16))
    with pytest.raises(ClipmillError, match=r"holds shards of 2 classes that differ from the 1"):
        make(tmp_path, annotation(labels=("run",)))
    make(tmp_path, seed=9)
    assert Dataset.open(str(tmp_path)).seed == 9


def test_annotate_mends_what_an_interrupted_one_left(
    tmp_path: Path, annotated: Callable[..., Dataset]
) -> None:
    pack_something(make(tmp_path))
    (tmp_path / "manifests" / "labels.parquet").write_bytes(b"torn")
    make(tmp_path)
    assert Dataset.open(str(tmp_path)).labels == ["run", "jump"]


def test_a_packed_clip_keeps_its_label(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    pack_something(dataset)
    found = annotation()
    found.clips[0] = found.clips[0]._replace(label="jump", label_id=1)
    with pytest.raises(ClipmillError, match=r"clip c0 .*'run'.*'jump' \(1 clips.*a new folder"):
        make(tmp_path, found)
    (tmp_path / "dataset.toml").unlink()
    with pytest.raises(ClipmillError, match=r"clip c0 .*'run'.*'jump'"):
        make(tmp_path, found)
    found.clips[0] = found.clips[0]._replace(label=None, label_id=None)
    with pytest.raises(ClipmillError, match=r"says \(no label\)"):
        make(tmp_path, found)
    found = annotation()
    found.clips[1] = found.clips[1]._replace(label="run", label_id=0)
    make(tmp_path, found)
    assert Dataset.open(str(tmp_path)).clips["label_id"].to_pylist() == [0, 0, 0, 1]


def test_a_lost_or_edited_dataset_toml_lets_no_other_spec_in(tmp_path: Path) -> None:
    dataset, other = make(tmp_path), ClipSpec(frames=8, height=16, width=16)
    pack_something(dataset)
    shard_of(dataset)
    dataset.require_own_shards()
    path = tmp_path / "dataset.toml"
    good = path.read_text()
    words = rf"shards of ClipSpec {SPEC.digest}; this annotate asks for {other.digest}"
    path.unlink()
    with pytest.raises(ClipmillError, match=words):
        make(tmp_path, spec=other)
    with pytest.raises(ClipmillError, match=r"shards of 2 classes that differ from the 1"):
        make(tmp_path, annotation(labels=("run",)))
    path.write_text(good.replace("frames = 4", "frames = 8"))
    with pytest.raises(ClipmillError, match=words):
        make(tmp_path, spec=other)
    with pytest.raises(ClipmillError, match=rf"with ClipSpec {SPEC.digest}; .*{other.digest}"):
        Dataset.open(str(tmp_path)).require_own_shards()
    make(tmp_path)
    assert path.read_text() == good

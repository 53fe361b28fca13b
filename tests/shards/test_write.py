"""One shard written: the same bytes every time, rows that point at the payloads, or nothing."""

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xxhash

from manifests.local import LocalStorage
from manifests.spec import ClipSpec
from shards.format import Sample
from shards.read import file_sha256
from shards.write import Written, write_shard


def test_the_same_samples_give_the_same_bytes(
    tmp_path: Path, shard: Callable[..., Written]
) -> None:
    one, two = (shard(LocalStorage(tmp_path / name), "x.tar", ["a", "b"]) for name in "ab")
    assert one == two
    paths = [tmp_path / name / "shards" / "x.tar" for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert file_sha256(paths[0]) == one.shard["sha256"]
    assert paths[0].stat().st_size == one.shard["bytes"]


def test_rows_point_at_the_payloads(tmp_path: Path, shard: Callable[..., Written]) -> None:
    # Long and short ids, so that the json's blocks differ.
    written = shard(LocalStorage(tmp_path), "x.tar", ["a", "b" * 80, "c-1"])
    data = (tmp_path / "shards" / "x.tar").read_bytes()
    with tarfile.open(tmp_path / "shards" / "x.tar") as tar:
        for number, row in enumerate(written.samples):
            member = tar.getmember(f"{row['key']}.npy")
            assert row["offset"] == member.offset_data + 128
            assert row["nbytes"] == member.size - 128
            payload = data[row["offset"] : row["offset"] + row["nbytes"]]
            assert xxhash.xxh3_64_hexdigest(payload) == row["xxh3"]
            assert row["index"] == number


def test_a_shard_row_says_what_made_it(
    tmp_path: Path, spec: ClipSpec, shard: Callable[..., Written]
) -> None:
    row = shard(LocalStorage(tmp_path), "x.tar", ["a"]).shard
    assert (row["spec"], row["samples"], row["split"]) == (spec.digest, 1, "train")
    assert {"av", "webdataset", "simplejpeg", "numpy"} <= set(json.loads(row["versions"]))


def test_no_sample_is_no_file(tmp_path: Path, spec: ClipSpec) -> None:
    store = LocalStorage(tmp_path)
    assert write_shard(store, "x.tar", "train", 0, [], spec, {}) is None
    assert store.list("shards") == {}
    assert store.leftovers("shards") == []


def test_a_shard_that_is_not_finished_is_no_file(
    tmp_path: Path, spec: ClipSpec, sample: Callable[..., Sample]
) -> None:
    def samples() -> Iterator[Sample]:
        yield sample("a")
        raise RuntimeError("in the middle")

    store = LocalStorage(tmp_path)
    with pytest.raises(RuntimeError, match="in the middle"):
        write_shard(store, "x.tar", "train", 0, samples(), spec, {})
    assert store.list("shards") == {}
    assert store.leftovers("shards") == []


def test_another_folder(tmp_path: Path, spec: ClipSpec, sample: Callable[..., Sample]) -> None:
    write_shard(LocalStorage(tmp_path), "a.tar", "clips", 0, [sample("a")], spec, {}, "clips/ab")
    assert (tmp_path / "clips" / "ab" / "a.tar").is_file()


def test_large_pieces_pass_through_and_the_bytes_are_tarfiles_own(tmp_path, sample):
    """Written by our piecewise sink as tarfile itself would write it."""
    import io
    import tarfile

    spec = ClipSpec(frames=16, height=96, width=96)
    clips = [sample(name, spec) for name in ("a", "b", "c")]
    written = write_shard(LocalStorage(tmp_path), "s.tar", "train", 0, clips, spec, {})
    data = (tmp_path / "shards/s.tar").read_bytes()
    assert written.shard["sha256"] == hashlib.sha256(data).hexdigest()
    assert written.shard["xxh3"] == xxhash.xxh3_64_hexdigest(data)
    assert written.shard["bytes"] == len(data) == -(-len(data) // 10240) * 10240
    again = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as old,
        tarfile.open(fileobj=again, mode="w") as new,
    ):
        for member in old:
            new.addfile(member, old.extractfile(member))
    assert again.getvalue() == data

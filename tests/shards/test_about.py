"""The JSON beside a clip's pixels is found from their place alone, in both codecs."""

import dataclasses
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.spec import ClipSpec
from shards import about
from shards.about import read_about
from shards.format import Sample
from shards.read import ShardReader
from shards.write import Written, write_shard

NAME = "train-000000.tar"


def written(root: Path, spec: ClipSpec) -> Written:
    samples = (
        Sample(
            f"clip-{number}",
            number,
            f"label {number} " + "ß" * 400 * number,  # from one block of JSON to three
            f"video {number}",
            0.5,
            None,
            np.random.default_rng(number).integers(0, 256, spec.shape, np.uint8),
            tuple(range(number, number + spec.frames)),
            4,
            False,
            29.97,
            {"packets": 7},
        )
        for number in range(3)
    )
    found = write_shard(LocalStorage(root), NAME, "train", 0, samples, spec, {})
    assert found is not None
    return found


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_it_is_what_the_tar_holds(tmp_path, spec, codec):
    spec = dataclasses.replace(spec, codec=codec)
    shard = written(tmp_path, spec)
    reader = ShardReader(LocalStorage(tmp_path), spec, {NAME: shard.shard["bytes"]})
    with tarfile.open(tmp_path / "shards" / NAME) as tar:
        for row in shard.samples:
            member = tar.extractfile(f"{row['key']}.json")
            assert member is not None
            found = reader.about(NAME, row["offset"], row["nbytes"], row["key"])
            assert found == json.loads(member.read())
            assert found["label"].startswith(f"label {row['index']}")


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda tar, at: tar.__setitem__(slice(at, at + 20), b"\0" * 20), "not beside its pixels"),
        (lambda tar, at: tar.__setitem__(at + 512, ord("?")), "no JSON"),
    ],
)
def test_damage_is_named_with_shard_and_clip(tmp_path, spec, codec, damage, says):
    spec = dataclasses.replace(spec, codec=codec)
    shard = written(tmp_path, spec)
    path, row = tmp_path / "shards" / NAME, shard.samples[1]
    data = bytearray(path.read_bytes())
    damage(data, data.index(b"clip-1.json"))
    path.write_bytes(data)
    reader = ShardReader(LocalStorage(tmp_path), spec, {NAME: shard.shard["bytes"]})
    with pytest.raises(ClipmillError, match=rf"{NAME}, clip clip-1: .*{says}.*clipmill verify"):
        reader.about(NAME, row["offset"], row["nbytes"], "clip-1")


def test_an_object_is_expected(tmp_path, spec):
    shard = written(tmp_path, spec)
    path, row = tmp_path / "shards" / NAME, shard.samples[0]
    data = bytearray(path.read_bytes())
    at = data.index(b"clip-0.json") + 512
    size = int(bytes(data[at - 512 + 124 : at - 512 + 135]), 8)
    data[at : at + size] = b"[]".ljust(size)
    with pytest.raises(ValueError, match="no JSON object"):
        read_about(memoryview(data), "clip-0", row["offset"], row["nbytes"], "raw")


def test_the_search_ends(spec, monkeypatch):
    monkeypatch.setattr(about, "MOST", 4096)
    for length in (2048, 65_536):
        with pytest.raises(ValueError, match="not beside"):
            read_about(memoryview(bytes(length)), "clip", length - 512, 512, "raw")
    with pytest.raises(ValueError, match="not beside"):
        read_about(memoryview(bytes(10)), "clip", 0, 5, "jpeg")

"""Reading by offset, and what damage comes to: every error names the shard and the clip."""

import dataclasses
import io
import json
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.spec import ClipSpec
from shards import read
from shards.format import NPY_HEADER, Sample, decode_pixels
from shards.read import ShardReader, scan
from shards.write import Written

CLIPS = ["one-1", "two-2", "three-3"]
NAME = "train-000000.tar"


@pytest.fixture(params=["raw", "jpeg"])
def codec(request: pytest.FixtureRequest, spec: ClipSpec) -> ClipSpec:
    return dataclasses.replace(spec, codec=request.param)


@pytest.fixture
def written(tmp_path: Path, codec: ClipSpec, shard: Callable[..., Written]) -> Written:
    return shard(LocalStorage(tmp_path), NAME, CLIPS, codec)


def reader(tmp_path: Path, spec: ClipSpec, written: Written) -> ShardReader:
    return ShardReader(LocalStorage(tmp_path), spec, {NAME: written.shard["bytes"]})


def fetch(found: ShardReader, row: dict[str, Any]) -> np.ndarray:
    return found.pixels(row["shard"], row["offset"], row["nbytes"], row["xxh3"], row["key"])


def test_webdataset_tar_and_offsets_read_the_same(
    tmp_path: Path, codec: ClipSpec, written: Written, sample: Callable[..., Sample]
) -> None:
    import webdataset as wds

    path, extension = tmp_path / "shards" / NAME, "npy" if codec.codec == "raw" else "jpg"
    listed = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == sorted(
        (f"{clip}.{ending}" for clip in CLIPS for ending in ("cls", "json", extension)),
        key=lambda name: (CLIPS.index(name.partition(".")[0]), name),
    )
    plain = {row["__key__"]: row for row in wds.WebDataset(str(path), shardshuffle=False)}
    assert list(plain) == CLIPS
    by_offset = reader(tmp_path, codec, written)
    for row in written.samples:
        member = plain[row["clip_id"]][extension]
        pixels = fetch(by_offset, row)
        raw = codec.codec == "raw"
        assert pixels.tobytes() == (
            np.load(io.BytesIO(member)).tobytes()
            if raw
            else decode_pixels(memoryview(member), "jpeg", codec).tobytes()
        )
        if raw:
            assert np.array_equal(pixels, sample(row["clip_id"]).pixels)
            assert not pixels.flags.writeable
            assert (row["offset"] - NPY_HEADER) % 512 == 0
        assert int(plain[row["clip_id"]]["cls"]) == row["label_id"]
        assert json.loads(plain[row["clip_id"]]["json"])["clip_id"] == row["clip_id"]


def test_scan_gives_back_samples_and_rows(
    tmp_path: Path, codec: ClipSpec, written: Written, sample: Callable[..., Sample]
) -> None:
    found = [*scan(tmp_path / "shards" / NAME, NAME, codec)]
    assert [row for _, row in found] == written.samples
    for back, _ in found:
        wanted = sample(back.clip_id)
        for field in dataclasses.fields(Sample):
            if field.name != "pixels":
                assert getattr(back, field.name) == getattr(wanted, field.name)


def test_each_flipped_byte_is_noticed_by_scan_or_by_its_digest(
    tmp_path: Path, spec: ClipSpec, shard: Callable[..., Written]
) -> None:
    """500 times one bit: members' payloads by xxh3, headers by tar, all by sha256."""
    written = shard(LocalStorage(tmp_path), NAME, CLIPS)
    path, chance = tmp_path / "shards" / NAME, random.Random(1)
    good = path.read_bytes()
    for _ in range(500):
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        assert read.file_sha256(path) != written.shard["sha256"]
        try:
            rows = [row for _, row in scan(path, NAME, spec)]
        except ValueError:
            continue
        # What neither tar nor digests cover: names of owners, and padding.
        assert [row["clip_id"] for row in rows] == CLIPS or rows != written.samples


def test_a_flipped_pixel_is_named(tmp_path: Path, codec: ClipSpec, written: Written) -> None:
    path, row = tmp_path / "shards" / NAME, written.samples[1]
    bad = bytearray(path.read_bytes())
    bad[row["offset"] + row["nbytes"] // 2] ^= 1
    path.write_bytes(bad)
    found = reader(tmp_path, codec, written)
    fetch(found, written.samples[0])
    with pytest.raises(ClipmillError, match=rf"shard {NAME}, clip two-2: .*digest.*clipmill ver"):
        fetch(found, row)


def test_damaged_headers_and_rows_are_named(
    tmp_path: Path, spec: ClipSpec, shard: Callable[..., Written]
) -> None:
    written = shard(LocalStorage(tmp_path), NAME, CLIPS)
    row = written.samples[1]
    found = reader(tmp_path, spec, written)
    for wrong, words in (
        ({"offset": row["offset"] + 512}, "no tar header of two-2.npy"),
        ({"offset": 3}, "outside the shard"),
        ({"offset": written.samples[0]["offset"]}, "but one of 'one-1.npy'"),
        ({"offset": -5}, "outside the shard"),
        ({"offset": 10**9}, "outside the shard"),
        ({"nbytes": row["nbytes"] - 1}, "tar header of two-2.npy is not of"),
        ({"nbytes": 10**9}, "outside the shard"),
        ({"xxh3": "0" * 16}, "digest"),
    ):
        with pytest.raises(ClipmillError, match=f"shard {NAME}, clip two-2: .*{words}"):
            fetch(found, row | wrong)


@pytest.mark.parametrize("left", [0, 1, 512, 5000, -512, -1])
def test_a_cut_or_missing_shard_is_named(
    tmp_path: Path, codec: ClipSpec, written: Written, left: int
) -> None:
    path, row = tmp_path / "shards" / NAME, written.samples[0]
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ClipmillError, match=f"shard {NAME}, all its clips: .*(row|empty)"):
        fetch(reader(tmp_path, codec, written), row)
    with pytest.raises(ValueError):
        list(scan(path, NAME, codec))
    path.unlink()
    with pytest.raises(ClipmillError, match="missing"):
        fetch(reader(tmp_path, codec, written), row)
    with pytest.raises(ValueError, match="not a whole tar"):
        list(scan(path, NAME, codec))


def test_a_shard_of_another_spec_is_refused(
    tmp_path: Path, codec: ClipSpec, written: Written
) -> None:
    """Even where the shape is the same: another stride is another clip."""
    for other in (
        dataclasses.replace(codec, rate=5),
        dataclasses.replace(codec, frames=5),
        dataclasses.replace(codec, codec="raw" if codec.codec == "jpeg" else "jpeg"),
    ):
        with pytest.raises(ValueError):
            list(scan(tmp_path / "shards" / NAME, NAME, other))


def _tar(path: Path, names: list[str]) -> None:
    with tarfile.open(path, "w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type = tarfile.SYMTYPE if name.endswith(".lnk") else tarfile.REGTYPE
            info.size = 0 if name.endswith(".lnk") else 1
            tar.addfile(info, io.BytesIO(b"1"))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.cls", "a.json"], "lacks members"),
        (["a.cls", "b.json"], "'b.json' does not belong"),
        (["a.cls", "a.cls"], "'a.cls' does not belong"),
        (["a.lnk"], "does not belong"),
        (["a.cls", "a.json", "a.npy"], "is no clip of shape"),
    ],
)
def test_foreign_tars_are_refused(
    tmp_path: Path, spec: ClipSpec, names: list[str], words: str
) -> None:
    _tar(tmp_path / "x.tar", names)
    with pytest.raises(ValueError, match=words):
        list(scan(tmp_path / "x.tar", "x.tar", spec))


def test_old_maps_are_let_go(
    tmp_path: Path, spec: ClipSpec, shard: Callable[..., Written], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "OPEN_SHARDS", 2)
    store = LocalStorage(tmp_path)
    made = [shard(store, f"train-{n:06d}.tar", [f"c{n}"]) for n in range(5)]
    sizes = {found.shard["shard"]: found.shard["bytes"] for found in made}
    found = ShardReader(LocalStorage(tmp_path), spec, sizes)
    kept = [fetch(found, one.samples[0]) for one in made for _ in range(2)]
    assert len(found._maps) == 2
    assert kept[0].sum() == fetch(found, made[0].samples[0]).sum(), "a view outlives its map"

"""The file itself: readable by the safetensors library, same content same bytes, never a crash."""

import errno
import json
import os
import random

import pytest
import safetensors.torch
import torch

from manifests import disk
from manifests.errors import ClipmillError, StoppedError
from model.tensorfile import DTYPES, Part, read, write


def parts():
    torch.manual_seed(0)
    weights = {
        str(dtype): torch.randint(0, 2, (3, 5)).to(dtype) for dtype in DTYPES if dtype.itemsize
    }
    weights |= {"empty": torch.zeros(0, 4), "scalar": torch.tensor(7), "turned": torch.rand(3, 4).T}
    state = {"state/0": torch.rand(11), "state/1": torch.arange(5, dtype=torch.uint8)}
    return {"checkpoint": Part('{"a":"ä\\n"}', weights), "state": Part("[1]", state)}


def same(one, two):
    assert one.text == two.text
    assert set(one.tensors) == set(two.tensors)
    for name, tensor in one.tensors.items():
        other = two.tensors[name]
        assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape)
        assert torch.equal(tensor, other)


def test_round_trip_of_every_type(tmp_path):
    path = tmp_path / "new" / "folder" / "a.safetensors"
    write(path, parts())
    found = read(path, ["checkpoint", "state"])
    same(found["checkpoint"], parts()["checkpoint"])
    same(found["state"], parts()["state"])
    assert [*read(path, ["state"])] == ["state"]
    assert os.listdir(path.parent) == [path.name]


def test_the_library_reads_it_and_tensors_are_aligned(tmp_path):
    path = tmp_path / "a.safetensors"
    write(path, parts())
    found = safetensors.torch.load_file(path)
    everything = {**parts()["checkpoint"].tensors, **parts()["state"].tensors}
    assert set(found) == set(everything)
    assert all(torch.equal(found[name], everything[name]) for name in found)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    assert length % 8 == 0
    for name, entry in header.items():
        if name != "__metadata__":
            assert entry["data_offsets"][0] % everything[name].element_size() == 0


def test_same_content_same_bytes_whatever_the_order(tmp_path):
    one = parts()
    two = {
        name: Part(part.text, dict(reversed(part.tensors.items()))) for name, part in one.items()
    }
    write(tmp_path / "one", one)
    write(tmp_path / "two", two)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_relative_and_roundabout_paths(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    for path in ("a", "../b", "../sub/c"):
        write(type(tmp_path)(path), parts())
    assert (tmp_path / "sub" / "a").is_file()
    assert (tmp_path / "b").is_file()
    assert (tmp_path / "sub" / "c").is_file()


def test_a_full_disk_keeps_the_old_file_and_can_be_resumed(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write(path, parts())
    before = path.read_bytes()

    def full(fd, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "write", full)
    with pytest.raises(StoppedError, match="disk is full"):
        write(path, {"checkpoint": Part("other", {})})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2, 2).to_sparse(),
        torch.zeros(2, device="meta"),
    ],
)
def test_tensors_that_cannot_be_stored_are_named(tmp_path, tensor):
    with pytest.raises(ClipmillError, match="tensor 'odd' is"):
        write(tmp_path / "a", {"checkpoint": Part("", {"odd": tensor})})
    assert os.listdir(tmp_path) == []


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "a"
    write(path, parts())
    whole = path.read_bytes()
    for length in [*range(64), *range(64, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ClipmillError):
            read(path, ["checkpoint", "state"])
    path.write_bytes(whole + b"x")
    with pytest.raises(ClipmillError):
        read(path, ["checkpoint", "state"])


def test_every_flipped_bit_is_refused_or_harmless(tmp_path):
    path = tmp_path / "a"
    write(path, parts())
    whole, generator, refused = path.read_bytes(), random.Random(0), 0
    positions = [*range(8 * 64), *generator.sample(range(8 * len(whole)), 1000)]
    for position in positions:
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            found = read(path, ["checkpoint", "state"])
        except ClipmillError:
            refused += 1
            continue
        assert [*found] == ["checkpoint", "state"]  # a part never goes missing silently
        for name, part in found.items():
            same(part, parts()[name])
    harmless = 8 * len('"format":"pt"')  # all that no digest covers
    assert refused >= len(positions) - 2 * harmless

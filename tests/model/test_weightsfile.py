"""What may stand in a file of weights, and what beside the weights is known of ours."""

import hashlib
from pathlib import Path

import pytest
import torch

from manifests.errors import ClipmillError
from model.weightsfile import read_weights, sha256_of


def test_sha256_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"weights")
    assert sha256_of(tmp_path / "x") == hashlib.sha256(b"weights").hexdigest()


def test_parameters_are_read_as_plain_tensors(tmp_path: Path) -> None:
    torch.save({"a": torch.nn.Parameter(torch.ones(2))}, tmp_path / "x.pth")
    found = read_weights(tmp_path / "x.pth", "x.pth")
    assert not found.tensors["a"].requires_grad and found.network is None and found.labels is None


@pytest.mark.parametrize("value", [{1: torch.zeros(1)}, {"a": torch.zeros(1), "b": 2}, {}, None])
def test_what_is_no_state_dict_is_refused(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "x.pth")
    with pytest.raises(ClipmillError, match=r"x\.pth holds .* expected tensors by name"):
        read_weights(tmp_path / "x.pth", "x.pth")


def test_every_cut_is_an_error_with_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(400)}, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ClipmillError, match=r"copy it again|no file of weights"):
            read_weights(path, "x.pth")


def test_a_byte_that_was_changed_is_an_error_where_sums_were_written(tmp_path: Path) -> None:
    path, summed = tmp_path / "x.pth", torch.serialization.get_crc32_options()
    try:
        for sums in (True, False):
            torch.serialization.set_crc32_options(sums)
            torch.save({"a": torch.ones(400)}, path)
            whole = path.read_bytes()
            assert read_weights(path, "x.pth").tensors["a"].sum() == 400
            path.write_bytes(whole.replace(torch.ones(3).numpy().tobytes(), bytes(12), 1))
            if sums:
                with pytest.raises(ClipmillError, match=r"not a whole file .*CRC.* copy it again"):
                    read_weights(path, "x.pth")
    finally:
        torch.serialization.set_crc32_options(summed)

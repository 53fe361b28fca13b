"""One sample's members: what numpy, a JPEG reader and a person find in them."""

import dataclasses
import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from manifests.spec import ClipSpec
from shards import format as form
from shards.format import Sample


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (32, 128, 128, 3), (1024, 2048, 2048, 3)])
def test_the_npy_header_is_numpys_own_and_128_bytes(shape: tuple[int, ...]) -> None:
    header = form.npy_header(shape)
    assert len(header) == 128
    version = np.lib.format.read_magic(io.BytesIO(header))
    assert version == (1, 0)


def test_raw_members(sample: Callable[..., Sample], spec: ClipSpec) -> None:
    one = sample("a-1", label_id=7)
    found = form.members(one, spec)
    assert sorted(found) == ["__key__", "cls", "json", "npy"]
    assert np.array_equal(np.load(io.BytesIO(found["npy"])), one.pixels)
    assert found["cls"] == b"7"
    about = json.loads(found["json"])
    assert about["clip_id"] == found["__key__"] == "a-1"
    assert about["spec"] == spec.digest
    assert (about["start_s"], about["end_s"], about["indices"]) == (None, 1.5, [0, 2, 4, 6])


def test_jpeg_members(sample: Callable[..., Sample], spec: ClipSpec) -> None:
    spec = dataclasses.replace(spec, codec="jpeg", height=64, width=48)
    one = sample("a", spec)
    smooth = np.indices(spec.shape[:3]).sum(0)[..., None].repeat(3, 3).astype(np.uint8)
    one = dataclasses.replace(one, pixels=smooth)
    found = form.members(one, spec)
    strip = Image.open(io.BytesIO(found["jpg"]))
    assert strip.size == (spec.width, spec.frames * spec.height)
    back = form.decode_pixels(memoryview(found["jpg"]), "jpeg", spec)
    assert back.shape == spec.shape
    assert np.abs(back.astype(int) - smooth).mean() < 2


def test_a_clip_without_a_label(sample: Callable[..., Sample], spec: ClipSpec) -> None:
    assert form.members(sample("a", label_id=None), spec)["cls"] == b"-1"


def test_what_is_no_clip_of_the_spec_is_said(spec: ClipSpec) -> None:
    with pytest.raises(ValueError, match=f"5 bytes; expected {spec.nbytes}"):
        form.decode_pixels(memoryview(b"12345"), "raw", spec)
    jpeg = dataclasses.replace(spec, codec="jpeg")
    other = form.encode_pixels(np.zeros((5, 16, 16, 3), np.uint8), "jpeg")
    for data in (other, b"", b"no jpeg", other[:40]):
        with pytest.raises(ValueError):
            form.decode_pixels(memoryview(data), "jpeg", jpeg)


@pytest.mark.parametrize(("size", "found"), [(0, 0), (1, 512), (512, 512), (513, 1024)])
def test_padding(size: int, found: int) -> None:
    assert form.padded(size) == found

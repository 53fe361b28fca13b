"""Strips: the first frames alone are those of the whole strip; damage is told where it can be."""

import io
from typing import Any

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from manifests.spec import ClipSpec
from shards.format import encode_pixels
from shards.strip import decode_strip, shortened

SPEC = ClipSpec(frames=6, rate=1, height=20, width=12, codec="jpeg")


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SPEC.shape, np.uint8)


def others(**options: Any) -> memoryview:
    """A strip as other programs write it."""
    sink = io.BytesIO()
    image = Image.fromarray(pixels().reshape(-1, SPEC.width, 3))
    image.convert(options.pop("mode", "RGB")).save(sink, "jpeg", **options)
    return memoryview(sink.getvalue())


@pytest.mark.parametrize("frames", range(1, 7))
def test_the_first_frames_are_those_of_the_whole_strip(frames: int) -> None:
    strip = memoryview(encode_pixels(pixels(), "jpeg"))
    whole = simplejpeg.decode_jpeg(strip, colorspace="RGB").reshape(SPEC.shape)
    buffer = np.zeros(SPEC.nbytes, np.uint8)
    found = decode_strip(strip, SPEC, frames, buffer)
    assert np.array_equal(found, whole[:frames]) and np.shares_memory(found, buffer)
    assert (shortened(strip, SPEC, frames) is not None) and bytes(strip[:2]) == b"\xff\xd8"
    assert not buffer[found.size :].any() or frames == SPEC.frames, "more was decoded"


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"subsampling": "4:2:0"}, {"subsampling": "4:2:2"}]
)
def test_strips_that_cannot_be_shortened_are_decoded_whole(options: dict[str, Any]) -> None:
    strip = others(**options)
    whole = simplejpeg.decode_jpeg(strip, colorspace="RGB").reshape(SPEC.shape)
    assert shortened(strip, SPEC, 2) is None
    assert np.array_equal(decode_strip(strip, SPEC, 2), whole[:2])


def test_those_of_other_programs_that_can() -> None:
    for options in ({}, {"optimize": True}, {"restart_marker_rows": 1}):
        strip = others(subsampling="4:4:4", comment=b"of another program", **options)
        whole = simplejpeg.decode_jpeg(strip, colorspace="RGB").reshape(SPEC.shape)
        assert shortened(strip, SPEC, 2) is not None
        assert np.array_equal(decode_strip(strip, SPEC, 2), whole[:2])


@pytest.mark.parametrize("frames", [2, 6])
def test_what_is_no_strip_of_the_spec_is_said(frames: int) -> None:
    strip = bytes(encode_pixels(pixels(), "jpeg"))
    longer = encode_pixels(np.zeros((7, 20, 12, 3), np.uint8), "jpeg")
    grey = bytes(others(mode="L"))[:60]
    for data in (b"", b"\xff", b"no jpeg", strip[:40], strip[:-9], longer, grey, strip[:200] * 3):
        with pytest.raises(ValueError):
            decode_strip(memoryview(data), SPEC, frames)


def test_segments_without_end_are_given_up() -> None:
    assert shortened(memoryview(b"\xff\xd8" + b"\xff\xfe\0\0" * 99 + b"\xff\xd9"), SPEC, 2) is None
    assert shortened(memoryview(b"\xff\xd8\xff\xc0\0\x0b\xff\xd9"), SPEC, 2) is None

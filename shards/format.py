"""What one sample is inside a tar: KEY.npy or KEY.jpg, KEY.cls and KEY.json.

A raw clip is an uncompressed uint8 .npy whose 128-byte header is followed by the pixels in
(T, H, W, C) order, so they can be mapped from the tar and a window of frames is one byte range.
A jpeg clip is one q95 4:4:4 strip of T frames stacked downwards: about 7 times smaller, about 20
times slower to read, 40 dB. Members stand on 512-byte boundaries (POSIX ustar).
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from shards.strip import decode_strip

BLOCK = 512
NPY_HEADER = 128
JPEG_QUALITY = 95
UNLABELLED = -1
EXTENSION = {"raw": "npy", "jpeg": "jpg"}


NO_PIXELS: NDArray[np.uint8] = np.empty((0, 0, 0, 0), np.uint8)


@dataclass(frozen=True, slots=True)
class Sample:
    """One decoded clip on its way into a shard; `pixels` is uint8 (T, H, W, C), RGB.

    `counts` is what decoding it came to: frames_decoded, packets, errors, rotation. `versions` are
    for its row where another decoder than the run's made it; no shard holds them.
    """

    clip_id: str
    label_id: int | None
    label: str | None
    video_id: str
    start_s: float | None
    end_s: float | None
    pixels: NDArray[np.uint8]
    indices: tuple[int, ...]
    stride: int | None
    mirrored: bool
    fps: float | None
    counts: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    view: int = 0
    several: bool = False  # one of several views of its clip
    encoded: bytes | None = None  # its member's bytes where they are known: then no pixels are

    @property
    def key(self) -> str:
        """Its name in the tar: CLIP, or CLIP@v0, CLIP@v1, ... (no clip_id holds an @)."""
        return f"{self.clip_id}@v{self.view}" if self.several else self.clip_id


@functools.lru_cache(maxsize=16)
def npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the 128 bytes that precede the pixels of a raw clip of this shape."""
    sink = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(sink, description)
    header = sink.getvalue()
    if len(header) != NPY_HEADER:
        raise ClipmillError(f"shape {shape} gives a header of {len(header)} bytes; expected 128.")
    return header


def encode_pixels(pixels: NDArray[np.uint8], codec: str) -> bytes:
    """Return a clip's tar member: .npy bytes or the JPEG strip."""
    if codec == "raw":
        return b"".join((npy_header(pixels.shape), np.ascontiguousarray(pixels).data))
    frames, height, width, channels = pixels.shape
    strip = np.ascontiguousarray(pixels).reshape(frames * height, width, channels)
    return simplejpeg.encode_jpeg(strip, quality=JPEG_QUALITY, colorspace="RGB")


def decode_pixels(payload: memoryview, codec: str, spec: ClipSpec) -> NDArray[np.uint8]:
    """Return uint8 (T, H, W, C) from the bytes a sample row points at (a view when raw).

    Raises:
        ValueError: the bytes are not a clip of this spec.
    """
    if codec == "jpeg":
        return decode_strip(payload, spec, spec.frames)
    if len(payload) != spec.nbytes:
        raise ValueError(f"{len(payload)} bytes; expected {spec.nbytes}")
    return np.frombuffer(payload, np.uint8).reshape(spec.shape)


def members(sample: Sample, spec: ClipSpec) -> dict[str, Any]:
    """Return the sample as webdataset's TarWriter takes it, every value bytes.

    The digest of its ClipSpec goes along: two specs may store clips of one shape.
    """
    about: Mapping[str, Any] = {
        "clip_id": sample.clip_id,
        "view": sample.view,
        "label": sample.label,
        "video_id": sample.video_id,
        "start_s": sample.start_s,
        "end_s": sample.end_s,
        "indices": list(sample.indices),
        "stride": sample.stride,
        "mirrored": sample.mirrored,
        "fps": sample.fps,
        "counts": dict(sample.counts),
        "spec": spec.digest,
    }
    label_id = UNLABELLED if sample.label_id is None else sample.label_id
    return {
        "__key__": sample.key,
        EXTENSION[spec.codec]: sample.encoded or encode_pixels(sample.pixels, spec.codec),
        "cls": str(label_id).encode(),
        "json": json.dumps(about, ensure_ascii=False, sort_keys=True).encode(),
    }


def padded(size: int) -> int:
    """Return the bytes a member's payload takes in the tar."""
    return -(-size // BLOCK) * BLOCK


def sample_bytes(spec: ClipSpec, jpeg_bytes: float | None = None) -> int:
    """Return about how many tar bytes one sample takes; planning uses it, nothing depends on it.

    For raw clips it is exact but for the length of their JSON; for jpeg, `jpeg_bytes` are those
    of a strip where that is known.
    """
    strip = spec.nbytes // 7 if jpeg_bytes is None else round(jpeg_bytes)
    pixels = spec.nbytes + NPY_HEADER if spec.codec == "raw" else strip
    # Three headers, a block for the class, and the JSON: some 400 bytes and 5 a frame.
    return padded(pixels) + 4 * BLOCK + padded(400 + 5 * spec.frames)

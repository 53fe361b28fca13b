"""The first frames of a jpeg strip, without decoding the frames below them.

A strip's header is given another height and the decoder ends there: 16 of 32 frames from a random
one on cost three quarters of the whole. The entropy-coded rows above a window have to be read;
there is no mark to begin at. Pixels are those of the whole strip, bit for bit.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from manifests.spec import CHANNELS, ClipSpec

_FRAME, _SCAN = 0xC0, 0xDA  # markers: of a baseline image's size, and of its pixels
_END = b"\xff\xd9"
_HEIGHT, _WIDTH, _COMPONENTS, _FIRST = 5, 7, 9, 11  # places in the segment of _FRAME
_MOST_SEGMENTS = 32


def decode_strip(
    payload: memoryview, spec: ClipSpec, frames: int, buffer: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return the first `frames` frames of a strip, uint8 (frames, H, W, C), in `buffer` if given.

    Damage is an error where all frames are decoded. Of fewer the decoder has to leave bytes over,
    which it would call damage too: then the digests of what was packed are all that is looked at.

    Raises:
        ValueError: the bytes are not a clip of this spec.
    """
    short = shortened(payload, spec, frames) if frames < spec.frames else None
    data, there = (payload, spec.frames) if short is None else (short, frames)
    strip = simplejpeg.decode_jpeg(data, colorspace="RGB", buffer=buffer, strict=short is None)
    if strip.shape != (there * spec.height, spec.width, CHANNELS):
        raise ValueError(f"a strip of shape {strip.shape}; expected frames of {spec.shape}")
    return strip.reshape(there, spec.height, spec.width, CHANNELS)[:frames]


def shortened(payload: memoryview, spec: ClipSpec, frames: int) -> bytearray | None:
    """Return a strip as if it had only its first `frames` frames, or None where that cannot be.

    It can where one baseline scan holds three components of full size, as pack writes them, and
    the strip is whole to its end: then rows are coded one after the other, 8 at a time.
    """
    found = _frame(payload)
    if found is None or bytes(payload[-2:]) != _END:
        return None
    height = int.from_bytes(payload[found + _HEIGHT : found + _WIDTH], "big")
    width = int.from_bytes(payload[found + _WIDTH : found + _COMPONENTS], "big")
    if (height, width) != (spec.frames * spec.height, spec.width):
        return None
    short = bytearray(payload)
    short[found + _HEIGHT : found + _WIDTH] = (frames * spec.height).to_bytes(2, "big")
    return short


def _frame(payload: memoryview) -> int | None:
    """Return where the size of an image stands that can be shortened."""
    #   FF D8 | FF DB length ... | FF C0 length 08 HEIGHT WIDTH 3 (id 11 table)*3 |
    #   FF C4 length ... | FF DA length 3 ... | rows | FF D9
    place, found = 2, None
    for _ in range(_MOST_SEGMENTS):
        head = bytes(payload[place : place + 5])
        if len(head) < 5 or head[0] != 0xFF:
            return None
        if head[1] == _SCAN:
            return found if head[4] == CHANNELS else None
        if head[1] == _FRAME:
            about = bytes(payload[place + _COMPONENTS : place + _FIRST + 3 * CHANNELS - 1])
            if about[:1] != bytes([CHANNELS]) or about[2::3] != b"\x11" * CHANNELS:
                return None
            found = place
        place += 2 + int.from_bytes(head[2:4], "big")
    return None

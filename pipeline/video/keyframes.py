"""What a packet's own bytes say: may decoding begin at it, is any other frame made of its frame.

Containers also call other packets key: in H.264 a picture with a recovery point, after which
pictures may still be made of ones before it. So for H.264 and HEVC the packet itself is looked at
(ITU-T H.264 and H.265, 7.4: NAL unit headers). Some microseconds a packet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# A key frame of these resets the decoder. (GIF's are called key and are not; MPEG-2's may lead.)
RESETTING = frozenset({"hevc", "mpeg4", "vp8", "vp9", "mjpeg"})
# Their decoders leave out frames that are no reference, and say nothing else for it.
DISCARDING = frozenset({"h264", "hevc"})
_IDR = 5
_SLICES = range(1, 6)  # H.264: types of NAL units that hold a part of a picture
_HEVC_SLICES = 32  # H.265: below it, and of those below 16 the even ones are no reference
_HEVC_LEAVES = range(0, 16, 2)


def begins(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """Return whether decoding may start at a packet that its container calls key."""
    codec = stream.codec_context.codec.canonical_name
    if codec != "h264":
        return codec in RESETTING
    return any(head & 31 == _IDR for head in _heads(packet, stream, 4))


def referred(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """Return whether a packet of a DISCARDING codec holds a picture that others may be made of."""
    if stream.codec_context.codec.canonical_name == "hevc":
        kinds = [head >> 1 & 63 for head in _heads(packet, stream, 21)]
        return any(kind < _HEVC_SLICES and kind not in _HEVC_LEAVES for kind in kinds)
    heads = _heads(packet, stream, 4)
    return any(head & 31 in _SLICES and head >> 5 & 3 for head in heads)


def _heads(packet: Packet[VideoStream], stream: VideoStream, lengths: int) -> Iterator[int]:
    """Yield the first byte of each NAL unit; `lengths` is where extradata says how they are cut."""
    data, extradata = memoryview(packet), stream.codec_context.extradata or b""
    if extradata[:1] != b"\x01":  # Annex B: each follows a start code; avcC and hvcC begin with 1
        yield from (piece[0] for piece in bytes(data).split(b"\0\0\1")[1:] if piece)
        return
    width = (extradata[lengths] & 3) + 1 if len(extradata) > lengths else 4
    at = 0
    while at + width < len(data):
        yield data[at + width]
        at += width + int.from_bytes(data[at : at + width])

"""What a packet's own bytes say: may decoding begin at it, is any other frame made of its frame.

Containers also call other packets key: in H.264 a picture with a recovery point, after which
pictures may still be made of ones before it, and in an mp4 without a table of key packets all of
them. Some decoders begin anywhere and say nothing. So the packet itself is looked at (ITU-T H.264
and H.265, 7.4: NAL unit headers; ISO 14496-2, 6.2.5; RFC 6386, 9.1; VP9, 6.2). Some microseconds a
packet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# Their decoders leave out frames that are no reference, and say nothing else for it.
DISCARDING = frozenset({"h264", "hevc"})
_IDR = 5
_SLICES = range(1, 6)  # H.264: types of NAL units that hold a part of a picture
_HEVC_SLICES = 32  # H.265: below it, and of those below 16 the even ones are no reference
_HEVC_LEAVES = range(0, 16, 2)
_HEVC_KEYS = range(16, 22)
_VOP = b"\0\0\1\xb6"  # MPEG-4: what a picture begins with; two bits say which kind it is


def begins(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """Return whether decoding may start at a packet that its container calls key."""
    looked_at = _BEGINS.get(stream.codec_context.codec.canonical_name)
    return looked_at is not None and looked_at(packet, stream)


def referred(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """Return whether a packet of a DISCARDING codec holds a picture that others may be made of.

    Only one that is seen to hold none is said to: a picture that is damaged may be anything.
    """
    if stream.codec_context.codec.canonical_name == "hevc":
        kinds = [head >> 1 & 63 for head in _heads(packet, stream, 21)]
        slices = [kind for kind in kinds if kind < _HEVC_SLICES]
        return not slices or any(kind not in _HEVC_LEAVES for kind in slices)
    slices = [head for head in _heads(packet, stream, 4) if head & 31 in _SLICES]
    return not slices or any(head >> 5 & 3 for head in slices)


def _heads(packet: Packet[VideoStream], stream: VideoStream, lengths: int) -> list[int]:
    """Return the first byte of each NAL unit, none where they do not fill the packet.

    `lengths` is where extradata says how they are cut.
    """
    data, extradata = memoryview(packet), stream.codec_context.extradata or b""
    if extradata[:1] != b"\x01":  # Annex B: each follows a start code; avcC and hvcC begin with 1
        return [piece[0] for piece in bytes(data).split(b"\0\0\1")[1:] if piece]
    width = (extradata[lengths] & 3) + 1 if len(extradata) > lengths else 4
    heads, at = [], 0
    while at + width < len(data):
        heads.append(data[at + width])
        at += width + int.from_bytes(data[at : at + width])
    return heads if at == len(data) else []


def _h264(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    return any(head & 31 == _IDR for head in _heads(packet, stream, 4))


def _hevc(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    return any(head >> 1 & 63 in _HEVC_KEYS for head in _heads(packet, stream, 21))


def _mpeg4(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    kind = bytes(packet).partition(_VOP)[2][:1]
    return bool(kind) and kind[0] >> 6 == 0


def _vp8(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    return memoryview(packet)[0] & 1 == 0


def _vp9(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    # Bits from the left: 1 0, two of the profile (one more where both are set), is a frame shown
    # again, is it no key frame.
    head = memoryview(packet)[0]
    shown_again, no_key = (4, 2) if head & 0x30 == 0x30 else (8, 4)
    return head >> 6 == 2 and not head & (shown_again | no_key)


# A key frame of these resets the decoder. (GIF's are called key and are not; MPEG-2's may lead.)
_BEGINS: dict[str, Callable[[Packet[VideoStream], VideoStream], bool]] = {
    "h264": _h264,
    "hevc": _hevc,
    "mpeg4": _mpeg4,
    "vp8": _vp8,
    "vp9": _vp9,
    "mjpeg": lambda packet, stream: True,
}

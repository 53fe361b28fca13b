"""What a video file holds, found by reading its packets; nothing is believed of its header counts.

Costs about a millisecond and one read of the file, plus the decoding of one frame, which is where
libav tells how the picture is to be turned. Runs in the decoder child.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from manifests.reasons import Reason
from pipeline.video.container import (
    check_pixels,
    decode,
    open_container,
    packets,
    video_stream,
)
from pipeline.video.errors import VideoError
from pipeline.video.frames import Ordinals, Times
from pipeline.video.graph import Orientation
from pipeline.video.keyframes import begins
from pipeline.video.reading import KEPT_BYTES, Given, Reading

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# The first frame comes out within this many packets, or its orientation stays unknown.
FIRST_FRAME_PACKETS = 64
# How far decoding order and display order are apart, where timestamps do not say it.
REORDERING = {"h264": 16, "hevc": 16, "vvc": 16}
REORDERING_OTHERS = 2

# AVI holds no times of display. The demuxer makes them up, wrongly where two pictures share a
# packet (DivX's packed B-frames); frames come in the order of packets and a little later.
UNSTAMPED = frozenset({"avi"})


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A video file's facts. `times` are the frames' seconds from the first, in display order.

    `width` and `height` are as coded; `rotation` (clockwise, after a vertical flip where
    `flipped`) turns them upright. `packets` counts those that should give a frame each.
    `missing_s` is how much earlier the packets end than the video stream claims, and
    `missing_packets` how many are not there whole that the container lists: a cut file.
    """

    container: str
    codec: str
    width: int
    height: int
    fps: float | None
    duration_s: float
    rotation: int
    flipped: bool
    packets: int
    size: int
    missing_s: float
    missing_packets: int
    times: Times


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A probe plus what only the decoding itself needs."""

    probe: Probe
    stream: int
    ranks: Ordinals  # file order -> place in display order, -1 where no frame is meant to come
    margin: int  # packets to read on where timestamps do not tell the display order
    starts: tuple[int, ...]  # key packets: nothing before them is needed for what comes after
    kept: list[Reading]  # one, from which decoding can go on, or none

    def close(self) -> None:
        """Let go of the file, where decoding has not done so."""
        while self.kept:
            self.kept.pop().close()

    @property
    def orientation(self) -> Orientation:
        """How frames are turned upright."""
        return Orientation(self.probe.rotation, self.probe.flipped)

    def last_packet(self, ordinal: int) -> int:
        """File-order index of the last packet that frames up to `ordinal` need."""
        # file order    I0 P3 B1 B2 P6 B4 B5     ranks 0 3 1 2 6 4 5
        # ordinal 2 needs the packets 0 to 3, the last one whose rank is 2 or less.
        needed = np.flatnonzero((self.ranks >= 0) & (self.ranks <= ordinal))
        return min(int(needed[-1]) + self.margin, len(self.ranks) - 1)

    def frames_until(self, packet: int) -> int:
        """How many frames the packets up to and including this one should give."""
        return int(np.count_nonzero(self.ranks[: packet + 1] >= 0))


class Stamp(NamedTuple):
    """One packet: its times in seconds, whether a frame is meant to come of it, whether all its
    bytes are there, and whether a decoder may start at it.
    """

    pts: float | None
    dts: float | None
    meant: bool
    whole: bool
    key: bool


def scan(fd: int, max_pixels: int) -> Scan:
    """Read every packet of the video stream once and say what the file holds.

    Close what it returns: the file may still be open.
    """
    with contextlib.ExitStack() as ending:
        container = ending.enter_context(open_container(fd, max_pixels))
        stream = video_stream(container, max_pixels)
        if stream.codec_context.width == 0:
            _look_without_limit(fd, stream.index, max_pixels)
        stamps, orientation, kept = _read(container, stream, os.fstat(fd).st_size <= KEPT_BYTES)
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        keys, reordered = _keys(stamps, rate, container.format.name not in UNSTAMPED)
        meant = np.flatnonzero([stamp.meant for stamp in stamps])
        if len(meant) == 0:
            raise VideoError(Reason.NO_FRAMES, "the video stream has no packets")
        order = meant[np.argsort(keys[meant], kind="stable")]
        ranks = np.full(len(stamps), -1, dtype=np.int64)
        ranks[order] = np.arange(len(order))
        times = keys[order] - keys[order[0]]
        fps = (len(times) - 1) / float(times[-1]) if times[-1] > 0 else None
        context = stream.codec_context
        codec = context.codec.canonical_name
        probe = Probe(
            container=container.format.name,
            codec=codec,
            width=context.width,
            height=context.height,
            fps=fps,
            duration_s=len(times) / (fps or rate),
            rotation=orientation.rotation,
            flipped=orientation.flipped,
            packets=len(times),
            size=os.fstat(fd).st_size,
            missing_s=_missing(container, stream, keys, fps or rate),
            missing_packets=_missing_packets(container.format.name, stream, stamps),
            times=times,
        )
        margin = 0 if reordered else REORDERING.get(codec, REORDERING_OTHERS)
        starts = tuple(np.flatnonzero([stamp.key for stamp in stamps]).tolist())
        if kept:
            ending.pop_all()
        return Scan(probe, stream.index, ranks, margin, starts, kept)


def _look_without_limit(fd: int, index: int, max_pixels: int) -> None:
    """Say TOO_LARGE where libav, held to the limit, says no size at all; no picture is decoded."""
    position = os.lseek(fd, 0, os.SEEK_CUR)  # shared with the container that is being read
    with open_container(fd, 1 << 30, skip_frame="all") as container:
        context: Any = container.streams[index].codec_context
        check_pixels(context.width, context.height, max_pixels)
    os.lseek(fd, position, os.SEEK_SET)


def _read(
    container: InputContainer, stream: VideoStream, keep: bool
) -> tuple[list[Stamp], Orientation, list[Reading]]:
    """Stamps of all packets, the first frame's orientation, and how decoding can go on."""
    stamps: list[Stamp] = []
    held: list[Packet[VideoStream]] = []
    given: list[Given] = []
    orientation: Orientation | None = None
    # As float(pts * Fraction): exact until the division, and a twentieth of its time.
    ticks, per = (stream.time_base or Fraction(1, 90_000)).as_integer_ratio()
    for packet in packets(container, stream):
        pts = None if packet.pts is None else packet.pts * ticks / per
        dts = None if packet.dts is None else packet.dts * ticks / per
        # One byte holds no picture: mencoder writes it where the last frame is to be repeated.
        meant = packet.size > 1 and not packet.is_discard
        key = meant and packet.is_keyframe and begins(packet, stream)
        stamps.append(Stamp(pts, dts, meant, not packet.is_corrupt, key))
        if orientation is None and len(stamps) <= FIRST_FRAME_PACKETS:
            given.append(decode(stream, packet))
            orientation = next(map(_orientation, given[-1][0]), None)
        if keep:
            held.append(packet)
    if orientation is None:
        # The decoder has given all it had, and is of no more use.
        orientation, keep = next(map(_orientation, decode(stream, None)[0]), None), False
    kept = [Reading(container, stream, held, given)] if keep else []
    return stamps, orientation or Orientation(), kept


def _keys(stamps: list[Stamp], rate: float, stamped: bool) -> tuple[Times, bool]:
    """Display times of packets in file order, and whether they tell B-frames apart."""
    if stamps and stamped and all(stamp.pts is not None for stamp in stamps):
        keys = np.array([stamp.pts for stamp in stamps], dtype=np.float64)
        return keys, bool(np.any(np.diff(keys) < 0))
    if stamps and all(stamp.dts is not None for stamp in stamps):
        return np.array([stamp.dts for stamp in stamps], dtype=np.float64), False
    return np.arange(len(stamps), dtype=np.float64) / rate, False


def _missing(container: InputContainer, stream: VideoStream, keys: Times, rate: float) -> float:
    """Seconds by which the packets end before the length that the header claims.

    Where the stream has no length of its own (Matroska), the file's counts if nothing else is in
    it: sound may be longer than pictures.
    """
    if stream.duration and stream.time_base:
        claimed = float(stream.duration * stream.time_base)
    elif container.duration and len(container.streams) == 1:
        claimed = container.duration / 1_000_000  # libav's AV_TIME_BASE
    else:
        return 0.0
    return max(0.0, claimed - float(keys.max() - keys.min()) - 1 / rate)


def _missing_packets(container: str, stream: VideoStream, stamps: list[Stamp]) -> int:
    """Packets that are cut, or listed and not there; only mp4 lists each one of its packets."""
    listed = stream.frames if "mp4" in container else 0
    return max(0, listed - len(stamps)) + sum(not stamp.whole for stamp in stamps)


def _orientation(frame: VideoFrame) -> Orientation:
    """Read the display matrix: where the picture's x and y axes point on the screen."""
    side_data: Any = frame.side_data  # iterates over its values, unlike what its stub says
    for data in side_data:
        if data.type.name != "DISPLAYMATRIX":
            continue
        # Rows (a b u)(c d v)(x y w): the picture's x axis goes to (a, b), its y axis to (c, d).
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
        degrees = math.degrees(math.atan2(b, a))
        return Orientation(round(degrees / 90) * 90 % 360, a * d - b * c < 0)
    return Orientation()

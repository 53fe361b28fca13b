"""Decode with PyAV only what the wanted frames need: the same pixels for less work.

Frames that no other frame is made of are not decoded unless they are wanted, and decoding starts
at the last key frame from which every wanted frame can be reached. That changes no pixel: what is
left out takes no part in what is wanted. Anything unforeseen (an error, a frame that has no time
stamp of its own, one that comes twice or not at all) is told as an error, and the caller decodes
in full. On Kinetics' H.264 1.2 to 1.4 times as fast as decoding everything, on files without such
frames equally fast. Runs in the decoder child.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.video.converter import Converter
from pipeline.video.keyframes import DISCARDING, referred
from pipeline.video.reading import reading
from pipeline.video.task import Run, Sink, Task

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from pipeline.video.probe import Scan

# Whose packets carry the times at which their frames are shown. AVI's are made up by the demuxer,
# and frames come with those of other packets.
STAMPED = ("mp4", "matroska")


def serves(scan: Scan) -> bool:
    """Whether a video's frames can be told by their times."""
    return any(name in scan.probe.container for name in STAMPED)


def run(fd: int, task: Task, sink: Sink) -> Run:
    """Decode and pass on the wanted frames; `errors` is not 0 where that cannot be trusted."""
    scan, wanted = task.scan, task.wanted
    sorter = _Sorter(wanted, Converter(task.steps), sink)
    with reading(fd, scan, task.max_pixels) as source:
        context: Any = source.stream.codec_context
        discarding = context.codec.canonical_name in DISCARDING
        for index, packet in source.packets(start(scan, min(wanted))):
            ordinal = int(scan.ranks[index])
            whole = not discarding or ordinal in wanted
            comes = whole or source.given(index) or referred(packet, source.stream)
            if not sorter.expect(packet.pts, ordinal, comes):
                return Run(sorter.frames, 1)
            if discarding:
                context.skip_frame = "DEFAULT" if whole else "NONREF"
            frames, error = source.decode(index, packet)
            if error or not sorter.take(frames):
                return Run(sorter.frames, 1)
            if index == task.last_packet:
                break
        frames, error = source.rest()
        if error or not sorter.take(frames):
            return Run(sorter.frames, 1)
    return Run(sorter.frames, 0 if sorter.complete else 1)


def start(scan: Scan, ordinal: int) -> int:
    """Return the packet in file order at which decoding may start for frames from `ordinal` on."""
    # file order    I0 P3 B1 B2 | I6 B4 B5 P9 ...    I6 is no start for 6: B4 and B5 come after it
    #               I0 P3 B1 B2 | I4 P7 B5 B6 ...    I4 is one for 4, 5, 6, ...
    ranks = scan.ranks
    meant = np.where(ranks < 0, np.iinfo(np.int64).max, ranks)
    lowest_after = np.minimum.accumulate(meant[::-1])[::-1]  # of this packet and all after it
    good = [at for at in scan.starts if ranks[at] == lowest_after[at] and ranks[at] <= ordinal]
    return max(good, default=0)


class _Sorter:
    """Knows frames by their time stamps, for the decoder gives fewer than it was given packets."""

    def __init__(self, wanted: frozenset[int], converter: Converter, sink: Sink) -> None:
        self._wanted, self._converter, self._sink = wanted, converter, sink
        self._ordinals: dict[int, int] = {}
        self._coming: set[int] = set(wanted)
        self._seen: set[int] = set()
        self.frames = 0

    @property
    def complete(self) -> bool:
        """Whether all came that had to: what is wanted, and what it may be made of."""
        return self._seen == self._coming

    def expect(self, pts: int | None, ordinal: int, comes: bool) -> bool:
        """Take note of a packet and whether its frame comes; False if its time is not its own."""
        if ordinal < 0:
            return True
        if pts is None or pts in self._ordinals:
            return False
        self._ordinals[pts] = ordinal
        if comes:
            self._coming.add(ordinal)
        return True

    def take(self, frames: list[VideoFrame]) -> bool:
        """Pass on what is wanted; False for a frame that is no packet's, or comes twice."""
        for frame in frames:
            ordinal = -1 if frame.pts is None else self._ordinals.get(frame.pts, -1)
            if ordinal < 0 or ordinal in self._seen:
                return False
            self._seen.add(ordinal)
            self.frames += 1
            if ordinal in self._wanted:
                self._sink(ordinal, self._converter(frame))
        return True

"""One way through a video: its packets in file order, and the decoder that they are given to.

The scan that counts a video's packets decodes its first frame too. Where the packets are few enough
to be kept in memory, decoding goes on from there: nothing is opened, read or decoded twice (a tenth
of the time of a short clip). Runs in the decoder child.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipeline.video.container import decode, open_container, packets, video_stream

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from pipeline.video.probe import Scan

KEPT_BYTES = 64 << 20

Given = tuple[list["VideoFrame"], int]  # the frames that came after a packet, and 1 for an error


class Reading:
    """Packets to decode once, in order; what the first ones gave may be known already."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        found: Iterable[Packet[VideoStream]],
        given: list[Given],
    ) -> None:
        self._container, self._found, self._given = container, found, given
        self.stream = stream

    def packets(self, first: int = 0) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Yield place in the file and packet, from the `first` on."""
        if first and self._given:
            self.stream.codec_context.flush_buffers()
            self._given = []
        for index, packet in enumerate(self._found):
            if index >= first:
                yield index, packet

    def given(self, index: int) -> bool:
        """Whether a packet has been decoded already."""
        return index < len(self._given)

    def decode(self, index: int, packet: Packet[VideoStream]) -> Given:
        """Return the frames that come out after this packet, and 1 for an error."""
        return self._given[index] if self.given(index) else decode(self.stream, packet)

    def rest(self) -> Given:
        """Return the frames that the decoder still holds, and 1 for an error."""
        return decode(self.stream, None)

    def close(self) -> None:
        """Let go of the file and of what is in memory."""
        self._container.close()


@contextlib.contextmanager
def reading(fd: int, scan: Scan, max_pixels: int) -> Iterator[Reading]:
    """Go on where the scan stopped, the first time and where it could; else begin anew."""
    if scan.kept:
        with contextlib.closing(scan.kept.pop()) as kept:
            yield kept
        return
    with open_container(fd, max_pixels) as container:
        stream = video_stream(container, max_pixels)
        yield Reading(container, stream, packets(container, stream), [])

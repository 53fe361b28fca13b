"""Decode with PyAV: the frames that are wanted go through libavfilter, the others only decode.

Costs little more than the decoding itself. Runs in the decoder child.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.video.container import decode, open_container, packets, video_stream
from pipeline.video.converter import Converter
from pipeline.video.task import Run, Sink, Task

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


def run(fd: int, task: Task, sink: Sink) -> Run:
    """Decode the packets in file order, then what the decoder still holds; pass on wanted ones."""
    count = errors = 0
    converter = Converter(task.steps)
    for frames, error in _decoded(fd, task.last_packet, task.max_pixels):
        errors += error
        for frame in frames:
            if count in task.wanted:
                sink(count, converter(frame))
            count += 1
    return Run(count, errors)


def survey(fd: int, max_pixels: int) -> tuple[list[float | None], int]:
    """Decode everything, convert nothing: the time of each frame that comes, and the errors."""
    times: list[float | None] = []
    errors = 0
    for frames, error in _decoded(fd, None, max_pixels):
        errors += error
        times.extend(frame.time if frame.pts is not None else None for frame in frames)
    return times, errors


def _decoded(
    fd: int, last_packet: int | None, max_pixels: int
) -> Iterator[tuple[list[VideoFrame], int]]:
    with open_container(fd, max_pixels) as container:
        stream = video_stream(container, max_pixels)
        for index, packet in enumerate(packets(container, stream)):
            yield decode(stream, packet)
            if index == last_packet:
                break
        yield decode(stream, None)

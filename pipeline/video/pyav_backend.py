"""Decode with PyAV: the frames that are wanted go through libavfilter, the others only decode.

Costs little more than the decoding itself. Runs in the decoder child.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from pipeline.video.container import decode, open_container, packets, video_stream
from pipeline.video.converter import Converter
from pipeline.video.reading import Given, reading
from pipeline.video.task import Run, Sink, Task


def run(fd: int, task: Task, sink: Sink) -> Run:
    """Decode the packets in file order, then what the decoder still holds; pass on wanted ones."""
    count = errors = 0
    converter = Converter(task.steps)
    for frames, error in _decoded(fd, task):
        errors += error
        for frame in frames:
            if count in task.wanted:
                sink(count, converter(frame))
            count += 1
    return Run(count, errors)


def _decoded(fd: int, task: Task) -> Iterator[Given]:
    with reading(fd, task.scan, task.max_pixels) as source:
        for index, packet in source.packets():
            yield source.decode(index, packet)
            if index == task.last_packet:
                break
        yield source.rest()


def survey(fd: int, max_pixels: int) -> tuple[list[float | None], int]:
    """Decode everything, convert nothing: the time of each frame that comes, and the errors."""
    times: list[float | None] = []
    errors = 0
    with open_container(fd, max_pixels) as container:
        stream = video_stream(container, max_pixels)
        for packet in itertools.chain(packets(container, stream), [None]):
            frames, error = decode(stream, packet)
            errors += error
            times.extend(frame.time if frame.pts is not None else None for frame in frames)
    return times, errors

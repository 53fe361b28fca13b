"""Decode with PyAV: the frames that are wanted go through libavfilter, the others only decode.

Costs little more than the decoding itself. Runs in the decoder child.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.video.container import decode, open_container, packets, video_stream
from pipeline.video.graph import Step
from pipeline.video.probe import Scan

if TYPE_CHECKING:
    from av.filter.graph import Graph
    from av.video.frame import VideoFrame

Picture = NDArray[np.uint8]
Sink = Callable[[int, Picture], None]


class Run(NamedTuple):
    """What the decoder gave: frames, and packets it refused."""

    frames: int
    errors: int


@dataclass(frozen=True, slots=True)
class Task:
    """What a backend is to do: which frames, up to which packet (None: all), through what."""

    scan: Scan
    wanted: frozenset[int]
    last_packet: int | None
    steps: tuple[Step, ...]
    shape: tuple[int, int, int]
    max_pixels: int


def run(fd: int, task: Task, sink: Sink) -> Run:
    """Decode the packets in file order, then what the decoder still holds; pass on wanted ones."""
    count = errors = 0
    converter = _Converter(task.steps)
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


class _Converter:
    """The filter graph, built again whenever what comes in has another shape or meaning."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps
        self._key: tuple[object, ...] = ()
        self._graph: Graph | None = None

    def __call__(self, frame: VideoFrame) -> Picture:
        key = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if self._graph is None or key != self._key:
            self._graph, self._key = _graph(frame, self._steps), key
        self._graph.vpush(frame)
        picture = self._graph.vpull().to_ndarray()
        assert picture.dtype == np.uint8
        return picture.view(np.uint8)


def _graph(frame: VideoFrame, steps: tuple[Step, ...]) -> Graph:
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base="1/1000",
        pixel_aspect="1/1",
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    filters = [graph.add(step.name, **step.options) for step in steps]
    graph.link_nodes(source, *filters, graph.add("buffersink"))
    graph.configure()
    return graph

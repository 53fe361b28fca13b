"""From a decoded frame to a stored picture, through libavfilter; for what PyAV decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.video.graph import Step

if TYPE_CHECKING:
    from av.filter.graph import Graph
    from av.video.frame import VideoFrame

Picture = NDArray[np.uint8]


class Converter:
    """The filter graph, built again whenever what comes in has another shape or meaning."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps
        self._key: tuple[object, ...] = ()
        self._graph: Graph | None = None

    def __call__(self, frame: VideoFrame) -> Picture:
        """Return the picture that the filters make of a frame, (H, W, 3)."""
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

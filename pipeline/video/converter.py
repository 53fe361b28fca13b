"""From a decoded frame to a stored picture, through libavfilter; for what PyAV decodes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.video.graph import Step

if TYPE_CHECKING:
    from av.filter.graph import Graph
    from av.video.frame import VideoFrame

Picture = NDArray[np.uint8]


KEPT_GRAPHS = 4
# Built in 0.6 ms, a twentieth of a short clip's time, and most clips of a set are of one size.
_graphs: OrderedDict[tuple[object, ...], Graph] = OrderedDict()


class Converter:
    """Filter graphs, one for each shape and meaning of what comes in; kept for later videos."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps, self._written = steps, repr(steps)

    def __call__(self, frame: VideoFrame) -> Picture:
        """Return the picture that the filters make of a frame, (H, W, 3)."""
        kind = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        key = (self._written, *kind)
        # Out of the store while it works: one that failed is not used again.
        graph = _graphs.pop(key, None) or _graph(frame, self._steps)
        graph.vpush(frame)
        picture = graph.vpull().to_ndarray()
        _graphs[key] = graph
        if len(_graphs) > KEPT_GRAPHS:
            _graphs.popitem(last=False)
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

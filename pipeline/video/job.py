"""One video's way through the child: scan, plan, decode, and judge what came of it.

PyAV decodes only what the wanted frames need (lean.py) where that can be trusted. For all else,
damaged files too, this is the rule:
1. Packets are counted, the frames to take are planned on that count, and packets are decoded up to
   the last one that a wanted frame needs. If each gave its frame without an error, that is it.
2. If not, it is PyAV that looks again and decides, whichever backend was chosen: two versions of
   libav need not conceal damage alike. It decodes the whole file to learn which frames really
   come. A decoder that complains of nothing may give half of the packets (fields, hidden
   reference frames); one that complains must still give nine in ten, or the video is CORRUPT. The
   plan is then made again on the frames that come, at their own times, and the loss stands in the
   result, as does the backend that made the pixels.
Pictures that libav itself calls damaged are lost ones (`err_detect=explode`). What follows a lost
frame may still show its traces until the next key frame: `errors` says that it may.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manifests.reasons import Reason
from manifests.spec import ClipSpec
from pipeline.video import ffmpeg_backend, lean, pyav_backend
from pipeline.video.converter import Picture
from pipeline.video.errors import VideoError
from pipeline.video.frames import Ordinals, Selection, Times, select_views
from pipeline.video.graph import chain
from pipeline.video.probe import Probe, Scan, scan
from pipeline.video.task import Run, Sink, Task

QUIET_SHARE = 0.5
DAMAGED_SHARE = 0.9

Backend = Callable[[int, Task, Sink], Run]
BACKENDS: dict[str, Backend] = {
    "lean": lean.run,
    "pyav": pyav_backend.run,
    "ffmpeg": ffmpeg_backend.run,
}
# What is tried before a video counts as damaged.
WAYS = {"pyav": ("lean", "pyav"), "ffmpeg": ("ffmpeg", "lean", "pyav")}


@dataclass(frozen=True, slots=True)
class Order:
    """What one decode is asked to do."""

    spec: ClipSpec
    start_s: float | None
    end_s: float | None
    backend: str
    max_pixels: int
    views: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of it; the pixels are in the buffer that was given."""

    probe: Probe
    selections: list[Selection]  # one a view
    frames_decoded: int
    packets: int
    errors: int
    backend: str


class Pass(NamedTuple):
    """One run over the file: by whom, and up to which packet (None: all)."""

    backend: str
    last_packet: int | None


def perform(fd: int, order: Order, pixels: NDArray[np.uint8]) -> Result:
    """Decode one clip into `pixels` (views, T, H, W, 3), in one pass over the file.

    Every frame of it is written, or it raises.
    """
    with contextlib.closing(scan(fd, order.max_pixels)) as found:
        return _perform(fd, found, order, pixels)


def _perform(fd: int, found: Scan, order: Order, pixels: NDArray[np.uint8]) -> Result:
    selections = _select(found.probe.times, order)
    indices = _indices(selections)
    last = found.last_packet(int(indices.max()))
    clean = Run(found.frames_until(last), 0)
    # Damage in what is not needed is none, whichever backend meets it.
    for way in [way for way in WAYS[order.backend] if way != "lean" or lean.serves(found)]:
        run = _decode(fd, found, order, indices, Pass(way, last), pixels)
        if run == clean or (way == "lean" and not run.errors):
            by = "ffmpeg" if way == "ffmpeg" else "pyav"
            return Result(found.probe, selections, clean.frames, clean.frames, 0, by)
    return _second_look(fd, found, order, pixels)


def _second_look(fd: int, found: Scan, order: Order, pixels: NDArray[np.uint8]) -> Result:
    times, errors = pyav_backend.survey(fd, order.max_pixels)
    packets = found.probe.packets
    share = DAMAGED_SHARE if errors else QUIET_SHARE
    if not times or len(times) < share * packets:
        raise VideoError(
            Reason.CORRUPT,
            f"{len(times)} frames came of {packets} packets, with {errors} errors; "
            f"expected at least {share:.0%}",
        )
    known = _true_times(times, found.probe)
    selections = _select(known, order)
    run = _decode(fd, found, order, _indices(selections), Pass("pyav", None), pixels)
    if run.frames != len(times):
        raise VideoError(
            Reason.CORRUPT, f"{run.frames} frames the second time, {len(times)} the first"
        )
    return Result(found.probe, selections, len(times), packets, errors, "pyav")


def _select(times: Times, order: Order) -> list[Selection]:
    return select_views(times, order.spec, order.start_s, order.end_s, order.views)


def _indices(selections: list[Selection]) -> Ordinals:
    """Ordinals of all views, one view after the other."""
    return np.concatenate([selection.indices for selection in selections])


def _decode(
    fd: int,
    found: Scan,
    order: Order,
    indices: Ordinals,
    by: Pass,
    pixels: NDArray[np.uint8],
) -> Run:
    places: dict[int, list[int]] = {}
    for place, ordinal in enumerate(indices.tolist()):
        places.setdefault(ordinal, []).append(place)
    frames = pixels.reshape(-1, *order.spec.shape[1:])  # those of all views, one after the other
    written: set[int] = set()

    def sink(ordinal: int, picture: Picture) -> None:
        frames[places[ordinal]] = picture
        written.add(ordinal)

    task = Task(
        scan=found,
        wanted=frozenset(places),
        last_packet=by.last_packet,
        steps=chain(found.orientation, order.spec),
        shape=order.spec.shape[1:],
        max_pixels=order.max_pixels,
    )
    run = BACKENDS[by.backend](fd, task, sink)
    if written != task.wanted and run.frames > max(places) and by.backend == "pyav":
        raise VideoError(Reason.CORRUPT, f"{len(places) - len(written)} frames cannot be converted")
    # A frame that was decoded but never arrived is none: what was in its place would stay there.
    return run if written == task.wanted else Run(run.frames, max(run.errors, 1))


def _true_times(times: list[float | None], probe: Probe) -> Times:
    """Seconds of the frames that came; from the packets where frames carry no usable ones (AVI)."""
    stamped = np.array([np.nan if time is None else time for time in times], dtype=np.float64)
    if not np.isnan(stamped).any() and bool(np.all(np.diff(stamped) >= 0)):
        return stamped - stamped[0]
    packets = probe.times
    place = np.arange(len(times)) * len(packets) // len(times)
    return packets[place]

"""Which frames of a video make a clip: times + ClipSpec + span + view -> ordinals as displayed.

Pure numpy, microseconds, no file is touched. Seconds count from the first frame of the video.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.reasons import Reason
from manifests.spec import ClipSpec
from pipeline.video.errors import VideoError

Times = NDArray[np.float64]
Ordinals = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Selection:
    """The frames to take, and what had to be done to find them.

    `stride` is the one really used (None unless the sampling is `stride`); `mirrored` says that
    the span has fewer frames than were asked for and is played to and fro.
    """

    indices: Ordinals
    stride: int | None
    mirrored: bool


@dataclass(frozen=True, slots=True)
class View:
    """The `number`-th (from 0) of `of` windows over one span."""

    number: int = 0
    of: int = 1

    def place(self, room: int) -> int:
        """Return where its window starts of the places 0 to `room`: the only one in the middle."""
        if self.of == 1:
            return room // 2
        steps = self.of - 1
        return (2 * self.number * room + steps) // (2 * steps)

    @property
    def share(self) -> float:
        """Where its window starts as a share of the room: the first at 0, the last at 1."""
        return 0.5 if self.of == 1 else self.number / (self.of - 1)


ONLY = View()


def select_views(
    times: Times, spec: ClipSpec, start_s: float | None, end_s: float | None, views: int
) -> list[Selection]:
    """Return the windows of a clip in time order; a clip that must be mirrored has equal ones."""
    return [select(times, spec, start_s, end_s, View(number, views)) for number in range(views)]


def select(
    times: Times,
    spec: ClipSpec,
    start_s: float | None = None,
    end_s: float | None = None,
    view: View = ONLY,
) -> Selection:
    """Return `spec.frames` ordinals into `times`, all of them with start_s <= time < end_s.

    Of several views the windows are spread evenly from the first place where one fits to the
    last; with uniform sampling each takes another moment of every part.

    Raises:
        VideoError: NO_FRAMES for an empty video, OUTSIDE_SPAN for a span that holds no frame.
    """
    if len(times) == 0:
        raise VideoError(Reason.NO_FRAMES, "the video stream has no packets")
    low = 0 if start_s is None else int(np.searchsorted(times, start_s, "left"))
    high = len(times) if end_s is None else int(np.searchsorted(times, end_s, "left"))
    if low >= high:
        raise VideoError(
            Reason.OUTSIDE_SPAN,
            f"no frame with {start_s} <= t < {end_s} s; the frames run from 0 to {times[-1]:.3f} s",
        )
    local = _SAMPLINGS[spec.sampling](times[low:high], spec, view)
    return Selection(local.indices + low, local.stride, local.mirrored)


def _stride(times: Times, spec: ClipSpec, view: View) -> Selection:
    # Cells of `stride` frames, the middle one of each is taken, an only window is centred.
    # n = 14, 3 frames, stride 4:   .|ooXo|ooXo|ooXo|.   starts at (14 - 12) // 2, middle 4 // 2
    # of two views    |ooXo|ooXo|ooXo|..    and    ..|ooXo|ooXo|ooXo|
    # With n = 12 the same frames as uniform sampling would take: 2, 6, 10.
    count, frames = len(times), spec.frames
    if count < frames:
        return Selection(_mirror(count, frames), 1, True)
    stride = min(int(spec.rate), count // frames)
    first = view.place(count - frames * stride) + stride // 2
    return Selection(first + stride * np.arange(frames, dtype=np.int64), stride, False)


def _fps(times: Times, spec: ClipSpec, view: View) -> Selection:
    # Instants one period apart, each in the middle of its cell, an only window is centred. Each
    # takes the last frame shown by then, whatever the distance between frames:
    #   frames    0   1       2 3   4      5
    #   instants    |   |   |   |   |        -> 0 1 1 3 4
    # A span shorter than the window is divided evenly; with too few frames it is mirrored.
    count, frames = len(times), spec.frames
    shown = float(times[-1] - times[0]) + _period(times)
    period = 1.0 / spec.rate
    if shown < frames * period:
        if count < frames:
            return Selection(_mirror(count, frames), None, True)
        period = shown / frames
    first = float(times[0]) + (shown - frames * period) * view.share
    instants = first + period * (np.arange(frames) + 0.5)
    taken = np.searchsorted(times, instants, "right") - 1
    return Selection(np.clip(taken, 0, count - 1).astype(np.int64), None, False)


def _uniform(times: Times, spec: ClipSpec, view: View) -> Selection:
    # The middle of each of `frames` equal parts, in whole numbers: floor((k + 0.5) * n / frames).
    # Of several views the v-th takes the middle of the v-th share of each part.
    part = 2 * (np.arange(spec.frames, dtype=np.int64) * view.of + view.number) + 1
    return Selection(part * len(times) // (2 * view.of * spec.frames), None, False)


_SAMPLINGS: dict[str, Callable[[Times, ClipSpec, View], Selection]] = {
    "stride": _stride,
    "fps": _fps,
    "uniform": _uniform,
}


def _mirror(count: int, frames: int) -> Ordinals:
    # To and fro without showing the turning frame twice; count = 4:  0 1 2 3 2 1 0 1 2 3 2 ...
    turn = max(2 * (count - 1), 1)
    step = np.arange(frames, dtype=np.int64) % turn
    return np.minimum(step, turn - step) if count > 1 else np.zeros(frames, np.int64)


def _period(times: Times) -> float:
    """Time for which a frame is shown, by the median: one long gap says nothing about the last."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0

"""Decode videos in a child process that has limits: what the rest of clipmill uses.

The first call starts the child (about 0.2 s); a call then costs what the decoding costs, plus one
copy of the pixels. A video that kills, hangs or bloats the child costs that video alone.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from manifests.errors import ClipmillError, unknown
from manifests.reasons import Reason
from manifests.spec import ClipSpec
from pipeline.video.errors import VideoError
from pipeline.video.files import opened, shared_memory
from pipeline.video.probe import Probe
from pipeline.video.process import Child, KilledAtStartError

T = TypeVar("T")
Backend = Literal["pyav", "ffmpeg"]
BACKENDS = ("pyav", "ffmpeg")
# What a child may say of a video: it may have been taken over by one, so nothing is believed.
FACTS = {
    "container": "text",
    "codec": "text",
    "width": "number",
    "height": "number",
    "fps": "real or null",
    "duration_s": "real",
    "rotation": "number",
    "flipped": "truth",
    "packets": "number",
    "size": "size",
    "missing_s": "real",
    "missing_packets": "number",
}
COUNTS = {
    "stride": "number or null",
    "mirrored": "truth",
    "frames_decoded": "number",
    "packets": "number",
    "errors": "number",
    "backend": "text",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one video may cost: seconds of wall time, bytes of address space, pixels a frame."""

    seconds: float = 60.0
    memory_bytes: int = 4 << 30
    pixels: int = 8192 * 4352

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_bytes", "pixels"):
            if not 0 < getattr(self, name) < math.inf:
                raise ClipmillError(f"limit {name} is {getattr(self, name)}; expected above 0.")


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """One clip. `pixels` (T, H, W, 3) uint8 is the caller's own copy.

    `packets` are those up to the last frame that is wanted; `frames_decoded` of them gave their
    frame, or were left out because nothing wanted is made of it. `errors` above 0 says
    that frames were lost and that what follows a loss may show its traces. `indices` are ordinals
    in display order of the frames that come. `backend` made the pixels: PyAV's second look, where
    the ffmpeg that was asked met damage.
    """

    pixels: NDArray[np.uint8]
    indices: NDArray[np.int64]
    stride: int | None
    mirrored: bool
    frames_decoded: int
    packets: int
    errors: int
    rotation: int
    flipped: bool
    fps: float | None
    duration_s: float
    width: int
    height: int
    codec: str
    backend: str


class Decoder:
    """A decoder child and the way to ask it. For one thread at a time; use it in a `with` block.

    The thread that makes the first call must outlive the decoder: on Linux the child dies with
    the thread that started it (and is then started again by the next call).
    """

    def __init__(self, limits: Limits | None = None, backend: Backend = "pyav") -> None:
        if backend not in BACKENDS:
            raise unknown("decoder backend", str(backend), BACKENDS)
        self.limits = limits or Limits()
        self.backend = backend
        self._child: Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child; nothing of it is left when this returns. Another call starts a new one."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def versions(self) -> dict[str, str]:
        """Versions of everything that may change a pixel, for the outcome rows."""
        return dict(self._running().versions)

    def probe(self, path: str | os.PathLike[str]) -> Probe:
        """Count the packets and read the facts; a frame's worth of decoding, not the video's.

        Raises:
            VideoError: with the reason why it is no video that can be used.
        """
        with opened(path) as fd:
            reply = self._ask({"verb": "probe"}, [fd])
        return self._understood(lambda: _probe(reply))

    def decode(
        self,
        path: str | os.PathLike[str],
        spec: ClipSpec,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> Decoded:
        """Decode one clip; the span is in seconds from the file's first frame, None the whole.

        Raises:
            VideoError: with the reason why there is no clip; the decoder stays usable.
        """
        return self.decode_views(path, spec, start_s, end_s, 1)[0]

    def decode_views(
        self,
        path: str | os.PathLike[str],
        spec: ClipSpec,
        start_s: float | None,
        end_s: float | None,
        views: int,
    ) -> list[Decoded]:
        """Decode several windows of one clip in one pass over the file (see frames.py).

        Raises:
            VideoError: with the reason why there is no clip; the decoder stays usable.
        """
        message = {
            "verb": "decode",
            "spec": spec.as_dict(),
            "start_s": start_s,
            "end_s": end_s,
            "backend": self.backend,
            "views": views,
        }
        size = views * spec.nbytes
        with opened(path) as fd, shared_memory(size) as memory_fd:
            reply = self._ask(message, [fd, memory_fd])
            with mmap.mmap(memory_fd, size, access=mmap.ACCESS_READ) as memory:
                pixels = np.frombuffer(bytearray(memory), np.uint8).reshape(views, *spec.shape)
        return self._understood(lambda: _decoded(reply, pixels))

    def _understood(self, read: Callable[[], T]) -> T:
        """Read a reply; where it keeps to no form, the child is ended and the video has crashed it.

        Raises:
            VideoError: CRASH.
        """
        try:
            return read()
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            self.close()
            text = ascii(error)[:200]
            raise VideoError(
                Reason.CRASH, f"the decoder process gave an answer without form: {text}"
            ) from error

    def _ask(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        seconds = self.limits.seconds
        message |= {"seconds": seconds, "max_pixels": self.limits.pixels}
        return self._running().ask(message, fds, seconds)

    def _running(self) -> Child:
        if self._child is None or not self._child.alive():
            self.close()
            self._child = self._started()
        return self._child

    def _started(self) -> Child:
        """Start a child; one that is killed meanwhile is started once more.

        Raises:
            StoppedError: both were killed.
            ClipmillError: it cannot start here.
        """
        needs = self.limits.memory_bytes, self.backend == "ffmpeg"
        try:
            return Child(*needs)
        except KilledAtStartError:
            return Child(*needs)


def _probe(reply: dict[str, Any]) -> Probe:
    values = reply["probe"]
    facts = {name: _value(values, name, kind) for name, kind in FACTS.items()}
    return Probe(**facts, times=_row(values["times"], np.float64))


def _decoded(reply: dict[str, Any], pixels: NDArray[np.uint8]) -> list[Decoded]:
    names = ("rotation", "flipped", "fps", "duration_s", "width", "height", "codec")
    facts = {name: _value(reply, name, kind) for name, kind in COUNTS.items()}
    facts |= {name: _value(reply["probe"], name, FACTS[name]) for name in names}
    indices = _row(reply["indices"], np.int64).reshape(pixels.shape[:2])
    return [
        Decoded(pixels=mine, indices=of, **facts) for mine, of in zip(pixels, indices, strict=True)
    ]


def _row(values: Any, kind: Any) -> NDArray[Any]:
    """A flat list of finite numbers as an array."""
    found = np.array(values)
    if not isinstance(values, list) or found.ndim != 1 or (values and found.dtype.kind not in "if"):
        raise ValueError("no list of numbers")
    if not np.isfinite(found).all():
        raise ValueError("a number that is not finite")
    return found.astype(kind, casting="same_kind" if values else "unsafe")


def _value(values: dict[str, Any], name: str, kind: str) -> Any:
    """One value of a reply, if it is what stands in such a place and in the tables."""
    value, what = values[name], kind.removesuffix(" or null")
    if value is None and what != kind:
        return None
    if what == "text":
        fits = isinstance(value, str) and len(value) <= 200 and not _surrogates(value)
    elif what == "truth":
        fits = isinstance(value, bool)
    elif what == "real":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number and math.isfinite(float(value or 0))
    else:
        fits = type(value) is int and abs(value) < 1 << (63 if what == "size" else 31)
    if not fits:
        raise ValueError(f"{name} is no {what}")
    return value


def _surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)

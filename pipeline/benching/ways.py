"""The ways from a video file to a clip that `clipmill bench decode` compares.

Each counts the frames in its own way, takes those that the ClipSpec asks for, on one thread, and
crops what it has scaled; what it costs is what is measured.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from manifests.spec import ClipSpec
from pipeline.benching import peers
from pipeline.benching.layout import Pixels, Way, corner, laid_out, places_of, scaled, steady

if TYPE_CHECKING:
    from av.container import InputContainer

FLAGS = "area+accurate_rnd+full_chroma_int+bitexact"


def clipmill(path: Path, spec: ClipSpec) -> Pixels:
    """Decode as `clipmill pack` does, in the decoder child."""
    return _by_child(path, spec, "pyav")


def clipmill_ffmpeg(path: Path, spec: ClipSpec) -> Pixels:
    """Decode as `clipmill pack --decoder ffmpeg` does."""
    return _by_child(path, spec, "ffmpeg")


def _by_child(path: Path, spec: ClipSpec, backend: Any) -> Pixels:
    from pipeline.video.decoder import Limits
    from pipeline.worker import decoder

    return decoder(backend, Limits()).decode(path, spec).pixels


def pyav_decoding_only(path: Path, spec: ClipSpec) -> Pixels:
    """Decode every frame and convert none: what a decoder costs by itself; gives no pixels."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass
    return np.empty(0, np.uint8)


def pyav_everything(path: Path, spec: ClipSpec) -> Pixels:
    """Count the packets, decode every frame, convert the wanted ones by libavfilter.

    Raises:
        ValueError: no video, one to be turned (each library has its own way there), or fewer
            frames come than there are packets: which ones is not told.
    """
    import av
    from av.codec.context import Flags
    from av.filter import Graph

    times = _times(path)
    places = places_of(times, spec)
    clip = np.empty(spec.shape, np.uint8)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context: Any = stream.codec_context
        context.thread_count = 1
        context.flags |= int(Flags.bitexact)
        graph: Any = None
        number = -1
        for number, frame in enumerate(container.decode(stream)):
            if frame.rotation:
                raise ValueError(f"to be turned by {frame.rotation} degrees")
            if number not in places:
                continue
            if graph is None:
                graph = Graph()
                graph.threads = 1
                filters = [graph.add_buffer(template=stream)]
                filters += [graph.add(name, text) for name, text in _filters(frame, spec)]
                graph.link_nodes(*filters, graph.add("buffersink")).configure()
            graph.vpush(frame)
            clip[places[number]] = graph.vpull().to_ndarray()
    if number + 1 != len(times):
        raise ValueError(f"{number + 1} frames came of {len(times)} packets")
    return clip


def ffmpeg_python(path: Path, spec: ClipSpec) -> Pixels:
    """Count by PyAV, select, scale and crop in a process of ffmpeg, read its pipe."""
    import av
    import ffmpeg
    import imageio_ffmpeg

    with av.open(str(path)) as container:
        video = container.streams.video[0]
        width, height = video.codec_context.width, video.codec_context.height
        times = _times_in(container)
    wanted = sorted(places := places_of(times, spec))
    high, wide = scaled(height, width, spec)
    stream = (
        ffmpeg.input(str(path), threads=1, flags="+bitexact")
        .filter("select", "+".join(f"eq(n,{number})" for number in wanted))
        .filter("scale", wide, high, flags=FLAGS)
        .filter("crop", spec.width, spec.height, *corner(high, wide, spec))
        .output("pipe:", format="rawvideo", pix_fmt="rgb24", fps_mode="passthrough")
        .global_args("-filter_complex_threads", "1", "-loglevel", "error")
    )
    command = ffmpeg.compile(stream, cmd=imageio_ffmpeg.get_ffmpeg_exe())
    output = subprocess.run(command, check=True, capture_output=True).stdout
    frames = np.frombuffer(output, np.uint8).reshape(-1, *spec.shape[1:])
    return laid_out(frames, wanted, places, spec)


def _times(path: Path) -> NDArray[np.float64]:
    import av

    with av.open(str(path)) as container:
        return _times_in(container)


def _times_in(container: InputContainer) -> NDArray[np.float64]:
    """Return the seconds of a video's frames, in the order in which they are shown."""
    if not container.streams.video:
        raise ValueError("no video stream")
    stream = container.streams.video[0]
    stamps = [packet.pts for packet in container.demux(stream) if packet.size > 0]
    known = sorted(stamp for stamp in stamps if stamp is not None)
    if len(known) < len(stamps) or not stream.time_base or container.format.name == "avi":
        return steady(len(stamps), float(stream.average_rate or 0))
    ticks, per = stream.time_base.as_integer_ratio()
    times = np.array(known, np.float64) * ticks / per  # rounded as clipmill does: frames may tie
    return times - times[:1]


def _filters(frame: Any, spec: ClipSpec) -> list[tuple[str, str]]:
    high, wide = scaled(frame.height, frame.width, spec)
    return [
        ("scale", f"{wide}:{high}:flags={FLAGS}"),
        ("format", "rgb24"),
        ("crop", ":".join(map(str, (spec.width, spec.height, *corner(high, wide, spec))))),
    ]


YARDSTICK = "PyAV, decoding only"
REFERENCE = "PyAV, everything"
MINE = "clipmill"
# With each the module that it needs and clipmill does not bring.
WAYS: dict[str, tuple[Way, str | None]] = {
    MINE: (clipmill, None),
    "clipmill, ffmpeg": (clipmill_ffmpeg, None),
    YARDSTICK: (pyav_decoding_only, None),
    REFERENCE: (pyav_everything, None),
    "ffmpeg-python": (ffmpeg_python, None),
    "OpenCV": (peers.opencv, "cv2"),
    "decord": (peers.decord, "decord"),
    "torchcodec": (peers.torchcodec, "torchcodec.decoders"),
    "JPEG files": (peers.jpeg_files, "cv2"),
}

"""Lay a picture over a whole video and encode it as an .mp4 that every player shows.

Costs a decode and an encode of the video (a few times faster than it plays on one core). ffmpeg
reads the video as an open descriptor with the same lists of formats and protocols as decoding,
in a process with the same bounds on memory, and with bounds on CPU time and the file it writes.
"""

from __future__ import annotations

import functools
import math
import os
import signal
import subprocess
from pathlib import Path

import xxhash

from manifests import disk
from manifests.reasons import Reason
from pipeline.video.container import FORMATS, PROTOCOLS
from pipeline.video.decoder import Limits
from pipeline.video.errors import VideoError
from pipeline.video.files import opened, shared_memory
from pipeline.video.limits import confine
from pipeline.video.probe import Probe

LEAST_WIDTH = 480  # pixels: a small video is enlarged so that words on it can be read
MOST_HEIGHT = 4096  # pixels: no narrow video is enlarged beyond this
MOST_BYTES = 4 << 30  # of the file that is written
THREADS = 4  # of each codec: every further one costs address space


def shown_size(probe: Probe) -> tuple[int, int]:
    """Return the even (width, height) in which a video is shown: upright, enlarged if small."""
    turned = probe.rotation % 180 == 90
    width, height = (probe.height, probe.width) if turned else (probe.width, probe.height)
    scale = max(1.0, min(LEAST_WIDTH / width, MOST_HEIGHT / height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def overlay(
    video: Path,
    size: tuple[int, int],
    picture: bytes,
    picture_height: int,
    out: Path,
    limits: Limits,
) -> None:
    """Write `video` at `size` (width, height) to `out`, with RGBA rows `picture` on its top edge.

    Raises:
        VideoError: ffmpeg could not read or finish it; nothing is left at `out`.
    """
    # Short, and absolute: ffmpeg would take what stands before a colon for a protocol.
    name = xxhash.xxh3_64_hexdigest(os.fsencode(out.name))
    temporary = out.absolute().with_name(f".{name}.part.mp4")
    try:
        with opened(video) as fd, shared_memory(len(picture)) as picture_fd:
            os.pwrite(picture_fd, picture, 0)
            arguments = _command(fd, picture_fd, size, picture_height, temporary, limits)
            _run(arguments, (fd, picture_fd), limits)
        _sync(temporary)
        disk.rename(temporary, out)
        disk.sync_folder(temporary.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _command(
    fd: int,
    picture_fd: int,
    size: tuple[int, int],
    picture_height: int,
    out: Path,
    limits: Limits,
) -> list[str]:
    import ffmpeg
    import imageio_ffmpeg

    width, height = size
    base = ffmpeg.input(
        "fd:",
        fd=str(fd),
        protocol_whitelist=PROTOCOLS,
        format_whitelist=FORMATS,
        max_pixels=str(limits.pixels),
        threads=THREADS,
    )
    top = ffmpeg.input(
        "fd:",
        fd=str(picture_fd),
        format="rawvideo",
        pixel_format="rgba",
        video_size=(width, picture_height),
        protocol_whitelist=PROTOCOLS,
    )
    drawn = (
        base.video.filter("scale", width, height)
        .filter("setsar", 1)
        .overlay(top, eof_action="repeat")
    )
    stream = ffmpeg.output(
        drawn,
        str(out),
        vcodec="libx264",
        pix_fmt="yuv420p",
        crf=20,
        preset="veryfast",
        threads=THREADS,
        movflags="+faststart",
        map_metadata=-1,
    ).global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y")
    return [str(part) for part in ffmpeg.compile(stream, cmd=imageio_ffmpeg.get_ffmpeg_exe())]


def _run(arguments: list[str], fds: tuple[int, ...], limits: Limits) -> None:
    seconds = limits.seconds * 10
    memory_bytes = limits.memory_bytes * 2  # for a decoder and an encoder: 8K frames need it
    # The limit on CPU time ends what the deadline cannot: an ffmpeg whose parent is stopped.
    cpu_seconds = math.ceil(seconds * 2 * THREADS) + 1
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=fds,
            timeout=seconds,
            # Without this, malloc reserves 64 MiB of address space for every thread.
            env=os.environ | {"MALLOC_ARENA_MAX": "2"},
            preexec_fn=functools.partial(confine, memory_bytes, MOST_BYTES, cpu_seconds),
        )
    except subprocess.TimeoutExpired as error:
        raise VideoError(Reason.TIMEOUT, f"drawing took more than {seconds:.0f} s") from error
    if done.returncode == -signal.SIGXFSZ:
        raise VideoError(Reason.TOO_LARGE, f"drawn, it has more than {MOST_BYTES} bytes")
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()
        lines = text.splitlines()
        short = "Cannot allocate memory" in text or "malloc" in text
        raise VideoError(
            Reason.MEMORY if short else Reason.UNREADABLE,
            lines[-1] if lines else f"exit {done.returncode}",
        )


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        disk.sync(fd)
    finally:
        os.close(fd)

"""One piece of a video by its web address: ffmpeg copies the packets that a span needs.

Nothing is encoded anew: the piece begins at the key frame before the span. Where that stands in
the video comes from the time stamps, which ffmpeg writes down in the same run, so that the frames
of a clip are those that the whole file gives. yt-dlp's own cut hides the frames before the span
behind an edit list, which loses where the first shown one stood; it reports a connection that
broke as success, prints to the terminal, and cannot be stopped. Costs what the span's bytes cost,
with the video's index and up to some seconds before the span.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pipeline.fetch.errors import FetchError
from pipeline.fetch.source import Tools

# ffmpeg's line on the video stream; it leaves a start of 0 out.
_VIDEO = re.compile(r"Stream #0:\d+.*?: Video: (?!.*attached pic).*")
_START = re.compile(r", start (-?[\d.]+)")
_PROTOCOLS = "http,https,tcp,tls,crypto,httpproxy"
_FORMATS = "mov,mp4,matroska,webm,mpegts,hls"
# Time from 0, and every packet shown: no edit list in mp4, no long silence before Matroska's first.
_FROM_ZERO = ("-bsf:v", "setts=pts=PTS-STARTDTS:dts=DTS-STARTDTS")
_MUXERS: Mapping[str, tuple[str, ...]] = {
    "mp4": ("-f", "mp4", "-use_editlist", "0"),
    "webm": ("-f", "webm", *_FROM_ZERO),
    "mkv": ("-f", "matroska", *_FROM_ZERO),
}
LOOK_S = 0.1
MOST_S = 3600.0
# A start told a little late shifts a clip's span a little back: what stands exactly on its edges
# stays on its side of them through rounding. Less than any clock tick of a video.
LATE_S = 4e-6
SHORT_S = 0.5


@dataclass(frozen=True, slots=True)
class Cut:
    """What to cut: an address with its headers (and cookies, name to header line), and seconds."""

    url: str
    headers: Mapping[str, str]
    cookies: str
    start_s: float
    end_s: float
    extension: str


def extension_for(extension: str) -> str:
    """Return the extension of pieces of such a file."""
    if extension in ("mp4", "m4v", "mov", "3gp"):
        return "mp4"
    return "webm" if extension == "webm" else "mkv"


def arguments(ffmpeg: str, cut: Cut, out: Path, retries: int, stall_s: float) -> list[str]:
    """Return ffmpeg's command line: the piece to `out`, its time stamps to standard output."""
    every = ["-map", "0:V:0", "-c", "copy"]
    heads = "".join(f"{name}: {value}\r\n" for name, value in cut.headers.items())
    return [
        *(ffmpeg, "-nostdin", "-hide_banner", "-nostats", "-loglevel", "info", "-y", "-copyts"),
        *("-protocol_whitelist", _PROTOCOLS, "-format_whitelist", _FORMATS),
        # A line that drops is taken up by Range; one that is dead ends the process.
        *("-rw_timeout", str(int(stall_s * 1e6)), "-reconnect", "1"),
        *("-reconnect_on_network_error", "1", "-reconnect_on_http_error", "5xx"),
        *("-reconnect_max_retries", str(retries), "-reconnect_delay_max", "10"),
        *(("-cookies", cut.cookies) if cut.cookies else ()),
        *(("-headers", heads) if heads else ()),
        *("-ss", f"{cut.start_s:.6f}", "-t", f"{cut.end_s - cut.start_s:.6f}", "-i", cut.url),
        *(*every, *_MUXERS[cut.extension], str(out)),
        # When we are killed, the broken pipe ends ffmpeg with its next packet.
        *(*every, "-f", "framecrc", "-"),
    ]


def run(ffmpeg: str, cut: Cut, out: Path, tools: Tools, least_s: float) -> float:
    """Bring a piece to `out`; return where in the video its first picture stands, in seconds.

    A piece whose pictures end before `least_s` of the video is not whole.

    Raises:
        FetchError: ffmpeg fails, hangs, or too little came.
        StoppedError: the disk would run full.
    """
    patience = tools.patience
    command = arguments(ffmpeg, cut, out, patience.retries, patience.stall)
    environment = dict(os.environ)
    if tools.proxy is not None:
        environment |= {"http_proxy": tools.proxy, "https_proxy": tools.proxy}
    # A session of its own: the terminal's Ctrl-C must not end it with half a file as success.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        stamps, log = _watch(process, out, tools)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    if process.returncode:
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        told = " | ".join(lines[-4:])[-600:].replace(cut.url, "URL")
        raise FetchError(f"ffmpeg exited with code {process.returncode}: {told}")
    first, last = _span(stamps)
    video = _VIDEO.search(log)
    found = _START.search(video[0]) if video else None
    begins = float(found[1]) if found else 0.0  # of the video; all else counts from there
    if last - begins < least_s - SHORT_S:
        held, asked = max(0.0, last - begins - cut.start_s), least_s - cut.start_s
        raise FetchError(f"connection broken: {held:.2f} s of the piece came, {asked:.2f} s asked")
    return round(math.ceil((first - begins) * 1e6) / 1e6 + LATE_S, 6)


def _watch(process: subprocess.Popen[bytes], out: Path, tools: Tools) -> tuple[str, str]:
    """Wait for ffmpeg; return its time stamps and its log.

    Raises:
        FetchError: it is to stop, or nothing moves any more.
        StoppedError: the disk would run full.
    """
    seen, moved_at, began = 0, time.monotonic(), time.monotonic()
    dead_s = 4 * tools.patience.stall + 10
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            stamps, log = process.communicate(timeout=LOOK_S)
            _count(out, seen, tools)
            return stamps.decode("ascii", "replace"), log.decode("utf-8", "replace")
        if tools.stop.is_set():
            raise FetchError("interrupted")
        tools.require_space()
        now, size = time.monotonic(), _count(out, seen, tools)
        if size > seen:
            seen, moved_at = size, now
        if now - moved_at > dead_s or now - began > MOST_S:
            raise FetchError(f"ffmpeg timed out: {seen} bytes in {now - began:.0f} s")


def _count(out: Path, seen: int, tools: Tools) -> int:
    """Return the size of what came; what is new of it counts as moved."""
    try:
        size = out.stat().st_size
    except FileNotFoundError:
        return seen
    if size > seen:
        tools.pace.moved(size - seen, tools.stop)
    return size


def _span(stamps: str) -> tuple[float, float]:
    """Return the first and the last time of display, in seconds, of the packets in framecrc's text.

    Raises:
        FetchError: there is no packet.
    """
    base, times = Fraction(1), []
    for line in stamps.splitlines():
        if line.startswith("#tb 0:"):
            base = Fraction(line.partition(":")[2].strip())
        elif not line.startswith("#"):
            times.append(int(line.split(",")[2]))
    if not times:
        raise FetchError("connection broken: no picture of the piece came")
    return float(min(times) * base), float(max(times) * base)

"""Decode with the ffmpeg binary of imageio-ffmpeg, the command put together by ffmpeg-python.

Costs a process per run, about half of PyAV's speed on short clips; its pixels are the same, bit
for bit. The file comes in as an open descriptor, the pixels go out through a pipe.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import numpy as np

from pipeline.video.container import ERR_DETECT, FORMATS, PROTOCOLS, tells_cuts
from pipeline.video.converter import Picture
from pipeline.video.limits import die_with_parent
from pipeline.video.task import Run, Sink, Task

COUNTS = re.compile(r"Input stream #0:(\d+) \(video\).*?(\d+) frames decoded; (\d+) decode errors")
RECONFIGURED = "Reconfiguring filter graph"
KEPT_LINES = 20
LINE_LENGTH = 400


def run(fd: int, task: Task, sink: Sink) -> Run:
    """Decode as pyav_backend.run does, in a process of its own; no counts are an error."""
    log = _Log(task.scan.stream)
    wanted = sorted(task.wanted)
    # Damage may rebuild the filters, and then more come than were asked for.
    came = enumerate(_pictures(fd, task, log, wanted))
    pictures = {wanted[index]: picture for index, picture in came if index < len(wanted)}
    if log.reconfigured:
        # `select` counts from 0 again when the filters are rebuilt, so every frame must come.
        log = _Log(task.scan.stream)
        every = enumerate(_pictures(fd, task, log, None))
        pictures = {ordinal: picture for ordinal, picture in every if ordinal in task.wanted}
    for ordinal, picture in pictures.items():
        sink(ordinal, picture)
    return log.result()


def command(fd: int, task: Task, wanted: list[int] | None) -> list[str]:
    """Return the argument list; no shell ever sees it."""
    import ffmpeg
    import imageio_ffmpeg

    options = {
        "fd": str(fd),
        "format": task.scan.probe.container.split(",")[0],
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": FORMATS,
        "noautorotate": None,
        "apply_cropping": "codec",
        "threads": "1",
        "flags": "+bitexact",
        "err_detect": ERR_DETECT,
        "max_pixels": str(task.max_pixels),
    }
    if tells_cuts(task.scan.probe.container):
        options["fflags"] = "+discardcorrupt"
    if task.last_packet is not None:
        # Drawn: packets 0 1 2 3 4 5, last_packet 3  ->  4 and 5 never reach the decoder.
        options[f"bsf:{task.scan.stream}"] = f"noise=drop=gt(n\\,{task.last_packet})"
    stream = ffmpeg.input("fd:", **options)[str(task.scan.stream)]
    if wanted is not None:
        stream = stream.filter("select", _any_of(wanted))
    for step in task.steps:
        stream = stream.filter(step.name, **step.options)
    output = ffmpeg.output(
        stream, "pipe:1", format="rawvideo", pix_fmt="rgb24", fps_mode="passthrough"
    ).global_args(
        *("-hide_banner", "-nostdin", "-nostats", "-loglevel", "verbose"),
        *("-max_error_rate", "1", "-filter_complex_threads", "1"),
    )
    return list(map(str, ffmpeg.compile(output, cmd=imageio_ffmpeg.get_ffmpeg_exe())))


def _any_of(ordinals: list[int]) -> str:
    # A tree and not a chain: ffmpeg gives up on expressions that are about a hundred deep.
    #   3 7 11 15  ->  ((eq(n,3)+eq(n,7))+(eq(n,11)+eq(n,15)))
    if len(ordinals) == 1:
        return f"eq(n,{ordinals[0]})"
    half = len(ordinals) // 2
    return f"({_any_of(ordinals[:half])}+{_any_of(ordinals[half:])})"


@dataclass
class _Log:
    """What is read from ffmpeg's log: the counts, and whether the filters were rebuilt."""

    stream: int
    counts: Run | None = None
    reconfigured: bool = False
    tail: list[str] = field(default_factory=list)

    def read(self, lines: IO[bytes]) -> None:
        for raw in lines:
            line = raw.decode(errors="replace").rstrip()[:LINE_LENGTH]
            self.tail = [*self.tail[1 - KEPT_LINES :], line]
            self.reconfigured |= RECONFIGURED in line
            found = COUNTS.search(" ".join(self.tail[-2:]))
            if found and int(found[1]) == self.stream:
                self.counts = Run(int(found[2]), int(found[3]))

    def result(self) -> Run:
        if self.counts is not None:
            return self.counts
        text = " | ".join(self.tail)
        if "Cannot allocate memory" in text:
            raise MemoryError(text)
        return Run(0, 1)  # the decoder could not even be opened


def _pictures(fd: int, task: Task, log: _Log, wanted: list[int] | None) -> Iterator[Picture]:
    os.lseek(fd, 0, os.SEEK_SET)
    process = subprocess.Popen(
        command(fd, task, wanted),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(fd,),
        preexec_fn=die_with_parent,
    )
    with process:
        assert process.stdout is not None and process.stderr is not None
        reader = threading.Thread(target=log.read, args=(process.stderr,))
        reader.start()
        size = math.prod(task.shape)
        while len(picture := process.stdout.read(size)) == size:
            yield np.frombuffer(picture, np.uint8).reshape(task.shape)
        reader.join()

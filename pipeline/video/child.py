"""The decoder child: takes open files through a socket, decodes, writes pixels to shared memory.

It starts in about 0.2 s and lives for many videos. It never learns a path, may not grow a file, and
dies with its parent. Where the system can forbid it (seccomp.py), it can neither open a file nor
reach a network nor start anything; one that is to start ffmpeg may open files and start programs,
which inherit the rest. Requests carry the file's descriptor, for a decode the memory's too.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
from dataclasses import asdict
from typing import Any

from manifests.reasons import Reason
from pipeline.video import limits, seccomp, wire
from pipeline.video.errors import VideoError


def main(descriptor: int, memory_bytes: int, starts_programs: bool) -> None:
    """Serve until the parent closes the line."""
    limits.confine(memory_bytes)
    line = socket.socket(fileno=descriptor)
    try:
        versions = _versions() | (_program() if starts_programs else {})
        _import_all()
        gc.freeze()  # what is there now is there for ever: collecting looks at the rest alone
        seccomp.refuse(starts_programs)
        wire.send(line, {"versions": versions})
    except (Exception, MemoryError) as error:
        wire.send(line, {"fatal": f"{type(error).__name__}: {error}"})
        return
    while (request := wire.receive_request(line)) is not None:
        message, fds = request
        try:
            reply = _answer(message, fds)
        finally:
            for fd in fds:
                os.close(fd)
        wire.send(line, reply)
        # A closed video is a ring of objects that holds its last pictures, 10 MB of a large one.
        gc.collect()


def _answer(message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    limits.renew_cpu(message["seconds"])
    try:
        return _VERBS[message["verb"]](message, fds)
    except VideoError as error:
        return {"reason": error.reason.value, "message": error.message}
    except MemoryError as error:
        return {"reason": Reason.MEMORY.value, "message": f"{type(error).__name__}: {error}"}
    except Exception as error:
        # A kind of failure that nobody foresaw still costs this one video alone.
        return {"reason": Reason.CRASH.value, "message": f"{type(error).__name__}: {error}"}


def _probe(message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    from pipeline.video.probe import scan

    with contextlib.closing(scan(fds[0], message["max_pixels"])) as found:
        return {"probe": _plain(found.probe, with_times=True)}


def _decode(message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    import mmap

    import numpy as np

    from manifests.spec import ClipSpec
    from pipeline.video.job import Order, perform

    spec = ClipSpec.from_dict(message["spec"], "the decoder's request")
    order = Order(
        spec=spec,
        start_s=message["start_s"],
        end_s=message["end_s"],
        backend=message["backend"],
        max_pixels=message["max_pixels"],
        views=message["views"],
    )
    # Unmapped when the last view of it goes, at the latest with the answer to a failure.
    pixels = np.frombuffer(mmap.mmap(fds[1], order.views * spec.nbytes), np.uint8)
    result = perform(fds[0], order, pixels.reshape(order.views, *spec.shape))
    first = result.selections[0]  # stride and mirroring follow from the span: all views have them
    return {
        "probe": _plain(result.probe, with_times=False),
        "indices": [index for one in result.selections for index in one.indices.tolist()],
        "stride": first.stride,
        "mirrored": first.mirrored,
        "frames_decoded": result.frames_decoded,
        "packets": result.packets,
        "errors": result.errors,
        "backend": result.backend,
    }


_VERBS = {"probe": _probe, "decode": _decode}


def _plain(probe: Any, *, with_times: bool) -> dict[str, Any]:
    values = asdict(probe)
    values["times"] = probe.times.tolist() if with_times else []
    return values


def _import_all() -> None:
    """Import what the verbs need: once nothing can be opened, it is too late. 20 ms."""
    import importlib
    import pkgutil

    import av

    # PyAV imports its parts when a file first has need of them.
    for part in pkgutil.walk_packages(av.__path__, "av."):
        if part.name not in ("av.__main__", "av.datasets"):
            importlib.import_module(part.name)
    for name in ("manifests.spec", "pipeline.video.job", "mmap", "traceback", "numpy.ma"):
        importlib.import_module(name)


def _program() -> dict[str, str]:
    """Ask the ffmpeg that is going to be started, 10 ms."""
    import imageio_ffmpeg

    return {"ffmpeg": imageio_ffmpeg.get_ffmpeg_version()}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    import av

    found = {"av": version("av"), "imageio-ffmpeg": version("imageio-ffmpeg")}
    for name in ("libavcodec", "libavformat", "libavfilter", "libswscale"):
        found[name] = ".".join(map(str, av.library_versions[name]))
    return found

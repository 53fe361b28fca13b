"""The decoder child: does it start, decode a video rightly, and have its limits? Half a second."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.doctoring.finding import Finding, Patient

FRAMES = 8
SIDE = 32
_SPEC = ClipSpec(frames=FRAMES, rate=1, height=SIDE, width=SIDE)
_SLACK = 6  # levels by which a grey may differ after the codec


def decoder(patient: Patient) -> Finding:
    """Decode a video of known greys in a child, and look at the limits of one."""
    from pipeline.video.decoder import Decoder, Limits
    from pipeline.video.errors import VideoError
    from pipeline.video.process import Child

    greys = np.linspace(20, 230, FRAMES).astype(np.uint8)
    limits = Limits()
    try:
        with tempfile.TemporaryDirectory(prefix="clipmill-") as folder:
            path = Path(folder) / "greys.avi"
            _write(path, greys)
            with Decoder(limits) as child:
                decoded, versions = child.decode(path, _SPEC), child.versions()
        one = Child(limits.memory_bytes)  # as PyAV's: ffmpeg's may also start it
        try:
            bounds = confinement(one.pid)
        finally:
            one.end()
    except (ClipmillError, VideoError) as error:
        cure = "`pip install -U av numpy`, and allow processes some 600 MB of address space"
        return Finding("fail", str(error), cure)
    means = decoded.pixels.reshape(FRAMES, -1).mean(axis=1)
    if np.abs(means - greys).max() > _SLACK:
        text = f"it decodes greys {greys.tolist()} as {means.round().astype(int).tolist()}"
        return Finding("fail", text, "`pip install -U av`: the pixels of videos would be wrong")
    av = versions.get("av", "?")
    details = {"versions": versions, "limits": bounds}
    if bounds is None:
        return Finding("ok", f"PyAV {av} in a child; its limits cannot be seen here", "", details)
    if lacking := [name for name, there in bounds.items() if not there and name != "seccomp"]:
        text = f"PyAV {av} works, but its child has no limit of {', '.join(lacking)}"
        return Finding("warn", text, "decode videos of strangers on another machine", details)
    text = f"PyAV {av} in a child that may write no file and gain no privilege"
    if not bounds["seccomp"]:
        return Finding(
            "ok",
            f"{text}; the kernel's seccomp, which is not to be had here, would "
            "also keep it from opening files and sockets",
            "",
            details,
        )
    return Finding("ok", f"{text}, nor open a file or a socket (seccomp)", "", details)


def confinement(pid: int) -> dict[str, bool] | None:
    """Return which limits a process has; None where the system does not tell."""
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    soft = dict(re.findall(r"^(Max [a-z ]*?)\s{2,}(\S+)", limits, re.MULTILINE))
    state = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))
    return {
        "memory": soft.get("Max address space") != "unlimited",
        "file size": soft.get("Max file size") == "0",
        "privileges": state.get("NoNewPrivs") == "1",
        "seccomp": state.get("Seccomp") == "2",
    }


def _write(path: Path, greys: Any) -> None:
    """Write a video whose frames are of one grey each."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25, width=SIDE, height=SIDE, pix_fmt="yuv420p")
        for grey in greys:
            picture = np.full((SIDE, SIDE, 3), grey, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))

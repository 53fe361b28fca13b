"""The columns that a download row has of its file: probed in the decoder child, and hashed.

1 to 2 ms for the probe (packets counted, not header claims), and sha256 at 1.5 GB/s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.acquiring.finding import File
from pipeline.video.probe import Probe
from shards.read import file_sha256


def facts(file: File, path: Path, probe: Probe, via: str) -> dict[str, Any]:
    """Return what a row says of a file that `via` brought and that is at `path` now."""
    return {
        "path": file.name,
        "bytes": probe.size,
        "sha256": file_sha256(path),
        "file_start_s": file.start_s,
        "duration_s": probe.duration_s,
        "fps": probe.fps,
        "width": probe.width,
        "height": probe.height,
        "container": probe.container,
        "codec": probe.codec,
        "packets": probe.packets,
        "rotation": probe.rotation,
        "via": via,
    }

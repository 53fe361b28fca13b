"""Peak memory of a worker with its child while 1080p clips are packed, early and late.

The worker is this process (one job), so torch through webdataset counts, and its child beside it.
Videos of 1920x1080 are made (ten kinds, linked under many names); memory is read every 50 ms, and
the first fifth of the clips is held against the last. Bound: 600 MB for both together.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from machine import about, keep
from many_clips import pack_command, root_of

from manifests.spec import ClipSpec

KINDS = 10
BOUND_MB = 600


def videos_in(folder: Path, count: int) -> Path:
    """Make ten 1080p videos of two seconds, with B-frames, and link them under many names."""
    kinds = []
    for kind in range(KINDS):
        path = folder / "kinds" / f"{kind}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        source = f"testsrc2=s=1920x1080:r=25:d=2,hue=h={36 * kind}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-f", "lavfi"]
        subprocess.run([*command, "-i", source, "-pix_fmt", "yuv420p", str(path)], check=True)
        kinds.append(path)
    videos = folder / "videos"
    for number in range(count):
        path = videos / f"class{number % 10}" / f"{number:05d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(kinds[number % KINDS], path)
    return videos


def resident_mb(pid: int) -> float:
    """Return a process's resident memory, the pages of libraries included."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(number) for text in texts for number in text.split()]


def watch(root: Path, shard_mb: float) -> list[tuple[float, float]]:
    """Pack with one worker, this process's child; return its and its child's memory over time."""
    seen = []
    one = subprocess.Popen(pack_command(root, "--jobs", 1, shard_mb=shard_mb))
    while one.poll() is None:
        try:
            own = resident_mb(one.pid)
            seen.append((own, sum(resident_mb(child) for child in children(one.pid))))
        except (OSError, IndexError, ValueError):
            continue
        time.sleep(0.05)
    if one.returncode:
        raise SystemExit(one.returncode)
    return seen


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--shard-mb", type=float, default=256.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        videos = videos_in(Path(folder), given.clips)
        root = root_of(videos, Path(folder) / "root", ClipSpec(sampling="uniform", rate=1))
        seen = watch(root, given.shard_mb)
    both = [own + child for own, child in seen]
    fifth = max(1, len(both) // 5)
    # What starts is no clip yet: the first fifth is taken from where both are there.
    begun = next((at for at, (_, child) in enumerate(seen) if child > 0), 0)
    result: dict[str, Any] = {
        "clips": given.clips,
        "peak_mb": round(max(both)),
        "peak_worker_mb": round(max(own for own, _ in seen)),
        "peak_child_mb": round(max(child for _, child in seen)),
        "early_peak_mb": round(max(both[begun : begun + fifth])),
        "late_peak_mb": round(max(both[-fifth:])),
        "bound_mb": BOUND_MB,
    }
    print(result)
    keep("worker_memory", {**about(), **result})


if __name__ == "__main__":
    main()

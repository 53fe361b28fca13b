"""The same clips packed by one worker and by two, and by two of loky, dask and ray, in turn.

Real clips where a folder of videos is given, else 400 small ones made here. Each way packs a fresh
root; the engines' start (1 s and 6 s) is taken off by packing a root of four clips beside it, and
is told. Shards of all ways are compared by digest. About two minutes a round of 400 clips.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import about, keep
from many_clips import copies_of, digests, pack_command, root_of, videos_in

from manifests.spec import ClipSpec

WAYS = {
    "one": ("--jobs", 1),
    "loky": ("--jobs", 2),
    "dask": ("--jobs", 2, "--backend", "dask"),
    "ray": ("--jobs", 2, "--backend", "ray"),
}
FEW, ALONE_MB = 4, 0.001  # a shard each: one alone would be packed without workers


def timed(prepared: Path, work: Path, way: str, shard_mb: float) -> tuple[float, dict[str, str]]:
    """Pack a copy of a prepared root; return the seconds and the shards' digests."""
    root = work / "root"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(prepared, root)
    started = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(pack_command(root, *WAYS[way], shard_mb=shard_mb), check=True, env=environment)
    return time.monotonic() - started, digests(root)


def measure(videos: Path, work: Path, rounds: int, shard_mb: float) -> dict[str, Any]:
    """Alternate the ways; rates are of the time without each way's start."""
    prepared = root_of(videos, work / "prepared", ClipSpec(sampling="uniform", rate=1))
    first = next(path for path in sorted(videos.rglob("*")) if path.is_file())
    few = work / "few" / "class"
    few.mkdir(parents=True)
    for number in range(FEW):
        shutil.copyfile(first, few / f"{number}{first.suffix}")
    alone = root_of(work / "few", work / "alone", ClipSpec(sampling="uniform", rate=1))
    starts: dict[str, list[float]] = {way: [] for way in WAYS}
    works: dict[str, list[float]] = {way: [] for way in WAYS}
    found: dict[str, dict[str, str]] = {}
    for number in range(rounds):
        ways = list(WAYS) if number % 2 == 0 else list(reversed(WAYS))
        for way in ways:
            start, _ = timed(alone, work, way, ALONE_MB)
            seconds, shards = timed(prepared, work, way, shard_mb)
            starts[way].append(start)
            works[way].append(seconds - start)
            found.setdefault(way, shards)
            print(f"{way}: start {start:.1f} s, work {seconds - start:.1f} s", flush=True)
    base = statistics.median(works["loky"])
    return {
        "start_s": {way: round(statistics.median(values), 2) for way, values in starts.items()},
        "work_s": {way: round(statistics.median(values), 2) for way, values in works.items()},
        "one_to_two": round(statistics.median(works["one"]) / base, 3),
        "dask_to_loky": round(base / statistics.median(works["dask"]), 3),
        "ray_to_loky": round(base / statistics.median(works["ray"]), 3),
        "shards": len(found["loky"]),
        "same_bytes": all(shards == found["loky"] for shards in found.values()),
    }


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, help="class folders of videos (made if not given)")
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--copies", type=int, default=1, help="of each of these videos")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shard-mb", type=float, default=16.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if given.videos:
            videos = copies_of(given.videos, work / "videos", given.copies)
        else:
            videos = videos_in(work / "videos", given.clips)
        found = measure(videos, work, given.rounds, given.shard_mb)
    print(found)
    keep("engines", {**about(), "rounds": given.rounds, **found})


if __name__ == "__main__":
    main()

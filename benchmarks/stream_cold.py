"""Epochs from the disk: shards are dropped from memory, then read once by each way in turn.

Each contestant is a fresh one, for what a process has mapped cannot be dropped. What the disk gave
is counted twice: by the kernel for the processes, and by the pages that are in memory afterwards.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from page_cache import forget, resident

from shards.benching.compare import ours
from shards.benching.contestant import Contestant
from shards.benching.processes import members, read_bytes
from shards.benching.setup import Clips, Setup
from shards.benching.ways import MINE, PREFETCH

WAYS = (MINE, "DataLoader, __getitems__", "webdataset")
BATCH, WORKERS = 32, 2


def epochs(setup: Setup, rounds: int) -> dict[str, Any]:
    """Return clips a second of each way, and the part of the clips' bytes that it moved."""
    setup = replace(setup, batch=BATCH, workers=WORKERS)
    clips = Clips(setup)
    _epoch(MINE, setup, clips)  # the shards are found whole, once for this machine
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*WAYS, "plain reading")}
    for number in range(rounds):
        for name in WAYS if number % 2 == 0 else WAYS[::-1]:
            found[name].append(_epoch(name, setup, clips))
            print(name, found[name][-1], flush=True)
        found["plain reading"].append(_read(clips))
    return {
        "batch": BATCH,
        "workers": WORKERS,
        "frames": f"{setup.frames} of {clips.spec.frames}",
        "ways": {
            name: {
                key: round(statistics.median(values[key] for values in many), 4) for key in many[0]
            }
            for name, many in found.items()
        },
    }


def _epoch(name: str, setup: Setup, clips: Clips) -> dict[str, float]:
    """Read the rest of an epoch after its first batches: those were read to get ready."""
    with Contestant(ours(name, setup).command) as one:
        one.ready()
        forget(clips.files)
        before, there = read_bytes(members(one.session)), resident(clips.files)
        early = 1 + PREFETCH * setup.workers
        steps = len(clips) // setup.batch - early
        found = one.round(steps)
        moved = read_bytes(members(one.session)) - before
        came = resident(clips.files) - there
    whole = found.clips * clips.spec.nbytes
    return {
        "clips_per_s": found.rate,
        "moved_by_the_kernel_s_count": moved / whole,
        "moved_by_pages": came / whole,
    }


def _read(clips: Clips) -> dict[str, float]:
    """Read the files from start to end, as `cat` does: what the disk gives."""
    import time

    forget(clips.files)
    buffer = bytearray(1 << 20)
    started = time.perf_counter()
    for path in clips.files:
        with Path(path).open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return {"clips_per_s": len(clips) / (time.perf_counter() - started)}

"""What a long run holds over 20 epochs, and what stays of it after every kind of end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from shards.benching.compare import ours
from shards.benching.contestant import HOUSE, Contestant
from shards.benching.processes import alive, members, own_memory
from shards.benching.setup import Clips, Setup
from shards.benching.ways import MINE

BATCH, WORKERS, EPOCHS = 32, 2, 20
GONE_S = 10.0
ENDS = {
    "normal": "stream.close()",
    "without close": "pass",
    "exception": "raise RuntimeError('as asked')",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGKILL of a worker": "os.kill(max(children()), signal.SIGKILL); [None for _ in batches]",
}
CHILD = """
import json, os, signal, sys
from pathlib import Path
from manifests.dataset import Dataset
from shards.benching.setup import Setup
from shards.reading import Reading
from shards.stream import Stream
setup = Setup(**json.loads(sys.argv[1]))
def children():
    return map(int, Path(f"/proc/self/task/{{os.getpid()}}/children").read_text().split())
dataset, reading = Dataset.open(setup.root), Reading(workers=setup.workers)
stream = Stream(
    dataset, setup.split, setup.window, global_batch=setup.batch, train=True, reading=reading
)
batches = iter(stream)
for _ in range(3):
    batch = next(batches)
{end}
"""


def memory(setup: Setup) -> dict[str, Any]:
    """Return MB that the stream's processes hold after epochs; no file's pages among them."""
    setup = replace(setup, batch=BATCH, workers=WORKERS)
    steps = len(Clips(setup)) // setup.batch
    held = []
    with Contestant(ours(MINE, setup).command) as one:
        one.ready()
        for _ in range(EPOCHS):
            one.round(steps)
            held.append(round(own_memory(members(one.session)) / 1e6, 1))
    return {"batch": BATCH, "workers": WORKERS, "mb_after_each_epoch": held}


def ends(setup: Setup) -> dict[str, Any]:
    """Return for each end which processes were left, what was in /dev/shm, and shared memory."""
    setup = replace(setup, batch=BATCH, workers=WORKERS)
    return {name: _end(code, setup) for name, code in ENDS.items()}


def _end(code: str, setup: Setup) -> dict[str, Any]:
    before, shared = set(os.listdir("/dev/shm")), _shared_mb()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(end=code), setup.as_json()],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(HOUSE)},
    )
    assert child.stderr is not None
    ended = child.wait()
    started = time.monotonic()
    while alive(child.pid) and time.monotonic() - started < GONE_S:
        time.sleep(0.02)
    seconds, left = time.monotonic() - started, len(alive(child.pid))
    for process in alive(child.pid):
        os.kill(process, signal.SIGKILL)
    lines = child.stderr.read().strip().splitlines()
    return {
        "exit": ended,
        "said": lines[-1][:160] if lines else "",
        "processes_left": left,
        "last_one_gone_after_s": round(seconds, 2),
        "files_in_shared_memory": len(set(os.listdir("/dev/shm")) - before),
        "shared_memory_mb": round(_shared_mb() - shared),
    }


def _shared_mb() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1]) / 1000
    return 0.0

"""A cold epoch over loopback http, beside downloading the same shards to the same disk.

Downloads go one after the other and four together, into files; the better of the two counts. Each
round begins with an empty scratch folder and ends with removing what came.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import urllib3
from machine import in_child, measured

from manifests.dataset import Dataset
from shards.benching.setup import Clips, Setup
from shards.reading import Reading
from shards.stream import Stream

BATCH, WORKERS, TOGETHER = 32, 2, 4
DOWNLOADS = ("one after the other", "four together")
CHUNK = 1 << 20


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder from a process of its own; yields its address."""
    script = Path(__file__).with_name("static_server.py")
    command = [sys.executable, str(script), str(folder)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None and server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait()


def epochs(setup: Setup, work: Path, rounds: int) -> dict[str, Any]:
    """Return seconds of the epoch and of the downloads, and the median ratio of a round."""
    clips = Clips(setup)
    scratch, found = work / "scratch", []
    with served(Path(setup.root)) as url:
        for _ in range(rounds):
            taken = {}
            for name, arguments in {
                "epoch": ("epoch", url, str(setup.frames), str(setup.height), str(setup.width)),
                DOWNLOADS[0]: ("download", url, str(scratch), setup.root, "1"),
                DOWNLOADS[1]: ("download", url, str(scratch), setup.root, str(TOGETHER)),
            }.items():
                shutil.rmtree(scratch, ignore_errors=True)
                scratch.mkdir()
                os.sync()
                os.environ["CLIPMILL_SCRATCH"] = str(scratch)
                taken[name] = measured(__file__, *arguments)["took_s"]
            found.append(taken)
            print(taken, flush=True)
    shutil.rmtree(scratch, ignore_errors=True)
    ratios = [min(one[name] for name in DOWNLOADS) / one["epoch"] for one in found]
    return {
        "clips": len(clips),
        "bytes": sum(path.stat().st_size for path in clips.files),
        "batch": BATCH,
        "workers": WORKERS,
        "seconds": {
            key: round(statistics.median(one[key] for one in found), 3) for key in found[0]
        },
        "epoch_to_download": round(statistics.median(ratios), 3),
    }


def epoch(url: str, *window: str) -> dict[str, float]:
    """Read one epoch; its time counts from when the tables are known."""
    setup = Setup(url, "train", None, BATCH, WORKERS, *map(int, window))
    with Stream(
        Dataset.open(url),
        setup.split,
        setup.window,
        global_batch=BATCH,
        train=True,
        reading=Reading(workers=WORKERS),
    ) as stream:
        started = time.perf_counter()
        for _ in stream:
            pass
        return {"took_s": time.perf_counter() - started}


def download(url: str, folder: str, root: str, together: str) -> dict[str, float]:
    """Fetch all shards into files."""
    names = sorted(path.name for path in (Path(root) / "shards").glob("*.tar"))
    pool = urllib3.PoolManager(maxsize=TOGETHER)

    def fetch(name: str) -> None:
        answer = pool.request("GET", f"{url}/shards/{name}", preload_content=False)
        with (Path(folder) / name).open("wb") as file:
            for piece in answer.stream(CHUNK):
                file.write(piece)

    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(int(together)) as threads:
        for _ in threads.map(fetch, names):
            pass
    return {"took_s": time.perf_counter() - started}


if __name__ == "__main__":
    in_child({"epoch": epoch, "download": download})

"""What a result was measured on and with: written beside every figure."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
VERSIONS = ("torch", "av", "imageio-ffmpeg", "webdataset", "numpy", "pyarrow")


def about() -> dict[str, Any]:
    """Return processor, cores, memory, versions and date."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONS},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def keep(name: str, values: dict[str, Any]) -> Path:
    """Write a benchmark's last results and return where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(values, indent=1) + "\n")
    return path


def measured(script: str, *arguments: str) -> dict[str, Any]:
    """Run one step of a script in a child; return its wall and processor seconds and peak MB."""
    started = time.monotonic()
    command = [sys.executable, str(Path(script).resolve()), *arguments]
    child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - started
    used = json.loads(child.stdout.splitlines()[-1])
    return {"seconds": round(seconds, 2), **used}


def in_child(steps: Mapping[str, Callable[..., Mapping[str, Any] | None]]) -> None:
    """Do the step that the command line names; print what it used, and found if it says so."""
    sys.path.insert(0, str(RESULTS.parents[1]))
    found = steps[sys.argv[1]](*sys.argv[2:]) or {}
    mine = resource.getrusage(resource.RUSAGE_SELF)
    cpu = round(mine.ru_utime + mine.ru_stime, 2)
    used = {"cpu_seconds": cpu, "peak_mb": round(mine.ru_maxrss * 1024 / 1e6)}
    print(json.dumps({**used, **found}))

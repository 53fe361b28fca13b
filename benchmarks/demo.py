"""The demo from an empty folder, timed: what `make demo` does after installation.

Prints seconds and test top-1 and writes results/demo.json. Guessing is right for 12.5%.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import about, keep

REPO = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the demo once and keep what came of it."""
    with tempfile.TemporaryDirectory() as temporary:
        started = time.monotonic()
        command = [sys.executable, str(REPO / "clipmill.py"), "demo", "--out", temporary + "/demo"]
        subprocess.run(command, check=True)
        seconds = time.monotonic() - started
        metrics = json.loads((Path(temporary) / "demo/score/metrics.json").read_text())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {
        "machine": about(),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "test_clips": metrics["clips"],
        "top1": metrics["top1"],
    }
    print(json.dumps(result, indent=1))
    print("written to", keep("demo", result))


if __name__ == "__main__":
    main()

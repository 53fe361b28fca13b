"""Training steps beside the seed's and a plain loop: `python benchmarks/train.py [--root DIR]`.

Without --root, real videos are packed first (32 frames of 128x128, raw). Full-size networks on 16
frames of 112x112 where there is a GPU, on 8 and in batches of 2 on a CPU: some minutes on two idle
cores. The results of each device stay in results/train.json until it is measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from machine import RESULTS, about, keep
from real_shards import REPO, packed

from manifests.console import Ui
from model.world import joined
from train.benching import compare
from train.options import Options

MEASURED = "train"
# On a CPU a turn is a step; a GPU does hundreds.
USUAL = {
    "cpu": {"batch": 2, "frames": 8, "rounds": 5, "workers": 1},
    "cuda": {"batch": 32, "frames": 16, "rounds": 5},
}
WORKERS = 8


def measure(root: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured, beside the machine it was measured on."""
    machine, ui = about(), Ui()
    with joined(chosen.device) as world:
        usual = {"workers": min(WORKERS, os.cpu_count() or 1), **USUAL[world.device.type]}
        batch, frames, rounds, workers = (
            usual[name] if (given := getattr(chosen, name)) is None else given
            for name in ("batch", "frames", "rounds", "workers")
        )
        options = Options(
            batch=batch,
            frames=frames,
            crop=(chosen.crop, chosen.crop),
            width=chosen.width,
            precision=chosen.precision,
            tune=chosen.tune,
        )
        report = compare.compare(str(root), options, world, workers, rounds, chosen.seconds, ui)
    compare.show(report, ui)
    return {"machine": machine, **report}


def main() -> None:
    """Measure, print, and keep beside what other devices reached."""
    shared = Path(os.environ.get("CLIPMILL_SHARED", REPO.parent / "shared")) / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="a local dataset folder with shards")
    parser.add_argument("--videos", type=Path, default=shared / "ucf101_3class")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--tune", action="store_true", help="time clipmill's ways first")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--crop", type=int, default=112)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = chosen.root or Path(temporary) / "packed"
        if chosen.root is None:
            packed(chosen.videos, root)
        found = measure(root, chosen)
    print(json.dumps(found, indent=1))
    path = RESULTS / f"{MEASURED}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    keep(MEASURED, results | {found["device"]: found})


if __name__ == "__main__":
    main()

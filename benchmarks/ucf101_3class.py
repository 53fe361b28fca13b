"""Three real classes of UCF101 from annotate to score, over three seeds, with the verbs as typed.

166 clips of BabyCrawling, Punch and PushUps (official split 1: 96 train, 70 test); always
answering the most frequent class is right for 36%. There is no val: the recipe is fixed and the
last checkpoint is scored, so test chooses nothing: by one centre view a clip, and by the mean of 15
views a video. Needs the folder of shared data (CLIPMILL_SHARED
or ../shared). Prints each seed and writes results/ucf101_3class.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import about, keep

REPO = Path(__file__).resolve().parents[1]
SEEDS = (0, 1, 2)
SPEC = "--frames 16 --sampling stride:4 --size 64x85 --fit stretch"
TRAINING = (
    "--model c3d --width 16 --frames 8 --modality motion --crop 56x56 --epochs 45 --batch 8 "
    "--optimizer adamw --lr 1e-3 --weight-decay 0.05 --schedule cosine --warmup-epochs 2 "
    "--least-area 0.3 --jitter 0.5 --label-smoothing 0.1 --ema 0.98"
)
VIEWS = "--clips 5 --crops 3"


def shared() -> Path:
    """Return the folder that holds the clips and lists."""
    folder = Path(os.environ.get("CLIPMILL_SHARED", REPO.parent / "shared")) / "data"
    if not folder.is_dir():
        sys.exit("the shared data is not there; set CLIPMILL_SHARED to its folder")
    return folder


def clipmill(*arguments: str) -> float:
    """Run one verb and return its seconds."""
    print("$ clipmill", *arguments, flush=True)
    started = time.monotonic()
    subprocess.run([sys.executable, str(REPO / "clipmill.py"), *arguments, "-q"], check=True)
    return time.monotonic() - started


def measure(work: Path) -> dict[str, Any]:
    """Go the whole road and return times and accuracies."""
    data, root = shared(), str(work / "root")
    started = time.monotonic()
    lists = str(data / "annotations" / "ucf101" / "ucfTrainTestlist")
    videos = str(data / "ucf101_3class")
    annotate = ["annotate", "ucf101", "--lists", lists, "--videos", videos, "--root", root]
    prepared = clipmill(*annotate, "--val", "0", *SPEC.split())
    prepared += clipmill("pack", "--root", root)
    seeds = []
    for seed in SEEDS:
        run = work / f"run{seed}"
        training = clipmill(
            "train", "--root", root, "--run", str(run), "--seed", str(seed), *TRAINING.split()
        )
        checkpoint = str(run / "last.safetensors")
        top1 = {}
        for name, views in (("clip", ""), ("video", VIEWS)):
            out = run / name
            score = ["score", "--root", root, "--checkpoint", checkpoint, "--out", str(out)]
            clipmill(*score, *views.split())
            top1[name] = json.loads((out / "metrics.json").read_text())["top1"]
        seeds.append({"seed": seed, "top1": top1, "train_s": round(training, 1)})
        print(seeds[-1], flush=True)
    accuracies = {
        name: {
            "mean": statistics.mean(entry["top1"][name] for entry in seeds),
            "spread": statistics.stdev(entry["top1"][name] for entry in seeds),
        }
        for name in ("clip", "video")
    }
    return {
        "machine": about(),
        "spec": SPEC,
        "training": TRAINING,
        "views": VIEWS,
        "test_clips": 70,
        "seeds": seeds,
        "top1": accuracies,
        "annotate_and_pack_s": round(prepared, 1),
        "whole_s": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="keep everything in this folder")
    chosen = parser.parse_args().work
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(chosen or Path(temporary))
    print(json.dumps(result, indent=1))
    print("written to", keep("ucf101_3class", result))


if __name__ == "__main__":
    main()

"""What a stored window costs: the same network trained on windows of three real UCF101 classes that
differ only in where they can be drawn from, five seeds each.

96 train and 70 test clips of official split 1 (48 to 300 frames, the median 140). The network sees
8 frames, every fourth of the video. Arms: one stored window, the middle one; 64 frames of the video
stored (16 at stride 4); the whole video (whole_video.py). The fourth, 64 frames stored at stride 4,
needs 256 frames of video: where there are fewer the stride falls, so it changes the pace as well.
All are scored on the same windows: the centre one, and the mean of 5 over the whole video; the
fourth on its own root too. The recipe is ucf101_3class.py's, fixed before; the last checkpoint is
scored, so test chooses nothing. Each run is written to results/stored_window.json as it ends; with
--work a stopped measurement goes on. About 2 minutes of a core a run.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

from machine import about, keep
from ucf101_3class import REPO, TRAINING, shared

PICTURE = "--size 64x85 --fit stretch"
ARMS = {
    "one window": "--frames 8 --sampling stride:4",
    "64 frames of video": "--frames 16 --sampling stride:4",
    "whole video": "--frames 300 --sampling stride:1",
    "64 stored frames": "--frames 64 --sampling stride:4",
}
WHOLE, FALLING = "whole video", "64 stored frames"
TESTS = {"clip": ARMS["one window"], "video": f"{ARMS['one window']} --views 5"}
SEEDS = (0, 1, 2, 3, 4)


def run(script: str, *arguments: str) -> None:
    """Run a verb on one thread, through the front door or a script that stands before it."""
    command = [sys.executable, str(REPO / script), *arguments, "-q"]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def make_root(root: Path, sampling: str) -> None:
    """Annotate and pack the three classes, unless it was done."""
    data = shared()
    lists = str(data / "annotations" / "ucf101" / "ucfTrainTestlist")
    where = ["--lists", lists, "--videos", str(data / "ucf101_3class"), "--root", str(root)]
    run("clipmill.py", "annotate", "ucf101", *where, "--val", "0", *f"{sampling} {PICTURE}".split())
    run("clipmill.py", "pack", "--root", str(root), "--jobs", "1")


def adopt(checkpoint: Path, root: Path, out: Path) -> None:
    """Write a checkpoint as one of a root that differs in which frames are stored alone."""
    from manifests.dataset import Dataset
    from model import checkpoint as checkpoints

    loaded = checkpoints.load(checkpoint, with_state=False)
    checkpoints.save(out, dataclasses.replace(loaded, spec=Dataset.open(str(root)).spec))


def top1(checkpoint: Path, root: Path, out: Path, *views: str) -> float:
    """Score test and return its top-1."""
    where = ["--root", str(root), "--checkpoint", str(checkpoint), "--out", str(out)]
    run("clipmill.py", "score", *where, "--workers", "0", *views)
    return json.loads((out / "metrics.json").read_text())["top1"]


def one_run(work: Path, arm: str, seed: int, training: str) -> dict[str, Any]:
    """Train one arm with one seed, score it, and return its line; one made before is read."""
    folder, root = work / "runs" / f"{arm} {seed}", work / arm
    line = folder / "line.json"
    if line.exists():
        return json.loads(line.read_text())
    script = "benchmarks/whole_video.py" if arm == WHOLE else "clipmill.py"
    where = ["--root", str(root), "--run", str(folder), "--seed", str(seed), "--resume"]
    run(script, "train", *where, "--workers", "0", *training.split())
    last, found = folder / "last.safetensors", {}
    for name in TESTS:
        adopted = folder / f"{name}.safetensors"
        adopt(last, work / f"test {name}", adopted)
        found[name] = top1(adopted, work / f"test {name}", folder / name)
    if arm == FALLING:
        found["clip, own pace"] = top1(last, root, folder / "own clip")
        found["video, own pace"] = top1(last, root, folder / "own video", "--clips", "5")
    result = {"arm": arm, "seed": seed, "top1": found}
    line.write_text(json.dumps(result))
    return result


def strides(root: Path) -> dict[str, int]:
    """Return how many clips of a root are stored at which stride."""
    from manifests.dataset import Dataset

    rows = Dataset.open(str(root)).parts("samples", ["clip_id", "view", "shard", "key", "stride"])
    return {str(k): n for k, n in sorted(collections.Counter(rows["stride"].to_pylist()).items())}


def summary(lines: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return mean, sample deviation and number of seeds of each arm and way of looking."""
    values: dict[tuple[str, str], list[float]] = {}
    for line in lines:
        for name, value in line["top1"].items():
            values.setdefault((line["arm"], name), []).append(value)
    whole: dict[str, dict[str, Any]] = {}
    for (arm, name), found in values.items():
        spread = statistics.stdev(found) if len(found) > 1 else None
        whole.setdefault(arm, {})[name] = {
            "mean": statistics.mean(found),
            "spread": spread,
            "seeds": len(found),
        }
    return whole


def all_runs(
    name: str,
    result: dict[str, Any],
    runs: Iterable[Callable[[], dict[str, Any]]],
    arms: list[str],
    jobs: int,
) -> dict[str, Any]:
    """Do the runs, keep what there is under a benchmark's name after each, return it."""
    lines: list[dict[str, Any]] = []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(run) for run in runs]):
            lines.append(done.result())
            print(lines[-1], flush=True)
            lines.sort(key=lambda line: (arms.index(line["arm"]), line["seed"]))
            result |= {"top1": summary(lines), "runs": lines}
            keep(name, result)
    return result


def measure(
    work: Path, arms: Iterable[str], seeds: Iterable[int], jobs: int, training: str
) -> dict[str, Any]:
    """Make the roots, run each arm with each seed, keep what there is after each; return it."""
    for arm in arms:
        make_root(work / arm, ARMS[arm])
    for name, sampling in TESTS.items():
        make_root(work / f"test {name}", sampling)
    result: dict[str, Any] = {
        "machine": about(),
        "picture": PICTURE,
        "training": training,
        "arms": {arm: ARMS[arm] for arm in arms},
        "strides": {arm: strides(work / arm) for arm in arms},
    }
    # Seed by seed, so that a measurement that is stopped has as many seeds of each arm.
    runs = [partial(one_run, work, arm, seed, training) for seed in seeds for arm in arms]
    return all_runs("stored_window", result, runs, list(arms), jobs)


def asked(
    about_it: str | None, seeds: Iterable[int], measured: Callable[[Path, list[int], int], Any]
) -> None:
    """Measure what the command line says, given folder, seeds and jobs; print the accuracies."""
    parser = argparse.ArgumentParser(description=about_it)
    parser.add_argument("--work", type=Path, help="keep everything in this folder; go on from it")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = measured(chosen.work or Path(temporary), chosen.seeds, chosen.jobs)
    print(json.dumps(result["top1"], indent=1))


def main() -> None:
    """Measure, print, keep."""
    sys.path.insert(0, str(REPO))
    asked(
        __doc__,
        SEEDS,
        lambda work, seeds, jobs: measure(work, list(ARMS), seeds, jobs, TRAINING),
    )


if __name__ == "__main__":
    main()

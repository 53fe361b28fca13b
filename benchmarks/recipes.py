"""Recipes against the `seed` recipe on three real UCF101 classes: the same network, the same input
(motion, then rgb), the same number of clips seen, three seeds each.

96 train and 70 test clips of official split 1; C3D of width 16 on 8 of 16 stored frames, every
fourth of the video, 56x56 of 64x85, 45 epochs: what a core does in 2 minutes. Each recipe has
its own optimizer, rate, schedule, batch, augmentation and dropout; where a schedule has milestones
they stand at the same shares of the run. The last checkpoint is scored, by one centre view a clip
and by the mean of 15 views a video, so test chooses nothing. Each run is written to
results/recipes.json as it ends; with --work a stopped measurement goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from machine import about
from stored_window import ARMS, PICTURE, all_runs, asked, make_root, run, top1
from ucf101_3class import VIEWS

STORED = ARMS["64 frames of video"]
COMMON = "--model c3d --width 16 --frames 8 --crop 56x56 --epochs 45"
RECIPES = {
    "seed": "--recipe seed",
    "few-clips": "--recipe few-clips",
    "scratch-strong": "--recipe scratch-strong --milestones 36,40.5",
}
MODALITIES = ("motion", "rgb")
SEEDS = (0, 1, 2)


def one_run(work: Path, arm: str, arguments: str, seed: int, common: str) -> dict[str, Any]:
    """Train one recipe with one seed, score it, and return its line; one made before is read."""
    folder, root = work / "runs" / f"{arm} {seed}", work / "root"
    line = folder / "line.json"
    if line.exists():
        return json.loads(line.read_text())
    where = ["--root", str(root), "--run", str(folder), "--seed", str(seed), "--resume"]
    run("clipmill.py", "train", *where, "--workers", "0", *common.split(), *arguments.split())
    last = folder / "last.safetensors"
    found = {"clip": top1(last, root, folder / "clip")}
    found["video"] = top1(last, root, folder / "video", *VIEWS.split())
    line.write_text(json.dumps({"arm": arm, "seed": seed, "top1": found}))
    return json.loads(line.read_text())


def measure(
    work: Path, recipes: Mapping[str, str], seeds: Iterable[int], jobs: int, common: str
) -> dict[str, Any]:
    """Make the root, run each recipe with each seed, keep what there is after each; return it."""
    make_root(work / "root", STORED)
    result: dict[str, Any] = {
        "machine": about(),
        "spec": f"{STORED} {PICTURE}",
        "common": common,
        "views": VIEWS,
        "recipes": dict(recipes),
    }
    arms = {
        f"{name}, {modality}": f"{arguments} --modality {modality}"
        for modality in MODALITIES
        for name, arguments in recipes.items()
    }
    runs = [
        partial(one_run, work, arm, arguments, seed, common)
        for seed in seeds
        for arm, arguments in arms.items()
    ]
    return all_runs("recipes", result, runs, list(arms), jobs)


def main() -> None:
    """Measure, print, keep."""
    asked(__doc__, SEEDS, lambda work, seeds, jobs: measure(work, RECIPES, seeds, jobs, COMMON))


if __name__ == "__main__":
    main()

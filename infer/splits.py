"""`score --split-set all`: each split set by its own checkpoint, then the mean and the spread.

What papers report of UCF101 and HMDB51 is the mean over three splits. Costs three scorings.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infer import results
from infer.score import require_split, score
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.leaks import Overlap, warning
from manifests.local import LocalStorage
from manifests.nocheckpoint import no_checkpoint
from manifests.seen import read
from manifests.splitsets import ALL, FINISHED, every
from model.checkpoint import load
from model.world import World
from shards.reading import Reading

MEASURES = {"top1": "top-1", "top5": "top-5", "mean_recall": "mean class recall", "loss": "loss"}
CHECKPOINTS = ("best.safetensors", "last.safetensors")


def score_file(
    dataset: Dataset,
    checkpoint: Path,
    split: str,
    split_set: str | None,
    batch: int,
    out: Path,
    world: World,
    ui: Ui,
    clips: int,
    crops: int,
    how: Reading | None = None,
) -> dict[str, Any]:
    """Score a split by a checkpoint's file; warn where it has seen the videos, show the result.

    Raises:
        ClipmillError: no such split, no such checkpoint, or one of other data.
    """
    require_split(dataset, split, split_set)
    if checkpoint.is_dir():
        raise no_checkpoint(checkpoint, f"A folder of all runs goes with --split-set {ALL}.")
    weights = load(checkpoint, with_state=False)
    seen = read(checkpoint) if world.first else None
    report = score(
        dataset, weights, split, split_set, batch, out, world, ui, clips, crops, seen, how
    )
    if seen is not None and report["leaks"] is not None:
        where = f"{report['split_set']} of {dataset.name}"
        if text := warning(seen, Overlap(**report["leaks"]), split, where):
            ui.warn(text)
    results.show(report, out, ui)
    return report


def score_all(
    dataset: Dataset,
    runs: Path,
    split: str,
    batch: int,
    out: Path,
    world: World,
    ui: Ui,
    clips: int,
    crops: int,
    how: Reading | None = None,
) -> dict[str, Any]:
    """Score every split set into OUT/<set> by RUNS/<set>/best (or last) and return the summary.

    Raises:
        ClipmillError: a split set without a checkpoint, or what scoring one of them raises.
    """
    files = checkpoints(runs, every(dataset))
    for name in files:
        require_split(dataset, split, name)
    if unfinished := _unfinished(runs, files):
        ui.warn(f"training has not come to its end on {', '.join(unfinished)}: figures are early.")
    reports = {}
    for name, file in files.items():
        ui.note(f"{name}: {file}")
        reports[name] = score_file(
            dataset, file, split, name, batch, out / name, world, ui, clips, crops, how
        )
    report = summary(reports)
    if world.first:
        text = json.dumps(report, indent=1) + "\n"
        LocalStorage(out.absolute()).write("metrics.json", text.encode())
    world.wait()
    _show(report, files, out, ui)
    return report


def checkpoints(runs: Path, names: tuple[str, ...]) -> dict[str, Path]:
    """Return the checkpoint of each split set in a folder of runs: the best, or the last.

    Raises:
        ClipmillError: no folder, or a split set that has no checkpoint there.
    """
    found: dict[str, Path] = {}
    for name in names:
        there = [runs / name / file for file in CHECKPOINTS if (runs / name / file).is_file()]
        if not there:
            raise ClipmillError(
                f"no {' or '.join(CHECKPOINTS)} in {runs / name}; expected --checkpoint to be the "
                "folder that `clipmill train --split-set all --run` filled, with a run of each "
                "split set."
            )
        found[name] = there[0]
    return found


def _unfinished(runs: Path, names: Mapping[str, Path]) -> list[str]:
    """Return the split sets that `train --split-set all` has begun and not ended."""
    try:
        finished = json.loads((runs / FINISHED).read_text())
    except (OSError, ValueError):
        return []  # runs that were trained one by one
    return [name for name in names if name not in finished]


def summary(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean, sample standard deviation, lowest and highest of each measure over the sets.

    A measure that a set lacks (no clip has a label) has none; nor has one set a deviation.
    """
    first = next(iter(reports.values()))
    found: dict[str, Any] = {
        **{key: first[key] for key in ("dataset", "split", "views", "accuracy_of", "network")},
        "split_sets": {name: dict(report) for name, report in reports.items()},
    }
    for title, of in (
        ("mean", statistics.fmean),
        ("deviation", lambda values: statistics.stdev(values) if len(values) > 1 else None),
        ("lowest", min),
        ("highest", max),
    ):
        columns = {name: [report[name] for report in reports.values()] for name in MEASURES}
        found[title] = {
            name: None if None in values else of(values) for name, values in columns.items()
        }
    return found


def _show(report: dict[str, Any], files: Mapping[str, Path], out: Path, ui: Ui) -> None:
    rows = [
        (name, files[name].stem, of["clips"], *_cells(of))
        for name, of in report["split_sets"].items()
    ]
    rows += [(title, "", "", *_cells(report[title])) for title in ("mean", "deviation")]
    ui.table(
        f"{report['dataset']}, {report['split']}: accuracy of {report['accuracy_of']}",
        ("split set", "checkpoint", "clips", *MEASURES.values()),
        rows,
    )
    ui.note(f"metrics.json and a folder for each split set are in {out}")


def _cells(values: Mapping[str, Any]) -> list[str]:
    shares = [results.percent(values[name]) for name in MEASURES if name != "loss"]
    return [*shares, "" if values["loss"] is None else f"{values['loss']:.4f}"]

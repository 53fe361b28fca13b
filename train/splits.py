"""`train --split-set all`: each split set in turn, as if trained alone, in RUN/<set>.

RUN/finished.json lists the sets that have come to their end, for whoever scores them, and
RUN/recipe.toml is what all were asked for, so that --resume alone goes on. Costs as many
runs as there are sets; what has been trained is gone on from, never done again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.splitsets import ALL, FINISHED, every
from model.world import World
from shards import plan
from shards.reading import Reading
from shards.samples import read_samples
from train.inuse import holding, require_free
from train.loop import train
from train.options import Options
from train.recipe import text
from train.run import Run


def train_all(
    dataset: Dataset,
    options: Options,
    folder: str,
    world: World,
    resume: bool,
    ui: Ui,
    how: Reading | None = None,
    recut: bool = False,
) -> dict[str, Any]:
    """Train on every split set and return each one's result by its name.

    With `resume` a finished set is left as it is and an interrupted one goes on.

    Raises:
        ClipmillError: before anything is trained: a set without clips enough, runs that are here
            already; and what training on one set raises.
        KeyboardInterrupt: SIGINT or SIGTERM came; the position is saved.
    """
    runs = {name: Run(Path(folder) / name) for name in every(dataset)}
    if world.first:
        require_free(Path(folder))
    _require_ready(dataset, options, Path(folder), runs, resume)
    world.wait()  # no process may write before all have looked
    storage, results = LocalStorage(Path(folder).absolute()), {}
    with holding(Path(folder)) if world.first else contextlib.nullcontext():
        if world.first:
            asked = dataclasses.replace(options, split_set=ALL)
            Run(folder).write_recipe(text(asked, f"What {Path(folder).name} was trained with."))
        for number, (name, run) in enumerate(runs.items(), 1):
            ui.note(f"split set {name} ({number} of {len(runs)})")
            going_on = resume and bool(run.candidates())
            world.wait()
            mine = dataclasses.replace(options, split_set=name)
            if world.first:
                storage.write(FINISHED, json.dumps([*results]).encode())
            results[name] = train(dataset, mine, run, world, going_on, ui, how, recut)
        if world.first:
            storage.write(FINISHED, json.dumps([*results]).encode())
    return {"run": str(Path(folder).absolute()), "split_sets": results}


def _require_ready(
    dataset: Dataset, options: Options, folder: Path, runs: dict[str, Run], resume: bool
) -> None:
    """Find out at once what would otherwise end the last run days later."""
    if Run(folder).last.exists():
        raise ClipmillError(
            f"{folder} holds the run of one split set; expected a folder for all of them. Give "
            "another --run folder."
        )
    for name, run in runs.items():
        run.require(resume)
        clips = len(read_samples(dataset, "train", name))
        where = f"split 'train' of {name} of {dataset.storage.root}"
        plan.require_batch(clips, options.batch, options.tail, where, options.lanes)


def show(result: dict[str, Any], root: str, folder: str, ui: Ui) -> None:
    """Print each set's result and the command that scores them all."""
    ui.table(
        "trained",
        ("split set", "epochs", "train loss", "best top-1 on val"),
        [
            (name, of["epochs"], of.get("train_loss"), of["best_val_top1"])
            for name, of in result["split_sets"].items()
        ],
    )
    command = ["clipmill", "score", "--root", root, "--checkpoint", folder, "--split-set", ALL]
    command += ["--split", "test", "--out", f"{folder}/score"]
    ui.note(f"Next: {shlex.join(command)}")

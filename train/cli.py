"""The verb `train`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manifests.cli import Root, Say, app, ends
from shards.reading_options import ReadingOptions
from train import asked as settings_asked

verbs = app()
if TYPE_CHECKING:
    Asked = object
else:
    Asked = settings_asked.group()


@verbs.command()
def train(
    *,
    root: Root,
    run: Annotated[str, typer.Option(metavar="DIR", help="Where checkpoints and log go.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Settings to begin with: seed, kinetics-r18, finetune, scratch-strong, few-clips, "
            "or a TOML file such as another run's recipe.toml. [seed]",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last one.")] = False,
    recut: Annotated[
        bool, typer.Option("--recut", help="Go on with another --batch: cut the epoch anew.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    bad_samples: Annotated[
        int, typer.Option(min=0, help="Damaged clips an epoch that are left out, not an error.")
    ] = 0,
    reading: ReadingOptions,
    asked: Asked,
    say: Say,
) -> None:
    """Train a network on the shards; under torchrun on many GPUs."""
    from train import signals

    signals.ignore_early()
    from manifests.dataset import Dataset
    from manifests.splitsets import ALL
    from model.world import joined, rank
    from train import ending, splits
    from train.loop import train as loop
    from train.recipe import resolve
    from train.run import Run

    again = "Go on with the same command and --resume."
    speaks = rank() == 0
    with ends(say, speaks, again) as ui, joined(device) as world:
        options = resolve(recipe, settings_asked.given(asked), Path(run) if resume else None)
        how = reading.reading(bad_samples)
        dataset = Dataset.open(root)
        if options.split_set == ALL:
            options = dataclasses.replace(options, split_set=None)
            result = splits.train_all(dataset, options, run, world, resume, ui, how, recut)
            splits.show(result, root, run, ui)
            ui.finish(result)
            return
        result = loop(dataset, options, Run(run), world, resume, ui, how, recut)
        ui.finish(result)
        ending.show(result, options, root, run, ui)

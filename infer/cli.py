"""The verbs `score` and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import Root, Say, app, ends
from shards.reading_options import ReadingOptions

verbs = app()

CheckpointFile = Annotated[
    Path, typer.Option("--checkpoint", metavar="FILE", help="best.safetensors of a run.")
]
CheckpointOrRuns = Annotated[
    Path,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="best.safetensors of a run; for --split-set all the folder of all runs.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


@verbs.command()
def score(
    *,
    root: Root,
    checkpoint: CheckpointOrRuns,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    split_set: Annotated[
        str | None, typer.Option(help="Such as split2 (the first); all: each, and their mean.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Clips per step, over all processes.")] = 16,
    clips: Annotated[
        int, typer.Option(min=1, help="Windows in time of each clip, averaged (1: the middle).")
    ] = 1,
    crops: Annotated[int, typer.Option(help="Places of each window: 1 or 3.")] = 1,
    reading: ReadingOptions,
    device: Device = "auto",
    say: Say,
) -> None:
    """Score a split's shards: predictions, metrics, classes, confusion matrix."""
    from infer import splits
    from manifests.dataset import Dataset
    from manifests.splitsets import ALL
    from model.world import joined, rank

    with ends(say, speaks=rank() == 0) as ui, joined(device) as world:
        dataset = Dataset.open(root)
        how = (batch, out, world, ui, clips, crops, reading.reading())
        if split_set == ALL:
            report = splits.score_all(dataset, checkpoint, split, *how)
        else:
            report = splits.score_file(dataset, checkpoint, split, split_set, *how)
        ui.finish(report)


@verbs.command()
def predict(
    *,
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Video files.")],
    checkpoint: CheckpointFile,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep JSON and annotated videos here.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5,
    device: Device = "auto",
    say: Say,
) -> None:
    """Show what a network sees in videos; exit with 1 when one could not be read."""
    from infer import predict as predicting
    from model.checkpoint import load
    from model.world import joined

    with ends(say) as ui, joined(device) as world:
        weights = load(checkpoint, with_state=False)
        results = predicting.predict(videos, weights, out, top, world.device, ui)
        ui.finish({"videos": results})
        ui.exit_code = int(any("error" in result for result in results))

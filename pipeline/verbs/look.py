"""The verbs that look at a dataset folder and change nothing: status, inspect, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import Root, Say, app, ends

verbs = app()


@verbs.command()
def status(
    *,
    root: Root,
    split_set: Annotated[
        str | None, typer.Option(help="Count by this split set (default: the first).")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Tell which of the videos this checkpoint has seen."),
    ] = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="All classes, the worst covered first.")
    ] = False,
    say: Say,
) -> None:
    """Show how far the clips are, against the official counts, and why some failed."""
    from manifests.dataset import Dataset
    from pipeline import checkpoint_leaks
    from pipeline import status as reporting

    with ends(say) as ui:
        dataset = Dataset.open(root)
        seen = checkpoint and checkpoint_leaks.leaks(dataset, checkpoint, split_set)
        report = reporting.status(dataset, split_set)
        reporting.show(report, ui, classes)
        if seen:
            checkpoint_leaks.show(seen, ui)
            report["checkpoint"] = seen
        ui.finish(report)


@verbs.command()
def inspect(
    *,
    root: Root,
    clip: Annotated[
        str | None, typer.Option("--clip", metavar="ID", help="Draw one clip, frame by frame.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME",
            envvar="CLIPMILL_INSPECT_CLASS",
            help="Draw a class, a row a clip.",
        ),
    ] = None,
    random: Annotated[
        int | None, typer.Option("--random", metavar="N", help="Draw N clips of all classes.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of --random.")] = 0,
    page: Annotated[int, typer.Option(help="Page of --class and --random, from 1.")] = 1,
    split: Annotated[
        str | None, typer.Option(help="Only clips of train, val or test (default: all).")
    ] = None,
    split_set: Annotated[
        str | None, typer.Option(help="The set whose splits count (default: the first).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Where to draw (default: inspect-….png).")
    ] = None,
    say: Say,
) -> None:
    """Draw packed clips as a PNG, from the shards; or show the statistics of all."""
    from manifests.dataset import Dataset
    from pipeline.inspecting.choose import Wish
    from pipeline.inspecting.inspect import inspect as run

    with ends(say) as ui:
        wish = Wish(clip, label, random, seed, page, split, split_set)
        run(Dataset.open(root), wish, out, ui)


@verbs.command()
def verify(*, root: Root, say: Say) -> None:
    """Re-hash every shard and compare every sample with its row; exit with 1 on damage."""
    from manifests.dataset import Dataset
    from pipeline.verifying import verify as checking

    with ends(say) as ui:
        report = checking.verify(Dataset.open(root), ui)
        checking.show(report, ui)
        ui.finish(report)
        ui.exit_code = 1 if report["problems"] else 0

"""The verbs that look at a dataset folder: status, inspect, and verify, which can mend it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import DryRun, Jobs, Root, Say, app, ends

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


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of the data `verify` reads."""

    subset: Annotated[
        str,
        typer.Option(metavar="SHARE", help="Read a share of the data: 5%, or 2/20 (all by turns)."),
    ] = "100%"
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Which share of --subset 5% (default: another one every day)."),
    ] = None
    time_limit: Annotated[
        float | None, typer.Option(min=0.001, help="End in good order after so many minutes.")
    ] = None
    videos: Annotated[
        bool, typer.Option("--videos", help="Re-hash the videos under the root, too.")
    ] = False
    jobs: Jobs = 0


@verbs.command()
def verify(
    *,
    root: Root,
    reading: Reading,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Remove what is in no table, and let damaged clips be made again by the next "
            "download or pack. Stages wait for it meanwhile.",
        ),
    ] = False,
    dry_run: DryRun = False,
    say: Say,
) -> None:
    """Check tables against files and re-hash what is stored; exit with 1 on damage that stays."""
    import math
    import time

    from pipeline.verifying import verify as checking
    from pipeline.verifying.show import show
    from pipeline.verifying.subset import subset

    with ends(say) as ui:
        day = int(time.time() // 86400)
        share = subset(reading.subset, day if reading.seed is None else reading.seed)
        seconds = math.inf if reading.time_limit is None else reading.time_limit * 60
        wish = checking.Wish(share, seconds, reading.videos, reading.jobs)
        if fix:
            from pipeline.verifying import mending

            checked, made = mending.fix(root, wish, ui, dry_run)
            steps = [{"what": step.name, "how": step.words} for step in made.steps]
            left = [found.where for found, _ in made.left]
            ui.finish(checked.report(wish) | {"fix": steps, "left": left, "dry_run": dry_run})
            ui.exit_code = 1 if left or (steps and dry_run) else 0
            return
        report = checking.check(root, wish, ui).report(wish)
        show(report, ui)
        ui.finish(report)
        ui.exit_code = 1 if report["problems"] else 0

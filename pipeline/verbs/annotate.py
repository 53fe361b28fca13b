"""The verb `annotate`: official lists or one's own videos become clips, labels and splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import Jobs, Root, Say, Strict, app, ends
from pipeline.spec_options import SpecOptions

verbs = app()
kinds = app()
verbs.add_typer(kinds, name="annotate", help="Read lists or folders: clips, labels, splits.")


@dataclass(frozen=True, slots=True)
class Looking:
    """How the videos are looked at once the lists are read."""

    seed: Annotated[int, typer.Option(min=0, help="Seed of the cuts and shuffles.")] = 0
    jobs: Jobs = 0
    strict: Strict = False


Videos = Annotated[
    Path, typer.Option("--videos", metavar="DIR", help="The folder that holds the videos.")
]


@kinds.command("folder")
def annotate_folder(
    *,
    root: Root,
    videos: Videos,
    csv: Annotated[
        Path | None, typer.Option(help="A list: path,label[,split][,start,end][,group].")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="A file with one class a line: fixes labels and order.")
    ] = None,
    val: Annotated[float, typer.Option(help="Part of the clips for val, where none is.")] = 0.1,
    test: Annotated[float, typer.Option(help="Part of the clips for test, where none is.")] = 0.2,
    name: Annotated[str | None, typer.Option(help="The data set's name.")] = None,
    looking: Looking,
    spec: SpecOptions,
    say: Say,
) -> None:
    """Your own videos: CLASS/FILE, SPLIT/CLASS/FILE, or a CSV that lists them."""
    from pipeline import annotating, running
    from pipeline.annotate.folder import read_folder

    with ends(say) as ui:
        title = name or videos.absolute().name
        chosen = spec.resolve()
        found = read_folder(
            videos, csv=csv, val=val, test=test, seed=looking.seed, name=title, classes=classes
        )
        options = running.Options(jobs=looking.jobs, retry="failed", strict=looking.strict)
        annotating.annotate(root, found, chosen, looking.seed, videos, options, ui)


@kinds.command("ucf101")
def annotate_ucf101(
    *,
    root: Root,
    lists: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder with classInd.txt and the lists.")
    ],
    videos: Videos,
    val: Annotated[
        str,
        typer.Option(help="Part of train cut off as val, by whole groups; or `seed`, which leaks."),
    ] = "0.1",
    looking: Looking,
    spec: SpecOptions,
    say: Say,
) -> None:
    """UCF101's three official splits, or your own lists in their format."""
    from pipeline import annotating, running
    from pipeline.annotate.ucf101 import read_ucf101

    with ends(say) as ui:
        chosen = spec.resolve()
        found = read_ucf101(lists, val=annotating.val_option(val), seed=looking.seed)
        folder = videos / "UCF-101" if (videos / "UCF-101").is_dir() else videos
        options = running.Options(jobs=looking.jobs, retry="failed", strict=looking.strict)
        annotating.annotate(root, found, chosen, looking.seed, folder, options, ui)

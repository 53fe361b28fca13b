"""The verb `annotate`: official lists or one's own videos become clips, labels and splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from manifests.cli import Address, Backend, Jobs, Root, Say, Strict, app, ends
from manifests.errors import ClipmillError
from pipeline.spec_options import SpecOptions

if TYPE_CHECKING:
    from manifests.console import Ui
    from manifests.rows import Annotation
    from pipeline import running

verbs = app()
kinds = app()
verbs.add_typer(kinds, name="annotate", help="Read lists or folders: clips, labels, splits.")


@dataclass(frozen=True, slots=True)
class Looking:
    """How the videos are looked at once the lists are read."""

    seed: Annotated[int, typer.Option(min=0, help="Seed of the cuts and shuffles.")] = 0
    jobs: Jobs = 0
    backend: Backend = "loky"
    address: Address = None
    strict: Strict = False

    def resolve(self) -> running.Options:
        """Return how the videos' stage is run."""
        from pipeline import running

        return running.Options(
            self.jobs,
            "failed",
            strict=self.strict,
            backend=self.backend,
            address=self.address,
        )


Videos = Annotated[
    Path,
    typer.Option(
        "--videos", metavar="PATH", help="The folder that holds the videos, or a zip, tar or rar."
    ),
]
Lists = Annotated[
    str,
    typer.Option(
        "--lists", metavar="PATH|URL", help="The lists: a folder, a file, an archive or a URL."
    ),
]


@kinds.command("folder")
def annotate_folder(
    *,
    root: Root,
    videos: Annotated[
        Path | None,
        typer.Option(
            "--videos",
            metavar="PATH",
            help="The folder that holds the videos, or a zip, tar or rar (the list's folder).",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="A list: path or web address,label[,split][,start,end][,group]."),
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
    from pipeline import annotating
    from pipeline.annotate.folder import read_folder

    with ends(say) as ui:
        if videos is None:
            if csv is None:
                raise ClipmillError("neither --videos nor --csv; expected one of them, or both.")
            videos = csv.absolute().parent
        title = name or (videos.stem if videos.is_file() else videos.absolute().name)
        chosen = spec.resolve()
        found = read_folder(
            videos, csv=csv, val=val, test=test, seed=looking.seed, name=title, classes=classes
        )
        options = looking.resolve()
        annotating.annotate(root, found, chosen, looking.seed, videos, options, ui)


@kinds.command("ucf101")
def annotate_ucf101(
    *,
    root: Root,
    lists: Lists,
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
    from pipeline import annotating
    from pipeline.annotate.ucf101 import read_ucf101

    with ends(say) as ui:
        fraction: float | Literal["seed"] = annotating.val_option(val, "seed")

        def read(folder: Path) -> Annotation:
            return read_ucf101(folder, val=fraction, seed=looking.seed)

        below = videos / "UCF-101"
        _annotate(root, lists, read, spec, looking, below if below.is_dir() else videos, ui)


@kinds.command("hmdb51")
def annotate_hmdb51(
    *,
    root: Root,
    lists: Lists,
    videos: Videos,
    val: Annotated[
        str,
        typer.Option(
            help="`unused`: the clips that a split leaves unused; or the part of train cut off as "
            "val, by whole videos."
        ),
    ] = "unused",
    looking: Looking,
    spec: SpecOptions,
    say: Say,
) -> None:
    """HMDB51's three official splits."""
    from pipeline import annotating
    from pipeline.annotate.hmdb51 import read_hmdb51

    with ends(say) as ui:
        fraction: float | Literal["unused"] = annotating.val_option(val, "unused")

        def read(folder: Path) -> Annotation:
            return read_hmdb51(folder, val=fraction, seed=looking.seed)

        _annotate(root, lists, read, spec, looking, videos, ui)


@kinds.command("kinetics")
def annotate_kinetics(
    *,
    root: Root,
    lists: Lists,
    videos: Annotated[
        Path | None,
        typer.Option(
            "--videos", metavar="PATH", help="Folder or archive of ID_000010_000020.mp4 or ID.mp4."
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(metavar="400|600|700|700-2020", help="Where names and classes do not tell."),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="A file with one class a line: fixes labels and order.")
    ] = None,
    looking: Looking,
    spec: SpecOptions,
    say: Say,
) -> None:
    """Kinetics-400, 600, 700 or 700-2020, from any release of its lists."""
    from pipeline.annotate.kinetics import read_kinetics

    with ends(say) as ui:

        def read(folder: Path) -> Annotation:
            return read_kinetics(folder, version=version, classes=classes, typed=lists)

        _annotate(root, lists, read, spec, looking, videos, ui)


def _annotate(
    root: str,
    lists: str,
    read: Callable[[Path], Annotation],
    spec: SpecOptions,
    looking: Looking,
    videos: Path | None,
    ui: Ui,
) -> None:
    """Read lists, wherever they are, and keep what they ask for."""
    from pipeline import annotating
    from pipeline.annotate.lists_from import lists_from

    chosen = spec.resolve()
    with lists_from(lists) as folder:
        found = read(folder)
    options = looking.resolve()
    annotating.annotate(root, found, chosen, looking.seed, videos, options, ui)

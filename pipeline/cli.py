"""The verbs of the pipeline: annotate, download, decode, pack, build, status, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from manifests.cli import DryRun, Jobs, Json, Quiet, Root, Strict, Verbose, app, ends
from pipeline.spec_options import Codec, Fit, Frames, Sampling, Size, Spec, spec_from

verbs = app()
annotate = app()
verbs.add_typer(annotate, name="annotate", help="Read lists or folders: clips, labels, splits.")

Videos = Annotated[
    Path, typer.Option("--videos", metavar="DIR", help="The folder that holds the videos.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the cuts and shuffles.")]
RetryOption = Annotated[
    Literal["none", "failed", "gone", "all"],
    typer.Option("--retry", help="Which clips with a failed outcome to try again."),
]
DecoderOption = Annotated[
    Literal["pyav", "ffmpeg"],
    typer.Option("--decoder", help="PyAV in the child, or ffmpeg started by it; same pixels."),
]
ShardMb = Annotated[
    float | None,
    typer.Option("--shard-mb", min=0.001, help="Shard size to aim at, in MB (about 256)."),
]


@annotate.command("folder")
def annotate_folder(
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
    seed: Seed = 0,
    spec: Spec = "seed",
    frames: Frames = None,
    sampling: Sampling = None,
    size: Size = None,
    fit: Fit = None,
    codec: Codec = None,
    jobs: Jobs = 0,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Your own videos: CLASS/FILE, SPLIT/CLASS/FILE, or a CSV that lists them."""
    from pipeline import annotating, running
    from pipeline.annotate.folder import read_folder

    with ends(json, quiet, verbose) as ui:
        chosen = spec_from(spec, frames, sampling, size, fit, codec)
        title = name or videos.absolute().name
        found = read_folder(
            videos, csv=csv, val=val, test=test, seed=seed, name=title, classes=classes
        )
        options = running.Options(jobs=jobs, retry="failed", strict=strict)
        annotating.annotate(root, found, chosen, seed, videos, options, ui)


@annotate.command("ucf101")
def annotate_ucf101(
    root: Root,
    lists: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder with classInd.txt and the lists.")
    ],
    videos: Videos,
    val: Annotated[
        str,
        typer.Option(help="Part of train cut off as val, by whole groups; or `seed`, which leaks."),
    ] = "0.1",
    seed: Seed = 0,
    spec: Spec = "seed",
    frames: Frames = None,
    sampling: Sampling = None,
    size: Size = None,
    fit: Fit = None,
    codec: Codec = None,
    jobs: Jobs = 0,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """UCF101's three official splits, or your own lists in their format."""
    from pipeline import annotating, running
    from pipeline.annotate.ucf101 import read_ucf101

    with ends(json, quiet, verbose) as ui:
        chosen = spec_from(spec, frames, sampling, size, fit, codec)
        found = read_ucf101(lists, val=annotating.val_option(val), seed=seed)
        folder = videos / "UCF-101" if (videos / "UCF-101").is_dir() else videos
        options = running.Options(jobs=jobs, retry="failed", strict=strict)
        annotating.annotate(root, found, chosen, seed, folder, options, ui)


@verbs.command()
def download(
    root: Root,
    retry: RetryOption = "none",
    jobs: Jobs = 0,
    dry_run: DryRun = False,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find and check each clip's video; say what is missing and why."""
    from pipeline import running

    with ends(json, quiet, verbose) as ui:
        options = running.Options(jobs=jobs, retry=retry, dry_run=dry_run, strict=strict)
        running.run(root, ["download"], options, ui)


@verbs.command()
def decode(
    root: Root,
    retry: RetryOption = "none",
    decoder: DecoderOption = "pyav",
    jobs: Jobs = 0,
    dry_run: DryRun = False,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Keep decoded clips under clips/ (pack decodes on the way without this)."""
    from pipeline import running

    with ends(json, quiet, verbose) as ui:
        options = running.Options(jobs, retry, decoder, None, dry_run, strict)
        running.run(root, ["decode"], options, ui)


@verbs.command()
def pack(
    root: Root,
    retry: RetryOption = "none",
    decoder: DecoderOption = "pyav",
    shard_mb: ShardMb = None,
    jobs: Jobs = 0,
    dry_run: DryRun = False,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Decode what is acquired and write it into shards."""
    from pipeline import running

    with ends(json, quiet, verbose) as ui:
        options = running.Options(jobs, retry, decoder, shard_mb, dry_run, strict)
        running.run(root, ["pack"], options, ui)


@verbs.command()
def build(
    root: Root,
    retry: RetryOption = "none",
    decoder: DecoderOption = "pyav",
    shard_mb: ShardMb = None,
    jobs: Jobs = 0,
    dry_run: DryRun = False,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Do all that is pending: download, then pack."""
    from pipeline import running

    with ends(json, quiet, verbose) as ui:
        options = running.Options(jobs, retry, decoder, shard_mb, dry_run, strict)
        running.run(root, ["download", "pack"], options, ui)


@verbs.command()
def status(
    root: Root,
    split_set: Annotated[
        str | None, typer.Option(help="Count by this split set (default: the first).")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show how far the clips are, per split and class, and why some failed."""
    from manifests.dataset import Dataset
    from pipeline import status as reporting

    with ends(json, quiet, verbose) as ui:
        report = reporting.status(Dataset.open(root), split_set)
        reporting.show(report, ui)
        ui.finish(report)


@verbs.command()
def verify(root: Root, json: Json = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Re-hash every shard and compare every sample with its row; exit with 1 on damage."""
    from manifests.dataset import Dataset
    from pipeline import verify as checking

    with ends(json, quiet, verbose) as ui:
        report = checking.verify(Dataset.open(root), ui)
        checking.show(report, ui)
        ui.finish(report)
        ui.exit_code = 1 if report["problems"] else 0


@verbs.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to put everything.")] = Path(
        "demo"
    ),
    clips: Annotated[int, typer.Option(min=10, help="Videos to make for each class.")] = 100,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make videos, pack them, train, score and predict: the whole road in a few minutes."""
    from pipeline import demo as road

    with ends(json, quiet, verbose) as ui:
        road.run(out, clips, ui)

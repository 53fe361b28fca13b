"""The verbs that run stages: download, decode, pack, and build for all that is pending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from manifests.cli import DryRun, Jobs, Root, Say, Strict, app, ends

verbs = app()

Decoder = Annotated[
    Literal["pyav", "ffmpeg"],
    typer.Option("--decoder", help="PyAV in the child, or ffmpeg started by it; same pixels."),
]
ShardMb = Annotated[
    float | None,
    typer.Option("--shard-mb", min=0.001, help="Shard size to aim at, in MB (about 256)."),
]


@dataclass(frozen=True, slots=True)
class Running:
    """What all stages are told."""

    retry: Annotated[
        Literal["none", "failed", "gone", "all"],
        typer.Option(help="Which clips with a failed outcome to try again."),
    ] = "none"
    jobs: Jobs = 0
    dry_run: DryRun = False
    strict: Strict = False


@verbs.command()
def download(*, root: Root, running: Running, say: Say) -> None:
    """Find and check each clip's video; say what is missing and why."""
    _run(root, ["download"], running, say)


@verbs.command()
def decode(*, root: Root, decoder: Decoder = "pyav", running: Running, say: Say) -> None:
    """Keep decoded clips under clips/ (pack decodes on the way without this)."""
    _run(root, ["decode"], running, say, decoder)


@verbs.command()
def pack(
    *, root: Root, decoder: Decoder = "pyav", shard_mb: ShardMb = None, running: Running, say: Say
) -> None:
    """Decode what is acquired and write it into shards."""
    _run(root, ["pack"], running, say, decoder, shard_mb)


@verbs.command()
def build(
    *, root: Root, decoder: Decoder = "pyav", shard_mb: ShardMb = None, running: Running, say: Say
) -> None:
    """Do all that is pending: download, then pack."""
    _run(root, ["download", "pack"], running, say, decoder, shard_mb)


def _run(
    root: str,
    stages: list[str],
    chosen: Running,
    say: Say,
    decoder: Literal["pyav", "ffmpeg"] = "pyav",
    shard_mb: float | None = None,
) -> None:
    from pipeline import running

    with ends(say) as ui:
        options = running.Options(
            chosen.jobs, chosen.retry, decoder, shard_mb, chosen.dry_run, chosen.strict
        )
        running.run(root, stages, options, ui)

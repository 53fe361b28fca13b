"""The verbs that run stages: download, decode, pack, and build for all that is pending."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from manifests.cli import Address, Backend, DryRun, Jobs, Root, Say, Strict, app, ends
from pipeline.verbs.addresses import Cvdf, Proxy, YouTube

if TYPE_CHECKING:
    from pipeline.fetch.network import Network

verbs = app()

Decoder = Annotated[
    Literal["pyav", "ffmpeg"],
    typer.Option("--decoder", help="PyAV in the child, or ffmpeg started by it; same pixels."),
]
ShardMb = Annotated[
    float | None,
    typer.Option("--shard-mb", min=0.001, help="Shard size to aim at, in MB (about 256)."),
]


KeepFree = Annotated[
    float, typer.Option("--keep-free", min=0, help="GB of the disk that stay free.")
]


@dataclass(frozen=True, slots=True)
class Running:
    """What all stages are told."""

    retry: Annotated[
        Literal["none", "failed", "gone", "all"],
        typer.Option(help="Which clips with a failed outcome to try again."),
    ] = "none"
    jobs: Jobs = 0
    backend: Backend = "loky"
    address: Address = None
    dry_run: DryRun = False
    strict: Strict = False


@dataclass(frozen=True, slots=True)
class Choosing:
    """Which clips a pack takes, and how much room it leaves."""

    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Only clips of these splits of the default split set (again, or with commas).",
        ),
    ] = None
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="At most so many clips, those packed before among them, in an order that the seed "
            "draws: the same clips come first on every run.",
        ),
    ] = None
    keep_free: KeepFree = 1.0


@dataclass(frozen=True, slots=True)
class Downloading:
    """What a download from the network is told."""

    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Where from, in this order: of local, cvdf, https and youtube (default: all but "
            "youtube).",
        ),
    ] = None
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="The I-th of N shares, one a machine.")
    ] = None
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Only these classes, one a line.")
    ] = None
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many clips of each source.")
    ] = None
    time_limit: Annotated[
        float | None, typer.Option(min=0.001, help="End in good order after so many minutes.")
    ] = None
    bandwidth: Annotated[
        float | None, typer.Option(min=0.001, help="MB a second, all connections together.")
    ] = None
    per_hour: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Requests an hour to each host, kept over runs (YouTube: 300)."
        ),
    ] = None
    keep_free: KeepFree = 1.0
    proxy: Proxy = None
    cvdf: Cvdf = None
    youtube: YouTube = None
    cookies: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Cookies for YouTube, as a browser exports them."),
    ] = None

    def resolve(self) -> Network:
        """Return them in the units that the stage takes."""
        from pipeline.fetch.network import Network, order_of

        return Network(
            order_of(self.source),
            self.part,
            self.classes,
            self.limit,
            None if self.time_limit is None else self.time_limit * 60,
            None if self.bandwidth is None else self.bandwidth * 1e6,
            self.per_hour,
            int(self.keep_free * 1e9),
            self.proxy,
            cvdf=self.cvdf,
            youtube=self.youtube,
            cookies=self.cookies,
        )


@verbs.command()
def download(*, root: Root, running: Running, downloading: Downloading, say: Say) -> None:
    """Find, fetch and check each clip's video; say what is missing and why."""
    _run(root, ["download"], running, say, downloading=downloading)


@verbs.command()
def decode(*, root: Root, decoder: Decoder = "pyav", running: Running, say: Say) -> None:
    """Keep decoded clips under clips/ (pack decodes on the way without this)."""
    _run(root, ["decode"], running, say, decoder)


@verbs.command()
def pack(
    *,
    root: Root,
    decoder: Decoder = "pyav",
    shard_mb: ShardMb = None,
    choosing: Choosing,
    running: Running,
    say: Say,
) -> None:
    """Decode what is acquired and write it into shards."""
    _run(root, ["pack"], running, say, decoder, shard_mb, choosing=choosing)


@verbs.command()
def build(
    *,
    root: Root,
    decoder: Decoder = "pyav",
    shard_mb: ShardMb = None,
    running: Running,
    downloading: Downloading,
    say: Say,
) -> None:
    """Do all that is pending: download, then pack."""
    _run(root, ["download", "pack"], running, say, decoder, shard_mb, downloading)


def _run(
    root: str,
    stages: list[str],
    chosen: Running,
    say: Say,
    decoder: Literal["pyav", "ffmpeg"] = "pyav",
    shard_mb: float | None = None,
    downloading: Downloading | None = None,
    choosing: Choosing | None = None,
) -> None:
    from pipeline import running
    from pipeline.packing.choosing import EVERYTHING, Choice

    with ends(say) as ui:
        room = choosing or downloading
        options = running.Options(
            jobs=chosen.jobs,
            retry=chosen.retry,
            decoder=decoder,
            shard_mb=shard_mb,
            choice=Choice.of(choosing.split, choosing.limit) if choosing else EVERYTHING,
            keep_free=int(room.keep_free * 1e9) if room else 0,
            dry_run=chosen.dry_run,
            strict=chosen.strict,
            network=None if downloading is None else downloading.resolve(),
            backend=chosen.backend,
            address=chosen.address,
        )
        running.run(root, stages, options, ui)

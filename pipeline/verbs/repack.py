"""The verb `repack`: shards of another size or codec, without decoding a video."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from manifests.cli import Root, Say, app, ends
from pipeline.verbs.stages import KeepFree, Running, ShardMb

verbs = app()


@verbs.command()
def repack(
    *,
    root: Root,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="The new dataset folder; it can be gone on with.")
    ],
    codec: Annotated[
        Literal["raw", "jpeg"] | None,
        typer.Option(help="What the new shards hold (what the old ones do)."),
    ] = None,
    shard_mb: ShardMb = None,
    keep_free: KeepFree = 1.0,
    running: Running,
    say: Say,
) -> None:
    """Make a new dataset folder from shards: another size, or jpeg strips from raw clips."""
    from pipeline import running as runner
    from pipeline.packing import repacking

    with ends(say) as ui:
        options = runner.Options(
            jobs=running.jobs,
            backend=running.backend,
            address=running.address,
            retry=running.retry,
            shard_mb=shard_mb,
            keep_free=int(keep_free * 1e9),
            dry_run=running.dry_run,
            strict=running.strict,
        )
        repacking.repack(root, out, codec, options, ui)

"""How shards are read, as options of the verbs that read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shards.reading import Reading


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What may differ from machine to machine; none of it changes what is read."""

    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes of each rank that read shards (what fits)."),
    ] = None
    verify_reads: Annotated[
        bool,
        typer.Option("--verify-reads", help="Hash each clip each time, not each shard once."),
    ] = False

    def reading(self, bad_samples: int = 0) -> Reading:
        """Return them as a stream takes them."""
        from shards.reading import Reading

        return Reading(self.workers, self.verify_reads, bad_samples)

"""What a pack is going to come to, said before it begins, and held against the room there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from manifests.console import clock, size
from manifests.errors import StoppedError
from manifests.storage import Storage
from shards.write import FOLDER

SHARD_END = 10_240  # a tar ends on a whole record


class Costing(Protocol):
    """What knows what clips come to."""

    def sample_bytes(self, todo: Sequence[str]) -> int:
        """Return the tar bytes of one sample."""
        ...

    def seconds(self, todo: Sequence[str]) -> float | None:
        """Return how long one worker takes over all of them; None where nothing tells."""
        ...


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to come: `bytes` yet to be written, `seconds` with all workers (None: unknown; where
    `workers` is None, a cluster's, those of one), and `free` bytes where they go (None: an object
    store, which does not tell).
    """

    clips: int
    shards: int
    bytes: int
    seconds: float | None
    workers: int | None
    free: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {
            "clips": self.clips,
            "shards": self.shards,
            "bytes": self.bytes,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "workers": self.workers,
            "free": self.free,
        }

    def words(self) -> str:
        """Return it as people read it."""
        workers = f"{self.workers} worker{'s' if (self.workers or 1) > 1 else ''}"
        if self.workers is None:
            workers = "one worker, divided among the cluster's"
        time = "" if self.seconds is None else f", about {clock(self.seconds)} with {workers}"
        free = "" if self.free is None else f"; {size(self.free)} free"
        return f"about {size(self.bytes)} in {self.shards:,} new shards{time}{free}"

    def require_room(self, root: str, keep_free: int, or_else: str = "") -> None:
        """Raise where it does not fit; `or_else` is what else may be done about that.

        Raises:
            StoppedError: says how much is there, how much is wanted, what to do.
        """
        if self.free is None or self.bytes + keep_free <= self.free:
            return
        kept = f", and {size(keep_free)} are to stay free (--keep-free)" if keep_free else ""
        raise StoppedError(
            f"{root} has {size(self.free)} free; the {self.clips:,} clips to pack take about "
            f"{size(self.bytes)}{kept}. Free some space and run the same command again{or_else}."
        )


def forecast(
    storage: Storage,
    views: Callable[[str], int],
    costs: Costing,
    todo: pa.Table,
    workers: int | None,
) -> Forecast:
    """Return what the rows of a plan come to; shards that stand already are counted as written.

    `views` says how many samples a clip becomes, `workers` None that nobody knows how many come.
    """
    clips = todo["clip_id"].to_pylist()
    shards = todo["shard"].unique().to_pylist()
    there = storage.list(FOLDER)
    written = sum(there.get(shard, 0) for shard in shards)
    samples = sum(map(views, clips))
    wanted = samples * costs.sample_bytes(clips) + len(shards) * SHARD_END // 2
    seconds = costs.seconds(clips)
    return Forecast(
        len(clips),
        len(shards),
        max(0, wanted - written),
        None if seconds is None else seconds / max(1, min(workers or 1, len(shards))),
        workers,
        storage.free(),
    )

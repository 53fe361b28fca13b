"""Which clips are to be done: those without an outcome, and those that `--retry` tries again.

One rule for every stage and every source of videos. About a second for 500,000 clips.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables

Retry = Literal["none", "failed", "gone", "all"]
# The endings of a last attempt that each word tries again.
AGAIN: dict[Retry, tuple[str, ...]] = {
    "none": (),
    "failed": ("failed",),
    "gone": ("gone",),
    "all": ("failed", "gone"),
}
STATE = ("clip_id", "attempt", "status")  # the columns of outcomes that decide
T = TypeVar("T")


def pending(
    wanted: Iterable[tuple[str, T]],
    outcomes: pa.Table,
    retry: Retry,
    via: str | None = None,
    lost: Collection[str] = (),
) -> list[tuple[str, T, int]]:
    """Return (clip_id, what came with it, attempt) of the clips to do.

    With `via` only attempts of that source count, but a clip that any source brought is done.
    Clips in `lost` were done and are so no more.
    """
    last = tables.latest(outcomes)
    clips, statuses = last["clip_id"].to_pylist(), last["status"].to_pylist()
    reached = dict(zip(clips, last["attempt"].to_pylist(), strict=True))
    state = dict(zip(clips, statuses, strict=True))
    if via is not None:
        mine = tables.latest(outcomes.filter(pc.field("via") == via))
        own = dict(zip(mine["clip_id"].to_pylist(), mine["status"].to_pylist(), strict=True))
        state = own | {clip: status for clip, status in state.items() if status == "done"}
    state |= dict.fromkeys(lost, "failed")
    again = ("", *AGAIN[retry])
    return [
        (clip, more, reached.get(clip, 0) + 1)
        for clip, more in wanted
        if state.get(clip, "") in again
    ]

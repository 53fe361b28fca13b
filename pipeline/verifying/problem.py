"""What verify finds: where, what, what to do, and what `--fix` can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["shard", "rows", "tensor", "video", "file"]
"""shard: retire it; rows: make a whole shard's rows again; tensor, video: remove, and let the stage
that made it do so again; file: remove what is in no table."""


class Mend(NamedTuple):
    """One thing that `--fix` can do; `name` is a shard's name, or a path under the root."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as the tables say: where, what, and what to do."""

    where: str
    what: str
    cure: str
    mend: Mend | None = None

    def as_dict(self) -> dict[str, str]:
        """Plain values for --json."""
        return {"where": self.where, "what": self.what, "cure": self.cure}


FIX = "`clipmill verify --fix`"
PACK_ANEW = f"put the shard back from a copy, or {FIX}, then `clipmill pack`, makes it again"
ROWS = f"{FIX} makes the rows of whole shards again"
FROM_VIDEO = (
    "nothing is lost: `clipmill pack` decodes the clip from its video instead; "
    f"{FIX} removes what is left"
)
DOWNLOAD_ANEW = f"put the file back from a copy, or {FIX}, then `clipmill download`, brings it"

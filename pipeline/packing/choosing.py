"""Which of the acquired clips a pack takes: some splits, so many clips.

Pure; half a million clips take about a second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import xxhash

from manifests.errors import unknown
from pipeline.packplan import UNSPLIT

NO_SPLIT = (UNSPLIT,)


@dataclass(frozen=True, slots=True)
class Choice:
    """`splits` None are all of them, `limit` None is no limit."""

    splits: frozenset[str] | None = None
    limit: int | None = None

    @classmethod
    def of(cls, splits: Iterable[str] | None, limit: int | None) -> Self:
        """Return the choice that options describe; a text of `splits` may hold several names."""
        names = [name.strip() for text in splits or () for name in text.split(",")]
        return cls(frozenset(filter(None, names)) or None, limit)

    def require(self, splits_of: Mapping[str, Sequence[str]]) -> None:
        """Raise for a split that the default split set does not have."""
        there = sorted({split for splits in splits_of.values() for split in splits})
        for name in sorted(self.splits or ()):
            if name not in (*there, UNSPLIT):
                raise unknown("split", name, [*there, UNSPLIT])

    def of_splits(
        self, clips: Iterable[str], splits_of: Mapping[str, Sequence[str]]
    ) -> Iterable[str]:
        """Return the clips that are in one of the splits, in the order in which they come."""
        if self.splits is None:
            return clips
        wanted = self.splits
        return (clip for clip in clips if not wanted.isdisjoint(splits_of.get(clip) or NO_SPLIT))

    def first(self, clips: Iterable[str], begun: Collection[str], seed: int) -> Iterable[str]:
        """Return the clips that the limit lets through: those begun earlier, then by the seed.

        A clip's place in that order depends on its id and the seed alone, and what was begun counts
        as taken: the same command run again, after an interruption too, takes no further clip.
        """
        if self.limit is None:
            return clips
        return sorted(clips, key=lambda clip: (clip not in begun, seeded(clip, seed), clip))[
            : self.limit
        ]


def seeded(clip: str, seed: int) -> int:
    """Return a clip's place in the order that a seed draws."""
    return xxhash.xxh3_64_intdigest(f"{seed}\t{clip}".encode())


EVERYTHING = Choice()

"""Which part of the data a run reads: `2/20`, or `5%` by bytes. Pure; a second for 500,000 files.

2/20  the files whose name hashes to the second of twenty groups: runs 1/20 to 20/20 read all,
      whatever is packed in between
5%    files in an order of their hashes, as many as make 5% of the bytes; share number `seed` of
      that order, so seeds 0 to 19 read all:   |--0--|--1--|--2--| ... |--19--|
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import xxhash

from manifests.errors import ClipmillError


@dataclass(frozen=True, slots=True)
class Subset:
    """The share of the data that is read: group `number` (from 1) of `count`, or `percent`."""

    text: str
    number: int = 1
    count: int = 1
    percent: float | None = None
    seed: int = 0

    def chosen(self, sizes: Mapping[str, int]) -> set[str]:
        """Return the names to read, of files given with their bytes."""
        if self.percent is None:
            return {name for name in sizes if _hash(name) % self.count == self.number - 1}
        names = sorted(sizes, key=_hash)
        total = sum(sizes.values())
        # Where a file begins on the line of all bytes decides, so each one is in one share.
        begin = (self.seed * self.percent / 100) % 1.0
        found, at = set(), 0
        for name in names:
            place = (at / max(total, 1) - begin) % 1.0
            if place < self.percent / 100 or math.isclose(place, 1.0):
                found.add(name)
            at += sizes[name]
        return found or set(names[:1])


ALL = Subset("100%", percent=100.0)


def subset(text: str, seed: int) -> Subset:
    """Return the share that `--subset` names.

    Raises:
        ClipmillError: it is neither `5%` nor `2/20`.
    """
    if match := re.fullmatch(r"(\d+)/(\d+)", text.strip()):
        number, count = int(match[1]), int(match[2])
        if 1 <= number <= count:
            return Subset(text, number, count)
    elif (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())) and 0 < float(
        match[1]
    ) <= 100:
        return Subset(text, percent=float(match[1]), seed=seed)
    raise ClipmillError(
        f"--subset {text!r}; expected a share of the bytes such as 5%, or one of equal parts such "
        "as 2/20 (the second of twenty)."
    )


def _hash(name: str) -> int:
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogateescape"))

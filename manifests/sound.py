"""Rows that no stage writes: refused where a table is read, so that nothing later meets them.

Tables are data of strangers: a shard's name becomes a path and part of a URL, offsets become places
in a file. Some milliseconds for 500,000 rows.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import ClipmillError
from manifests.shardnames import EXPECTED, PATTERN

MOST = 1 << 60  # bytes: sums of two such numbers are still numbers of 64 bits
_NUMBERS = {
    "shards": ("samples", "bytes", "generation"),
    "samples": ("view", "index", "label_id", "offset", "nbytes"),
}


def require_sound(table: pa.Table, name: str, where: str, cure: str) -> None:
    """Raise unless shards have names that `pack` makes, and places and lengths are possible.

    Raises:
        ClipmillError: names the file, the value and what was expected.
    """
    if "shard" in table.column_names:
        names = table["shard"].unique().drop_null()
        good = pc.match_substring_regex(names, pattern=rf"\A(?:{PATTERN})\z")  # type: ignore[attr-defined]
        for wrong in names.filter(pc.invert(good)).to_pylist()[:1]:  # type: ignore[attr-defined]
            raise ClipmillError(
                f"{where} names a shard {wrong[:80]!r}; expected {EXPECTED}. {cure}"
            )
    for column in _NUMBERS.get(name, ()):
        ends = pc.min_max(table[column]).as_py()  # type: ignore[attr-defined]
        for value in ends.values():
            if value is not None and not 0 <= value <= MOST:
                raise ClipmillError(
                    f"{where} says {value} for {column}; expected 0 to {MOST}. {cure}"
                )

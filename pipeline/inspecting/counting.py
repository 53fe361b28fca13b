"""Counts and spreads of columns, in arrow: no Python object for a row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

UNKNOWN = "(unknown)"
_QUANTILES = {"min": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "max": 1.0}


def among(rows: pa.Table, clips: pa.ChunkedArray) -> pa.Table:
    """Return the rows whose clip_id is one of `clips`, of which there may be none."""
    # In one piece, for arrow takes a column without a chunk for one without a type.
    return rows.filter(pc.field("clip_id").isin(clips.combine_chunks()))


def counts(column: pa.ChunkedArray) -> dict[str, int]:
    """Return how often each value occurs, as text, the most frequent first."""
    found = pc.value_counts(column)  # type: ignore[attr-defined]
    pairs = [
        (UNKNOWN if row["values"] is None else f"{row['values']}", row["counts"])
        for row in found.to_pylist()
    ]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def spread(column: pa.ChunkedArray) -> dict[str, float] | None:
    """Return smallest, median, mean, largest and the outer twentieths; None without a number."""
    values = column.drop_null().to_numpy()
    if not len(values):
        return None
    cuts = np.quantile(values, list(_QUANTILES.values()))
    named = dict(zip(_QUANTILES, map(float, cuts), strict=True))
    return named | {"mean": float(values.mean()), "sum": float(values.sum())}


def rates(fps: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return frame rates to two digits behind the point: 29.97 and 30 stay apart."""
    return pc.round(fps, ndigits=2)  # type: ignore[attr-defined]


def sizes(rows: pa.Table) -> pa.ChunkedArray:
    """Return `height x width` of each row as text, null where one is not known."""
    height, width = (pc.cast(rows[name], pa.string()) for name in ("height", "width"))
    return pc.binary_join_element_wise(height, width, "x")  # type: ignore[attr-defined]


def total(column: pa.ChunkedArray) -> int:
    """Return the sum of whole numbers, 0 for none."""
    return pc.sum(column).as_py() or 0  # type: ignore[attr-defined]

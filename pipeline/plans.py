"""Written plans: what a run of a stage set out to do, kept as manifests/plans/NAME-N.parquet.

A plan is finished when each of its clips has an outcome of the planned attempt. A run finishes
the last plan before it makes another, so what an interrupted run meant to do is what is done.
"""

from __future__ import annotations

import re

import pyarrow as pa

from manifests import tables
from manifests.dataset import Dataset

FOLDER = "manifests/plans"


def numbers(dataset: Dataset, name: str) -> list[int]:
    """Return the numbers of the plans of a name, ascending."""
    pattern = re.compile(rf"{re.escape(name)}-(\d+)\.parquet")
    found = (pattern.fullmatch(name) for name in dataset.storage.list(FOLDER))
    return sorted(int(match[1]) for match in found if match)


def table_of(name: str) -> str:
    """Return the table that a plan is: `download-youtube` is a part of the stage `download`."""
    return f"plans/{name.partition('-')[0]}"


def read(dataset: Dataset, name: str, number: int) -> pa.Table:
    """Return one plan."""
    path = f"{FOLDER}/{name}-{number}.parquet"
    return tables.read_single(dataset.storage, path, table_of(name))[0]


def write(dataset: Dataset, name: str, plan: pa.Table, number: int) -> bool:
    """Keep a plan under its number; False when another process took that number first."""
    data = tables.encode(table_of(name), plan)
    return dataset.storage.create(f"{FOLDER}/{name}-{number}.parquet", data)


def unfinished(plan: pa.Table, outcomes: pa.Table, asked: set[str]) -> pa.Table:
    """Return the plan's rows that have no outcome of the planned attempt (or a later one).

    Clips that are no longer `asked` for, because of a new annotation, are left out.
    """
    reached = attempts(outcomes)
    rows = zip(plan["clip_id"].to_pylist(), plan["attempt"].to_pylist(), strict=True)
    return tables.keep(
        plan, (name in asked and reached.get(name, 0) < attempt for name, attempt in rows)
    )


def attempts(outcomes: pa.Table) -> dict[str, int]:
    """Return clip_id → number of the highest attempt."""
    rows = tables.latest(outcomes)
    return dict(zip(rows["clip_id"].to_pylist(), rows["attempt"].to_pylist(), strict=True))

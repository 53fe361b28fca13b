"""Where a dataset folder stands: how many clips came how far, and why the others did not.

Reads the tables alone (some three seconds for 480,000 clips); looks at no video and no shard.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from manifests.dataset import Dataset
from pipeline.next_step import again_commands, next_command
from pipeline.reporting import funnel, official
from pipeline.reporting.acquired import acquired
from pipeline.reporting.budgets import budgets
from pipeline.reporting.failures import failures
from pipeline.reporting.lacking import lacking
from pipeline.reporting.show import show
from pipeline.reporting.states import states

__all__ = ["show", "status"]


def status(
    dataset: Dataset, split_set: str | None, state_file: Path | None = None
) -> dict[str, Any]:
    """Return coverage per split and class, failures by reason, sources, budgets, what to do next.

    `state_file` holds this machine's budgets; the usual one where none is given. The keys are
    always the same ones; `official` is null where nothing is known of the data set.
    """
    from pipeline.fetch import network

    dataset.require_own_shards()
    chosen = dataset.split_set(split_set)
    found = states(dataset, chosen)
    splits, total = funnel.by_split(found), funnel.total(found)
    reasons, groups = failures(found), lacking(found)
    again = again_commands(dataset, total, groups, reasons)
    asked = {name: counts["asked"] for name, counts in splits.items()}
    known = official.known(dataset.name, chosen, len(dataset.labels), asked)
    shards = dataset.parts("shards")
    return {
        "root": dataset.storage.root,
        "name": dataset.name,
        "split_set": chosen,
        "spec": dataset.spec.as_dict(),
        "official": known and official.coverage(known, splits),
        "total": total,
        "splits": splits,
        "classes": funnel.by_class(found),
        "failures": reasons,
        "acquired": acquired(found),
        "budgets": budgets(state_file or network.state_file(), time.time()),
        "dropped": len(dataset.asked) - len(dataset.clips),
        "shards": len(shards),
        "bytes": sum(shards["bytes"].to_pylist()),
        "again": [one._asdict() for one in again],
        "retry": again[0].command if again else "",
        "next": next_command(dataset, total, groups, again),
    }

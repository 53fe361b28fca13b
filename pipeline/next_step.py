"""The command that brings a dataset folder further, and the one that tries failed clips again."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from manifests.dataset import Dataset
from manifests.reasons import Reason
from pipeline.acquiring.nothing import WANTED, all_addresses_lack

# What passes, or what the owner of the videos can mend in place.
_CURABLE = {
    Reason.MISSING,
    Reason.EMPTY,
    Reason.FORBIDDEN,
    Reason.CHANGED,
    Reason.UNREADABLE,
    Reason.TIMEOUT,
    Reason.MEMORY,
    Reason.CRASH,
}


def retry_command(dataset: Dataset, total: Counter[str], failures: list[dict[str, Any]]) -> str:
    """The command that tries failed clips again, where nothing is pending and it can help."""
    curable = any(failure["reason"] in _CURABLE for failure in failures)
    if total["pending"] or not total["failed"] or (total["packed"] and not curable):
        return ""
    return f"clipmill build --root {shlex.quote(dataset.storage.root)} --retry failed"


def next_command(
    dataset: Dataset, total: Counter[str], failures: list[dict[str, Any]], retry: str
) -> str:
    """The command that brings this folder further: `total` counts clips as the funnel does."""
    if _lacks_videos(dataset, total, failures):
        return f"the same `clipmill annotate` with {WANTED}"
    root = shlex.quote(dataset.storage.root)
    if total["pending"]:
        return f"clipmill build --root {root}"
    if not total["packed"]:
        return retry or f"clipmill build --root {root} --retry all"
    run = shlex.quote(f"runs/{dataset.name}")
    return (
        f"clipmill train --root {root} --run {run} --width 16 "
        f"--frames {min(16, dataset.spec.frames)} --epochs 40 --optimizer adamw --lr 1e-3 "
        "--schedule cosine"
    )


def _lacks_videos(dataset: Dataset, total: Counter[str], failures: list[dict[str, Any]]) -> bool:
    """Whether no stage can go on before the videos are named: none was, or the wrong place.

    A place that is not there now may come back, as a disk does that is not mounted.
    """
    if total["acquired"] or total["packed"] or not all_addresses_lack(dataset):
        return False
    only_missing = {failure["reason"] for failure in failures} == {Reason.MISSING}
    wrong = only_missing and not total["pending"] and Path(dataset.videos).exists()
    return not dataset.videos or wrong

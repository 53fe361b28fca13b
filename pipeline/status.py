"""Where a dataset folder stands: how many clips came how far, and why the others did not.

Reads the tables alone (about a second for 500,000 clips); looks at no video and no shard.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow.compute as pc

from manifests import tables
from manifests.console import Ui, size
from manifests.dataset import Dataset
from manifests.reasons import MEANING, Reason
from manifests.rows import SPLITS
from pipeline.next_step import next_command, retry_command
from pipeline.packplan import UNSPLIT

STAGES = ("download", "decode", "pack")
Steps = tuple[str, ...]  # the columns of the funnel in which a clip counts


def status(dataset: Dataset, split_set: str | None) -> dict[str, Any]:
    """Return the funnel per split, coverage per class, failures by reason, and what to do next."""
    dataset.require_own_shards()
    chosen = dataset.split_set(split_set)
    splits_of = dataset.splits_of(chosen)
    states = {stage: _states(dataset, stage) for stage in STAGES}
    packed = set(dataset.parts("samples")["clip_id"].to_pylist())
    by_split: Counter[tuple[str, Steps]] = Counter()
    by_class: Counter[tuple[str, Steps]] = Counter()
    labels = dataset.clips["label"].to_pylist()
    for clip, label in zip(dataset.clips["clip_id"].to_pylist(), labels, strict=True):
        steps = _steps(clip, states, packed)
        for split in splits_of.get(clip, (UNSPLIT,)):
            by_split[split, steps] += 1
        by_class["(no label)" if label is None else label, steps] += 1
    splits, classes = _columns(by_split), _columns(by_class)
    shards = dataset.parts("shards")
    failures = _failures(dataset)
    total: Counter[str] = sum(splits.values(), Counter())
    retry = retry_command(dataset, total, failures)
    rank = {name: index for index, name in enumerate(SPLITS)}
    return {
        "root": dataset.storage.root,
        "name": dataset.name,
        "split_set": chosen,
        "spec": dataset.spec.as_dict(),
        "splits": {
            name: dict(splits[name]) for name in sorted(splits, key=lambda s: rank.get(s, 9))
        },
        "classes": {name: dict(counts) for name, counts in sorted(classes.items())},
        "failures": failures,
        "dropped": len(dataset.asked) - len(dataset.clips),
        "shards": len(shards),
        "bytes": sum(shards["bytes"].to_pylist()),
        "retry": retry,
        "next": next_command(dataset, total, failures, retry),
    }


def _states(dataset: Dataset, stage: str) -> dict[str, str]:
    rows = tables.latest(dataset.parts(stage))
    return dict(zip(rows["clip_id"].to_pylist(), rows["status"].to_pylist(), strict=True))


def _steps(clip: str, states: dict[str, dict[str, str]], packed: set[str]) -> Steps:
    """The columns of the funnel in which this clip counts."""
    acquired = ("acquired",) if states["download"].get(clip) == "done" else ()
    if clip in packed:
        return ("asked", *acquired, "packed")
    known = [state.get(clip) for state in states.values()]
    last = next((verdict for verdict in ("gone", "failed") if verdict in known), "pending")
    return ("asked", *acquired, last)


def _columns(counted: Counter[tuple[str, Steps]]) -> dict[str, Counter[str]]:
    """Return for each name how many clips stand in each column of the funnel."""
    found: dict[str, Counter[str]] = {}
    for (name, steps), clips in counted.items():
        found.setdefault(name, Counter()).update(dict.fromkeys(steps, clips))
    return found


def _failures(dataset: Dataset) -> list[dict[str, Any]]:
    """Failed clips by stage and reason, the most frequent first, each with one example."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[str, str]] = {}
    for stage in STAGES:
        rows = tables.latest(dataset.parts(stage)).filter(pc.field("status") != "done")
        names = ("clip_id", "reason", "message")
        for part in rows.select(names).to_batches(max_chunksize=10_000):
            for clip, reason, message in zip(*(x.to_pylist() for x in part.columns), strict=True):
                key = (stage, reason or "")
                counts[key] += 1
                examples.setdefault(key, (clip, message or ""))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        {
            "stage": stage,
            "reason": reason,
            "meaning": MEANING.get(Reason(reason), "") if reason in set(Reason) else "",
            "clips": clips,
            "example": examples[stage, reason][0],
            "message": examples[stage, reason][1],
        }
        for (stage, reason), clips in ordered
    ]


def show(report: dict[str, Any], ui: Ui) -> None:
    """Print a status report."""
    columns = ("asked", "acquired", "packed", "pending", "failed", "gone")
    rows = [
        (name, *(counts.get(column, 0) for column in columns))
        for name, counts in report["splits"].items()
    ]
    totals = [sum(row[place] for row in rows) for place in range(1, len(columns) + 1)]
    if len(rows) > 1:
        rows.append(("all", *totals))
    title = f"{report['name']} ({report['split_set']})"
    ui.table(title, ("split", *columns), rows)
    _show_classes(report, ui)
    if report["failures"]:
        ui.table(
            "why clips failed",
            ("stage", "reason", "clips", "meaning", "for example"),
            [
                (
                    f["stage"],
                    f["reason"],
                    f["clips"],
                    f["meaning"],
                    f"{f['example']}: {f['message']}",
                )
                for f in report["failures"]
            ],
        )
    if report["dropped"]:
        ui.note(f"{report['dropped']:,} clips of the lists were dropped; no number above has them")
    if report["retry"] and report["retry"] != report["next"]:
        ui.note(f"Once their videos are mended, try failed clips again: {report['retry']}")
    ui.note(f"{report['shards']:,} shards, {size(report['bytes'])}. Next: {report['next']}")


def _show_classes(report: dict[str, Any], ui: Ui, most: int = 10) -> None:
    """The classes of which most is missing, worst first."""
    rows = [
        (name, counts["asked"], counts.get("packed", 0), counts.get("packed", 0) / counts["asked"])
        for name, counts in report["classes"].items()
    ]
    lacking = sorted((row for row in rows if row[2] < row[1]), key=lambda row: (row[3], row[0]))
    if lacking:
        ui.table(
            f"{len(rows) - len(lacking):,} of {len(rows):,} classes are whole; the worst others",
            ("class", "asked", "packed", "coverage"),
            [(name, asked, packed, f"{part:.0%}") for name, asked, packed, part in lacking[:most]],
        )

"""Check a dataset folder against its tables: every shard re-hashed, every sample looked at.

Reads all shards once (sha256 and xxh3, about 1 GB/s a core; jpeg strips are decoded too, about
300 clips/s). Finds; mends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from manifests import tables
from manifests.console import Ui, size
from manifests.dataset import Dataset
from pipeline.plans import FOLDER as PLANS
from shards.read import file_sha256, scan
from shards.write import FOLDER, shard_path


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as the tables say: where, what, and what to do."""

    where: str
    what: str
    cure: str


def verify(dataset: Dataset, ui: Ui) -> dict[str, Any]:
    """Return what was checked and every problem found."""
    shards = {row["shard"]: row for row in dataset.parts("shards").to_pylist()}
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in shards}
    problems: list[Problem] = []
    for row in dataset.parts("samples").to_pylist():
        if row["shard"] not in samples:
            problems.append(
                Problem(row["clip_id"], f"its shard {row['shard']} has no row", _PACK_ANEW)
            )
        else:
            samples[row["shard"]].append(row)
    problems += _against_clips(dataset, samples)
    problems += _against_outcomes(dataset, samples)
    problems += _files(dataset, set(shards))
    with ui.progress(len(shards), "verify") as progress:
        for name in sorted(shards):
            problems += _check_shard(dataset, shards[name], samples[name])
            progress.advance()
    return {
        "root": dataset.storage.root,
        "shards": len(shards),
        "samples": sum(map(len, samples.values())),
        "bytes": sum(row["bytes"] for row in shards.values()),
        "problems": [
            {"where": found.where, "what": found.what, "cure": found.cure} for found in problems
        ],
    }


_PACK_ANEW = "put the shard back from a copy, or pack into a new folder"


def _check_shard(
    dataset: Dataset, row: dict[str, Any], samples: list[dict[str, Any]]
) -> Iterator[Problem]:
    """Compare one shard's file with its row, and its members with the samples' rows."""
    where = shard_path(row["shard"])
    if row["spec"] != dataset.spec.digest:
        yield Problem(where, f"packed with ClipSpec {row['spec']}", "restore dataset.toml")
        return
    length = dataset.storage.size(where)
    if length != row["bytes"]:
        found = "is missing" if length is None else f"has {length} bytes, not {row['bytes']}"
        yield Problem(where, found, _PACK_ANEW)
        return
    path = dataset.storage.local(where)
    try:
        if file_sha256(path) != row["sha256"]:
            yield Problem(where, "its sha256 is not that of its row", _PACK_ANEW)
    except OSError as error:
        yield Problem(where, f"cannot be read ({error.strerror})", _PACK_ANEW)
        return
    yield from _compare(where, scan(path, row["shard"], dataset.spec), samples)


def _compare(
    where: str, found: Iterator[tuple[Any, dict[str, Any]]], samples: list[dict[str, Any]]
) -> Iterator[Problem]:
    expected = {row["clip_id"]: row for row in samples}
    try:
        for sample, row in found:
            wanted = expected.pop(sample.clip_id, None)
            if wanted is None:
                yield Problem(f"{where}#{sample.clip_id}", "in no table", _PACK_ANEW)
                continue
            wrong = [key for key in row if row[key] != wanted[key]]
            if wrong:
                yield Problem(
                    f"{where}#{sample.clip_id}", f"differs from its row in {wrong}", _PACK_ANEW
                )
    except ValueError as error:
        yield Problem(where, str(error), _PACK_ANEW)
    for clip in expected:
        yield Problem(f"{where}#{clip}", "is not in the shard", _PACK_ANEW)


def _against_clips(dataset: Dataset, samples: dict[str, list[dict[str, Any]]]) -> Iterator[Problem]:
    """Every sample is a clip that was asked for, with the label it was asked for."""
    labels = dict(
        zip(
            dataset.clips["clip_id"].to_pylist(),
            dataset.clips["label_id"].to_pylist(),
            strict=True,
        )
    )
    for rows in samples.values():
        for row in rows:
            clip = row["clip_id"]
            if clip not in labels:
                yield Problem(clip, "packed but not in clips", "annotate as it was packed")
            elif labels[clip] != row["label_id"]:
                yield Problem(
                    clip,
                    f"packed as label {row['label_id']}, clips say {labels[clip]}",
                    "annotate as it was packed",
                )


def _against_outcomes(
    dataset: Dataset, samples: dict[str, list[dict[str, Any]]]
) -> Iterator[Problem]:
    """Every clip that was packed has its sample."""
    there = {row["clip_id"] for rows in samples.values() for row in rows}
    for row in tables.finished(dataset.parts("pack")).to_pylist():
        if row["clip_id"] not in there:
            what = f"packed into {row['shard']}, but has no row in samples"
            yield Problem(row["clip_id"], what, _PACK_ANEW)


def _files(dataset: Dataset, shards: set[str]) -> Iterator[Problem]:
    """Files that no table knows."""
    storage = dataset.storage
    for name in storage.list(FOLDER):
        if name not in shards:
            yield Problem(
                f"{FOLDER}/{name}", "in no table", "`clipmill pack` adopts it, or remove it"
            )
    folders = ["", "manifests", PLANS, FOLDER]
    folders += [f"manifests/{name}" for name in ("download", "decode", "pack", "shards", "samples")]
    for folder in folders:
        for name in storage.leftovers(folder or "."):
            yield Problem(
                f"{folder}/{name}".lstrip("/"),
                "left by a process that died",
                "the stage's next run on the same machine removes it; elsewhere, remove it",
            )


def show(report: dict[str, Any], ui: Ui) -> None:
    """Print what verify found."""
    if report["problems"]:
        rows = [(found["where"], found["what"], found["cure"]) for found in report["problems"]]
        ui.table(f"{len(rows):,} problems", ("where", "what", "what to do"), rows)
    else:
        ui.note(
            f"clean: {report['shards']:,} shards, {report['samples']:,} samples, "
            f"{size(report['bytes'])}"
        )

"""Check a dataset folder against its tables: every shard re-hashed, every sample looked at.

Reads all shards once (sha256 and xxh3, about 1 GB/s a core; jpeg strips are decoded too, about
300 clips/s), and the tensors that `decode` kept under clips/. Finds; mends nothing. The rows of one
shard at a time are Python objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import leftovers, tables
from manifests.console import Ui, size
from manifests.dataset import Dataset
from manifests.spec import ClipSpec
from pipeline.clip import stored_spec
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
    # Dropped clips are still in their shards.
    samples = dataset.parts("samples", dropped=True).sort_by(
        [("shard", "ascending"), ("clip_id", "ascending")]
    )
    problems = [*_against_shards(samples, set(shards))]
    problems += _against_clips(dataset, samples)
    problems += _against_outcomes(dataset, samples)
    problems += _files(dataset, set(shards))
    spans = _spans(samples["shard"].to_pylist())
    with ui.progress(len(shards), "verify") as progress:
        for name in sorted(shards):
            mine = samples.slice(*spans.get(name, (0, 0))).to_pylist()
            problems += _check_shard(dataset, shards[name], mine)
            progress.advance()
    problems += _tensors(dataset, ui)
    return {
        "root": dataset.storage.root,
        "shards": len(shards),
        "samples": sum(spans.get(name, (0, 0))[1] for name in shards),
        "bytes": sum(row["bytes"] for row in shards.values()),
        "problems": [
            {"where": found.where, "what": found.what, "cure": found.cure} for found in problems
        ],
    }


def _spans(names: list[str]) -> dict[str, tuple[int, int]]:
    """Return name → (where it begins, how often it stands) in a sorted list."""
    spans: dict[str, tuple[int, int]] = {}
    for place, name in enumerate(names):
        start, count = spans.get(name, (place, 0))
        spans[name] = start, count + 1
    return spans


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


def _against_shards(samples: pa.Table, shards: set[str]) -> Iterator[Problem]:
    """Every sample lies in a shard that has a row."""
    lost = samples.filter(~pc.field("shard").isin(pa.array([*shards], pa.string()))).select(
        ["clip_id", "shard"]
    )
    for row in lost.to_pylist():
        yield Problem(row["clip_id"], f"its shard {row['shard']} has no row", _PACK_ANEW)


def _against_clips(dataset: Dataset, samples: pa.Table) -> Iterator[Problem]:
    """Every sample is a clip that was asked for, with the label it was asked for."""
    clips = dataset.asked
    labels = dict(zip(clips["clip_id"].to_pylist(), clips["label_id"].to_pylist(), strict=True))
    packed = zip(samples["clip_id"].to_pylist(), samples["label_id"].to_pylist(), strict=True)
    for clip, label_id in packed:
        if clip not in labels:
            yield Problem(clip, "packed but not in clips", "annotate as it was packed")
        elif labels[clip] != label_id:
            what = f"packed as label {label_id}, clips say {labels[clip]}"
            yield Problem(clip, what, "annotate as it was packed")


def _against_outcomes(dataset: Dataset, samples: pa.Table) -> Iterator[Problem]:
    """Every clip that was packed has its sample."""
    done = tables.finished(dataset.parts("pack")).select(["clip_id", "shard"])
    there = pa.array(samples["clip_id"].to_pylist(), pa.string())
    for row in done.filter(~pc.field("clip_id").isin(there)).to_pylist():
        what = f"packed into {row['shard']}, but has no row in samples"
        yield Problem(row["clip_id"], what, _PACK_ANEW)


def _tensors(dataset: Dataset, ui: Ui) -> Iterator[Problem]:
    """Every tensor that `decode` recorded is there, whole, with the digest of its row."""
    rows = tables.finished(dataset.parts("decode")).select(["clip_id", "path", "bytes", "xxh3"])
    if not len(rows):
        return
    spec = stored_spec(dataset.spec)
    with ui.progress(len(rows), "verify clips/") as progress:
        for batch in rows.to_batches(max_chunksize=4096):
            for row in batch.to_pylist():
                if what := _tensor_is(dataset, row, spec):
                    yield Problem(row["path"], what, _FROM_VIDEO)
                progress.advance()


_FROM_VIDEO = "nothing is lost: `clipmill pack` decodes the clip from its video instead"


def _tensor_is(dataset: Dataset, row: dict[str, Any], spec: ClipSpec) -> str:
    """What is wrong with one stored tensor, or nothing."""
    length = dataset.storage.size(row["path"])
    if length is None:
        return "is missing"
    if length != row["bytes"]:
        return f"has {length} bytes, not {row['bytes']}"
    try:
        [(sample, found)] = scan(dataset.storage.local(row["path"]), row["path"], spec)
    except ValueError as error:
        return str(error)
    if sample.clip_id != row["clip_id"]:
        return f"holds clip {sample.clip_id}"
    return "" if found["xxh3"] == row["xxh3"] else "differs from its row in ['xxh3']"


def _files(dataset: Dataset, shards: set[str]) -> Iterator[Problem]:
    """Files that no table knows."""
    storage = dataset.storage
    for name in storage.list(FOLDER):
        if name not in shards:
            yield Problem(
                f"{FOLDER}/{name}", "in no table", "`clipmill pack` adopts it, or remove it"
            )
    folders = ["", "manifests", PLANS, FOLDER]
    tables_of_parts = ("download", "decode", "pack", "shards", "samples", "dropped")
    folders += [f"manifests/{name}" for name in tables_of_parts]
    if storage.local("clips").is_dir():
        folders += [f"clips/{number:02x}" for number in range(256)]
    for folder in folders:
        for name in storage.leftovers(folder or "."):
            where = f"{folder}/{name}".lstrip("/")
            if leftovers.abandoned(name):
                yield Problem(
                    where,
                    "left by a process that died",
                    "the stage's next run on the same machine removes it; elsewhere, remove it",
                )
            elif f"-{leftovers.host()}-" not in name:
                yield Problem(
                    where,
                    "a temporary file of another machine",
                    "if no clipmill runs there, remove it",
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

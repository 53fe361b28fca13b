"""A root whose tables name a million samples, and what reading it takes.

The shards that the measured batches lie in are real; the others are only named. Children measure:
one makes plans and says what memory they take, others go to a step and take its first batch.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from machine import in_child, measured
from real_shards import samples_of

from manifests import tables
from manifests.annotations import annotate
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import Window
from shards import plan
from shards.benching.processes import own_memory
from shards.format import Sample
from shards.reading import Reading
from shards.stream import Stream
from shards.write import shard_path, write_shard

COUNT, IN_A_SHARD, BATCH, STEPS = 1_000_000, 16, 8, (0, 100_000)
AROUND = 40  # batches of a step that can be read
WORKERS, EPOCHS = 2, 5
WINDOW = Window(16, 112, 112)
_PIECE = 100_000


def measure(source: Dataset, work: Path, rounds: int) -> dict[str, Any]:
    """Return seconds and memory of plans, and the first batch's seconds at both steps."""
    root = work / "million"
    if not (root / "made").exists():
        _make(source, root)
        (root / "made").touch()
    firsts: dict[int, list[float]] = {step: [] for step in STEPS}
    opened = []
    for number in range(rounds + 1):  # the first one finds out that shards are whole
        for step in STEPS if number % 2 == 0 else STEPS[::-1]:
            found = measured(__file__, "first", str(root), str(step))
            if number:
                firsts[step].append(found["seconds_to_first"])
                opened.append(found["seconds_to_open"])
    return {
        "samples": COUNT,
        "shards": -(-COUNT // IN_A_SHARD),
        "plan": measured(__file__, "plans", str(root)),
        "seconds_to_open": round(statistics.median(opened), 3),
        "seconds_to_first_batch": {
            step: round(statistics.median(taken), 4) for step, taken in firsts.items()
        },
        "late_to_early": round(
            statistics.median(
                late / early for early, late in zip(firsts[0], firsts[STEPS[1]], strict=True)
            ),
            3,
        ),
    }


def first(root: str, step: str) -> dict[str, float]:
    """Go to a step and take one batch; return how long that took."""
    started = time.perf_counter()
    with _stream(root, WORKERS) as stream:
        opened = time.perf_counter()
        stream.load_state_dict(stream.state_dict() | {"step": int(step)})
        next(iter(stream))
        came = time.perf_counter()
    return {"seconds_to_open": opened - started, "seconds_to_first": came - opened}


def plans(root: str) -> dict[str, float]:
    """Make the plans of some epochs; return how long one took, and what memory is held."""
    import gc

    mine = [os.getpid()]
    before = own_memory(mine)
    stream = _stream(root, 0)
    held, taken, rows = own_memory(mine), [], np.empty(0)
    for epoch in range(EPOCHS):
        started = time.perf_counter()
        order = plan.order(stream.samples.shard_of, stream.digest, 0, epoch)
        rows = plan.shares(order, BATCH, 0, 1, "drop")
        taken.append(time.perf_counter() - started)
        del order
    gc.collect()
    return {
        "seconds_an_epoch": round(statistics.median(taken), 4),
        "steps": len(rows),
        "mb_of_the_list": round((held - before) / 1e6, 1),
        "mb_with_a_plan": round((own_memory(mine) - before) / 1e6, 1),
    }


def _stream(root: str, workers: int) -> Stream:
    reading = Reading(workers=workers)
    return Stream(
        Dataset.open(root), "train", WINDOW, global_batch=BATCH, train=True, reading=reading
    )


def _make(source: Dataset, root: Path) -> None:
    """Write the tables of a million samples, and the shards that the measured steps read."""
    names = [f"clip-{number:07d}" for number in range(COUNT)]
    labels, seen = source.labels, samples_of(source)
    taken = [next(seen) for _ in range(64)]
    found = Annotation(
        "million",
        [Clip(name, "million", labels[0], 0, name, f"file:{name}") for name in names],
        [Label(number, label, label) for number, label in enumerate(labels)],
        [SplitRow("default", name, "train") for name in names],
        ["default"],
    )
    dataset = annotate(str(root), found, source.spec, 0, "videos")
    del found
    pattern, whole = _written(dataset, "pattern.tar", names[:IN_A_SHARD], taken)
    (root / shard_path("pattern.tar")).unlink()
    shards = [_shard(number) for number in range(-(-COUNT // IN_A_SHARD))]
    known = {
        number: _written(dataset, _shard(number), names[number * IN_A_SHARD :][:IN_A_SHARD], taken)[
            1
        ]
        for number in _read_at_the_steps(names, shards)
    }
    rows = [known.get(number, whole | {"shard": shard}) for number, shard in enumerate(shards)]
    _append(dataset, "shards", rows)
    for start in range(0, COUNT, _PIECE):
        piece = [
            pattern[number % IN_A_SHARD]
            | {"clip_id": names[number], "key": names[number]}
            | {"shard": shards[number // IN_A_SHARD]}
            for number in range(start, min(start + _PIECE, COUNT))
        ]
        _append(dataset, "samples", piece)


def _shard(number: int) -> str:
    return f"train-{number:06d}.tar"


def _append(dataset: Dataset, name: str, rows: list[dict[str, Any]]) -> None:
    table = tables.from_rows(name, rows)
    tables.append(dataset.storage, f"manifests/{name}", name, table)


def _written(
    dataset: Dataset, shard: str, clips: Sequence[str], taken: Sequence[Sample]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Write one shard, the pixels by place in it: all of them have the same rows but for names."""
    samples = [
        replace(taken[place], clip_id=name, video_id="video") for place, name in enumerate(clips)
    ]
    written = write_shard(dataset.storage, shard, "train", 0, samples, dataset.spec, {})
    assert written is not None
    return written.samples, written.shard


def _read_at_the_steps(names: list[str], shards: list[str]) -> list[int]:
    """Return the numbers of the shards that batches at and after the measured steps lie in."""
    shard_of = np.arange(COUNT) // IN_A_SHARD
    order = plan.order(shard_of, plan.digest(pa.array(names), shards, shard_of), 0, 0)
    places = [np.arange(step * BATCH, (step + AROUND) * BATCH) for step in STEPS]
    return np.unique(shard_of[order[np.concatenate(places)]]).tolist()


if __name__ == "__main__":
    in_child({"first": first, "plans": plans})

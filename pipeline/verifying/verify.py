"""Check a dataset folder: its tables first, then every file's length, then what is inside.

Each file of the data is read once, several at a time: about 1 GB/s a core (sha256, xxh3 and the
tar's structure of one pass). A share of it can be chosen, and a time after which it ends in good
order. Memory stays flat: the tables, and a clip for each worker.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.header import FILE
from manifests.storage import Storage, open_storage
from pipeline.crew import Crew, in_processes
from pipeline.verifying.against import against_each_other
from pipeline.verifying.data import Read, ReadFile, wrong_size
from pipeline.verifying.files import Files, files_of, left_over, sizes, unknown_files
from pipeline.verifying.problem import Problem
from pipeline.verifying.reading import Tables, read_tables
from pipeline.verifying.subset import ALL, Subset

WORKER_BYTES = 100_000_000  # below that a further worker costs more than it spares


@dataclass(frozen=True, slots=True)
class Wish:
    """What to read: a share, for so many seconds, videos too; jobs 0 is one for each core."""

    subset: Subset = ALL
    seconds: float = math.inf
    videos: bool = False
    jobs: int = 1


@dataclass
class Checked:
    """What was looked at and what was found."""

    storage: Storage
    dataset: Dataset | None
    tables: Tables
    files: Files
    there: dict[str, int]
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    complete: bool = True

    def report(self, wish: Wish) -> dict[str, Any]:
        """Plain values for --json."""
        chosen = Counter(file.kind for file in self.files.chosen)
        return {
            "root": self.storage.root,
            "shards": len(self.files.shards),
            "samples": len(self.tables.rows["samples"]),
            "bytes": sum(file.row["bytes"] for file in self.files.shards),
            "subset": wish.subset.text,
            "complete": self.complete,
            "read": {
                "shards": self.counts["shard"],
                "samples": self.counts["samples"],
                "tensors": self.counts["tensor"],
                "videos": self.counts["video"],
                "bytes": self.bytes_read,
            },
            "to_read": {f"{kind}s": chosen[kind] for kind in ("shard", "tensor", "video")},
            "problems": [found.as_dict() for found in self.problems],
        }


def verify(dataset: Dataset, ui: Ui, wish: Wish | None = None) -> dict[str, Any]:
    """Return what was checked and every problem found."""
    wish = wish or Wish()
    return _check(dataset.storage, dataset, [], wish, ui).report(wish)


def check(root: str, wish: Wish, ui: Ui) -> Checked:
    """Check a root; a dataset.toml that cannot be read is a problem, too.

    Raises:
        ClipmillError: there is no dataset.toml.
    """
    storage = open_storage(root)
    try:
        dataset = Dataset.open(root)
    except ClipmillError as error:
        if storage.size(FILE) is None:
            raise
        cure = "Put it back from a copy, or run the same `clipmill annotate` again."
        return _check(storage, None, [Problem(FILE, str(error), cure)], wish, ui)
    return _check(storage, dataset, [], wish, ui)


def _check(
    storage: Storage, dataset: Dataset | None, problems: list[Problem], wish: Wish, ui: Ui
) -> Checked:
    end = time.monotonic() + wish.seconds
    found = read_tables(storage, dataset)
    files = files_of(found)
    there = sizes(storage, files)
    checked = Checked(storage, dataset, found, files, there, [*problems, *found.problems])
    checked.problems += against_each_other(found)
    checked.problems += _other_spec(checked)
    checked.problems += unknown_files(found, files, there)
    checked.problems += left_over(storage)
    sound = []
    for file in files.every:
        if wrong := wrong_size(file, there.get(file.path)):
            checked.problems.append(wrong)
        elif file.kind != "video" or wish.videos:
            sound.append(file)
    chosen = wish.subset.chosen({file.path: file.row["bytes"] for file in sound})
    files.chosen = [file for file in sound if file.path in chosen]
    _read(checked, wish, end, ui)
    return checked


def _other_spec(checked: Checked) -> list[Problem]:
    """Shards that were packed with another ClipSpec than dataset.toml says."""
    if checked.dataset is None:
        return []
    mine = checked.dataset.spec.digest
    return [
        Problem(file.path, f"packed with ClipSpec {file.row['spec']}", "restore dataset.toml")
        for file in checked.files.shards
        if file.row["spec"] != mine
    ]


def _read(checked: Checked, wish: Wish, end: float, ui: Ui) -> None:
    """Read the chosen files until the time is over."""
    files = checked.files
    total = sum(file.row["bytes"] for file in files.chosen)
    most = max(1, min(Crew(wish.jobs).workers, total // WORKER_BYTES))
    work = ReadFile(checked.storage.root, checked.dataset and checked.dataset.spec)
    found: list[Read] = []
    with (
        ui.progress(len(files), "verify") as progress,
        contextlib.closing(in_processes(work, files, Crew(most))) as results,
    ):
        while len(found) < len(files) and time.monotonic() < end:
            found.append(next(results))
            progress.advance()
    for one in sorted(found, key=lambda one: one.path):
        checked.problems += one.problems
        checked.counts[one.kind] += 1
        checked.counts["samples"] += one.samples
        checked.bytes_read += one.bytes
    checked.complete = len(found) == len(files)

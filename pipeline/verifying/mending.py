"""Doing what the plan of `--fix` says, so that it can be ended anywhere and begun again.

A retired shard's row comes first and its file goes afterwards: nobody reads what is half gone, and
a file without a row is known by its name. Tensors and videos go first and their rows come
afterwards: a damaged file must not be found whole by name. Nothing outside the root is touched.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow.compute as pc

from manifests import leftovers, tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.reasons import Reason
from pipeline import outcome
from pipeline.lock import holding
from pipeline.verifying.planning import Plan, Step, plan
from pipeline.verifying.verify import Checked, Wish, check
from shards.write import shard_path

REASON = "damaged or missing; retired by `clipmill verify --fix`"
_TOLD = "removed by `clipmill verify --fix`: it was damaged or missing"
TABLES = ("retired", "shards", "samples", "decode", "download")


@contextmanager
def alone(dataset: Dataset) -> Iterator[None]:
    """Keep the stages from working on a root.

    Raises:
        StoppedError: one of them does.
    """
    with ExitStack() as stack:
        for stage in ("download", "decode", "pack"):
            stack.enter_context(holding(dataset.storage, stage))
        yield


def fix(root: str, wish: Wish, ui: Ui, dry_run: bool) -> tuple[Checked, Plan]:
    """Check a root, say what is to be done, and do it.

    Raises:
        ClipmillError: dataset.toml cannot be read: nothing is done without it.
        StoppedError: a stage is running there, or the disk refuses.
    """
    dataset = Dataset.open(root)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(alone(dataset))
        checked = check(root, wish, ui)
        if checked.dataset is None:
            raise ClipmillError(f"{root}: dataset.toml changed meanwhile; run the command again.")
        made = plan(checked, checked.dataset)
        show(made, ui, dry_run)
        if not dry_run:
            mend(checked.dataset, made.steps)
            for table in TABLES:
                if checked.tables.whole(table):
                    checked.dataset.compact(table)
    return checked, made


def mend(dataset: Dataset, steps: Sequence[Step]) -> None:
    """Do the steps."""
    by_kind: dict[str, list[Step]] = {}
    for step in steps:
        by_kind.setdefault(step.kind, []).append(step)
    for name in TABLES if steps else ():
        dataset.storage.clean(f"manifests/{name}")
    _retire(dataset, [step.name for step in by_kind.get("shard", ())])
    for step in by_kind.get("rows", ()):
        for table in ("shards", "samples"):
            dataset.append(table, step.rows[table])
    for kind, stage in (("tensor", "decode"), ("video", "download")):
        paths = [step.name for step in by_kind.get(kind, ())]
        for path in paths:
            dataset.storage.delete(path)
        _forget(dataset, stage, paths)
    for step in by_kind.get("file", ()):
        name = step.name.rpartition("/")[2]
        # Asked again: whoever writes it may have come since.
        if not leftovers.TEMPORARY.fullmatch(name) or leftovers.abandoned(name):
            dataset.storage.delete(step.name)


def _retire(dataset: Dataset, shards: Sequence[str]) -> None:
    moment = datetime.datetime.now(datetime.UTC)
    rows = [{"shard": name, "reason": REASON, "retired_at": moment} for name in shards]
    dataset.append("retired", rows)
    for name in shards:
        dataset.storage.delete(shard_path(name))


def _forget(dataset: Dataset, stage: str, paths: Sequence[str]) -> None:
    """Record that files are gone, of all clips that they serve: the stage does these again."""
    if not paths:
        return
    done = tables.finished(dataset.parts(stage))
    names = ["clip_id", "attempt", *(["via"] if stage == "download" else [])]
    rows: list[dict[str, Any]] = []
    for row in done.filter(pc.field("path").isin([*paths])).select(names).to_pylist():
        ended = outcome.failed(row["clip_id"], row["attempt"] + 1, 0.0, {}, Reason.DAMAGED, _TOLD)
        rows.append(ended | ({"via": row["via"]} if stage == "download" else {}))
    dataset.append(stage, rows)


def show(made: Plan, ui: Ui, dry_run: bool) -> None:
    """Say what will be done, before it is, and what stays."""
    would = "would do" if dry_run else "does now"
    if made.steps:
        rows = [(step.name, step.words) for step in made.steps]
        ui.table(f"what --fix {would}", ("what", "how"), rows)
    if made.left:
        rows = [(found.where, found.what, why) for found, why in made.left]
        ui.table("what stays for you", ("where", "what", "what to do"), rows)
    if not made.steps and not made.left:
        ui.note("--fix has nothing to do")

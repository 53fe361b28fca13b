"""What the end of a run says: the figures of its best epoch, and the command that scores it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from manifests.console import Ui
from train.options import Options

FIGURES = {"loss": "loss", "top1": "top-1", "top5": "top-5", "mean_recall": "mean class recall"}


def best_row(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the row of the first epoch with the highest top-1 on val; None without val."""
    seen = [row for row in rows if row.get("val_top1") is not None]
    return max(seen, key=lambda row: row["val_top1"], default=None)


def show(result: Mapping[str, Any], options: Options, root: str, run: str, ui: Ui) -> None:
    """Print the best epoch's figures by split, or the last one's without val, and what is next."""
    row = result["best_epoch"] or result
    if "train_loss" in row:
        splits = [s for s in ("train", "val", "test") if row.get(f"{s}_loss") is not None]
        which = "the best on val" if result["best_epoch"] else "the last: nothing measured on val"
        ui.table(
            f"epoch {row['epoch']} of {result['epochs']}, {which}",
            ("", *splits),
            [
                (title, *(_shown(name, row.get(f"{split}_{name}")) for split in splits))
                for name, title in FIGURES.items()
            ],
        )
    kind = "best" if result["best"] else "last"
    command = ["clipmill", "score", "--root", root, "--checkpoint", result[kind]]
    if options.split_set is not None:
        command += ["--split-set", options.split_set]
    command += ["--split", "test", "--out", f"{run}/score"]
    which = "the best on val" if result["best"] else "the last: nothing was measured on val"
    ui.note(f"Next: {shlex.join(command)}  # {which}")


def _shown(name: str, value: float | None) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.4f}" if name == "loss" else f"{value:.2%}"

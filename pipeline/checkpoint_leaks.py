"""`status --checkpoint`: which of a data set's videos a checkpoint was trained on or chosen by.

Reads the checkpoint's fingerprint (no weights) and the tables: a second for 500,000 clips.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.leaks import by_split, warning
from manifests.seen import read


def leaks(dataset: Dataset, checkpoint: Path, split_set: str | None) -> dict[str, Any]:
    """Return, for each split of a split set, how many of its videos the checkpoint has seen.

    Raises:
        ClipmillError: no checkpoint, or a damaged one.
    """
    chosen = dataset.split_set(split_set)
    seen = read(checkpoint)
    found: dict[str, Any] = {
        "file": str(checkpoint),
        "split_set": chosen,
        "known": seen is not None,
    }
    if seen is None:
        found["warnings"] = [
            f"{checkpoint} does not say which videos it was trained on (it is older than that); "
            "leaks cannot be told."
        ]
        return found
    overlaps = by_split(seen, dataset, chosen)
    texts = [
        warning(seen, overlap, split, f"{chosen} of {dataset.name}")
        for split, overlap in overlaps.items()
    ]
    return found | {
        "trained_on": {"dataset": seen.dataset, "split_set": seen.split_set},
        "train_videos": len(seen.train),
        "val_videos": len(seen.val),
        "splits": {split: overlap.as_dict() for split, overlap in overlaps.items()},
        "warnings": [text for text in texts if text],
    }


def show(report: dict[str, Any], ui: Ui) -> None:
    """Print what a checkpoint has seen, and warn of what leaks."""
    if report["known"]:
        of = report["trained_on"]
        ui.table(
            f"videos that {report['file']} has seen: its train ({report['train_videos']:,}) and "
            f"val ({report['val_videos']:,}) are of {of['split_set']} of {of['dataset']}",
            ("split", "videos", "in its train", "in its val", "for example"),
            [
                (
                    split,
                    found["videos"],
                    found["train"],
                    found["val"],
                    ", ".join([*found["train_examples"], *found["val_examples"]]),
                )
                for split, found in report["splits"].items()
            ],
        )
    for text in report["warnings"]:
        ui.warn(text)

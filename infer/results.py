"""What scoring leaves behind: predictions.parquet, metrics.json, classes.csv and confusion.png.

Top-5 and all logits of 500,000 clips of 600 classes are a table of about 0.6 GB.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infer.scored import Scored
from manifests import tables
from manifests.console import Ui
from manifests.local import LocalStorage
from model.confusion import confusion_png
from model.metrics import Metrics

TOP = 5


def write(
    storage: LocalStorage,
    scored: Scored,
    looks: int,
    logits: NDArray[np.float16],
    metrics: Metrics,
    labels: tuple[str, ...],
    report: dict[str, Any],
) -> None:
    """Write the four files of a scored split; the network looked at each view `looks` times."""
    table = tables.from_rows("predictions", _predictions(scored, looks, logits))
    tables.write_single(storage, "predictions.parquet", "predictions", table)
    per_class = metrics.per_class()
    confusion = metrics.state()["confusion"].cpu().numpy()
    storage.write("classes.csv", _classes_csv(labels, per_class).encode())
    title = f"{report['dataset']} {report['split']}: top-1 {percent(report['top1'])}"
    storage.write("confusion.png", confusion_png(confusion, labels, title))
    storage.write("metrics.json", (json.dumps(report, indent=1) + "\n").encode())


def _predictions(scored: Scored, looks: int, logits: NDArray[np.float16]) -> list[dict[str, Any]]:
    count = min(TOP, logits.shape[1])
    probabilities = torch.from_numpy(logits).float().softmax(1)
    best = probabilities.topk(count, 1)
    labels = scored.labels
    return [
        {
            "clip_id": clip,
            "label_id": None if labels[row] < 0 else int(labels[row]),
            "top_ids": best.indices[row].tolist(),
            "top_probabilities": best.values[row].tolist(),
            "logits": logits[row],
            "views": looks * int(scored.views[row]),
        }
        for row, clip in enumerate(scored.clip_ids)
    ]


def _classes_csv(labels: tuple[str, ...], per_class: dict[str, Tensor]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label_id", "label", *per_class])
    for number, label in enumerate(labels):
        values = (column[number].item() for column in per_class.values())
        writer.writerow([number, label, *("" if value != value else value for value in values)])
    return text.getvalue()


def show(report: dict[str, Any], out: Path, ui: Ui) -> None:
    """Print the result and where its files are."""
    names = {"top1": "top-1", "top5": "top-5", "mean_recall": "mean class recall"}
    rows = [("clips", f"{report['clips']:,}")]
    if report["missing"]:
        rows.append(("clips of the split that are not packed", f"{report['missing']:,}"))
    if report["unlabelled"]:
        rows.append(("clips without a label", f"{report['unlabelled']:,}"))
    rows += [(title, percent(report[name])) for name, title in names.items()]
    rows.append(("loss", "" if report["loss"] is None else f"{report['loss']:.4f}"))
    title = f"{report['dataset']}, {report['split']} of {report['split_set']}"
    ui.table(title, (f"accuracy of {report['accuracy_of']}", "value"), rows)
    ui.note(f"predictions.parquet, metrics.json, classes.csv, confusion.png are in {out}")


def percent(value: float | None) -> str:
    """Return a share as people read it."""
    return "unknown" if value is None else f"{value:.2%}"

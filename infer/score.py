"""Score the packed clips of one split with a checkpoint, each clip once on any number of ranks.

Writes predictions.parquet (top-5 and all logits a clip), metrics.json, classes.csv and
confusion.png. Costs the network's forward pass; 500,000 clips of 600 classes keep 0.6 GB of
float16 logits in memory on rank 0.
"""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infer.confusion import confusion_png
from infer.views import Position, positions
from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.spec import Window
from model.checkpoint import Checkpoint
from model.metrics import Metrics
from model.preprocess import Normalise
from model.world import World
from shards.plan import PAD
from shards.stream import Stream

TOP = 5


def score(
    dataset: Dataset,
    checkpoint: Checkpoint,
    split: str,
    split_set: str | None,
    batch: int,
    out: Path,
    world: World,
    ui: Ui,
    clips: int = 1,
    crops: int = 1,
) -> dict[str, Any]:
    """Score a split and return its metrics; rank 0 writes the files.

    With several views (infer/views.py) a clip's logits are the logarithm of its mean probabilities.

    Raises:
        ClipmillError: the checkpoint's ClipSpec or labels are not the data's.
    """
    checkpoint.require_spec(dataset.spec, dataset.storage.root)
    checkpoint.require_labels(dataset.labels, dataset.storage.root)
    chosen = dataset.split_set(split_set)
    asked = sum(split in splits for splits in dataset.splits_of(chosen).values())
    looks = positions(dataset.spec, checkpoint.window, clips, crops)
    stored = Window(dataset.spec.frames, dataset.spec.height, dataset.spec.width)
    stream = Stream(
        dataset,
        split,
        stored if len(looks) > 1 else checkpoint.window,
        global_batch=max(batch, world.size),
        train=False,
        split_set=chosen,
        rank=world.rank,
        world=world.size,
    )
    metrics = Metrics(len(checkpoint.labels), world.device)
    logits = _forward(stream, checkpoint, looks, metrics, world, ui)
    whole = Metrics(len(checkpoint.labels), world.device)
    whole.merge(world.total(metrics.state()))
    report = {
        "dataset": dataset.name,
        "dataset_digest": stream.digest,
        "split_set": chosen,
        "split": split,
        "asked": asked,
        "missing": asked - len(stream.clip_ids),
        **{key: _plain(value) for key, value in whole.result().items()},
        "views": len(looks),
        "accuracy_of": _accuracy_of(clips, crops),
        "network": checkpoint.network.name,
        "trained_on": checkpoint.dataset_digest,
        "trained_epochs": checkpoint.metrics.get("epoch"),
        "versions": dict(checkpoint.versions),
    }
    if world.first:
        _write(LocalStorage(out.absolute()), stream, logits, whole, checkpoint.labels, report)
    world.wait()
    return report


def _forward(
    stream: Stream,
    checkpoint: Checkpoint,
    looks: list[Position],
    metrics: Metrics,
    world: World,
    ui: Ui,
) -> NDArray[np.float16]:
    """Return float16 (clips, classes) in the stream's order: all logits on rank 0, else none."""
    network = checkpoint.build_model().to(world.device)
    normalise = Normalise(checkpoint.mean, checkpoint.std).to(world.device)
    clips = len(stream.clip_ids) if world.first else 0
    logits = np.zeros((clips, len(checkpoint.labels)), np.float16)
    with torch.inference_mode(), ui.progress(len(stream.clip_ids), "score") as progress:
        for batch in stream:
            scores = _scores(network, normalise, batch.pixels.to(world.device), looks)
            metrics.update(scores, batch.labels.to(world.device), batch.valid.to(world.device))
            rows = torch.from_numpy(batch.rows).to(world.device)
            pairs = [*zip(world.gather(rows), world.gather(scores), strict=True)]
            for places, values in pairs if world.first else ():
                progress.advance(_keep(logits, places.cpu().numpy(), values))
    return logits


def _scores(
    network: nn.Module, normalise: Normalise, pixels: Tensor, looks: list[Position]
) -> Tensor:
    """Return float32 logits (N, classes): the network's, or those of the views' mean."""
    if len(looks) == 1:
        return network(normalise(pixels)).float()
    total = torch.zeros((), device=pixels.device)
    for time, top, left in looks:
        total = total + network(normalise(pixels[:, time, top, left])).float().softmax(1)
    return (total / len(looks)).clamp_min(torch.finfo(torch.float16).tiny).log()


def _accuracy_of(clips: int, crops: int) -> str:
    if clips * crops == 1:
        return "clips (one centre view each)"
    return f"videos (mean of {clips} windows of {crops} crops)"


def _keep(logits: NDArray[np.float16], places: NDArray[np.int64], values: Tensor) -> int:
    real = places != PAD
    logits[places[real]] = values.cpu().numpy()[real]
    return int(real.sum())


def _write(
    storage: LocalStorage,
    stream: Stream,
    logits: NDArray[np.float16],
    metrics: Metrics,
    labels: tuple[str, ...],
    report: dict[str, Any],
) -> None:
    table = tables.from_rows("predictions", _predictions(stream, logits, report["views"]))
    tables.write_single(storage, "predictions.parquet", "predictions", table)
    per_class = metrics.per_class()
    confusion = metrics.state()["confusion"].cpu().numpy()
    storage.write("classes.csv", _classes_csv(labels, per_class).encode())
    title = f"{report['dataset']} {report['split']}: top-1 {_percent(report['top1'])}"
    storage.write("confusion.png", confusion_png(confusion, labels, title))
    storage.write("metrics.json", (json.dumps(report, indent=1) + "\n").encode())


def _predictions(stream: Stream, logits: NDArray[np.float16], views: int) -> list[dict[str, Any]]:
    count = min(TOP, logits.shape[1])
    probabilities = torch.from_numpy(logits).float().softmax(1)
    best = probabilities.topk(count, 1)
    labels = stream.samples.labels
    return [
        {
            "clip_id": clip,
            "label_id": None if labels[row] < 0 else int(labels[row]),
            "top_ids": best.indices[row].tolist(),
            "top_probabilities": best.values[row].tolist(),
            "logits": logits[row],
            "views": views,
        }
        for row, clip in enumerate(stream.clip_ids)
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
    rows += [(title, _percent(report[name])) for name, title in names.items()]
    rows.append(("loss", "" if report["loss"] is None else f"{report['loss']:.4f}"))
    title = f"{report['dataset']}, {report['split']} of {report['split_set']}"
    ui.table(title, (f"accuracy of {report['accuracy_of']}", "value"), rows)
    ui.note(f"predictions.parquet, metrics.json, classes.csv, confusion.png are in {out}")


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"


def _plain(value: float) -> float | None:
    """JSON has no NaN: what was not measured is null."""
    return None if isinstance(value, float) and math.isnan(value) else value


def require_split(dataset: Dataset, split: str, split_set: str | None) -> None:
    """Raise for a split that the set does not have."""
    found = {name for names in dataset.splits_of(split_set).values() for name in names}
    if split not in found:
        raise ClipmillError(
            f"split {split!r} is not in split set {dataset.split_set(split_set)!r}; "
            f"expected one of {', '.join(sorted(found))}."
        )

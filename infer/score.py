"""Score the packed clips of one split with a checkpoint, each clip once on any number of ranks.

Costs the network's forward pass; 500,000 clips of 600 classes keep 0.6 GB of float16 logits in
memory on rank 0.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infer import results
from infer.scored import Mean, Scored
from infer.views import Position, positions
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.leaks import overlap
from manifests.local import LocalStorage
from manifests.seen import Seen, videos_of
from manifests.spec import Window
from model.checkpoint import Checkpoint
from model.metrics import Metrics
from model.preprocess import Normalise
from model.world import World
from shards.plan import PAD
from shards.reading import Reading
from shards.stream import Stream


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
    seen: Seen | None = None,
    how: Reading | None = None,
) -> dict[str, Any]:
    """Score a split and return its metrics; rank 0 writes the files.

    With several views, stored ones or places in one (infer/views.py), a clip's logits are the
    logarithm of its mean probabilities.
    `seen` is what the checkpoint was trained on: rank 0 counts the scored videos among it.

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
        every_view=True,
        reading=dataclasses.replace(how or Reading(), device=world.device),
    )
    scored = Scored.of(stream.samples)
    metrics = Metrics(len(checkpoint.labels), world.device)
    with stream:
        logits = _forward(stream, scored, checkpoint, looks, metrics, world, ui)
    whole = Metrics(len(checkpoint.labels), world.device)
    whole.merge(world.total(metrics.state()))
    report = {
        "dataset": dataset.name,
        "dataset_digest": stream.digest,
        "split_set": chosen,
        "split": split,
        "asked": asked,
        "missing": asked - len(scored.clip_ids),
        **{key: _plain(value) for key, value in whole.result().items()},
        "views": len(looks) * int(scored.views.max()),
        "accuracy_of": _accuracy_of(clips * int(scored.views.max()), crops),
        "network": checkpoint.network.name,
        "trained_on": checkpoint.dataset_digest,
        "trained_epochs": checkpoint.metrics.get("epoch"),
        "versions": dict(checkpoint.versions),
        "leaks": None if seen is None else _leaks(dataset, seen, scored),
    }
    if world.first:
        results.write(
            LocalStorage(out.absolute()),
            scored,
            len(looks),
            logits,
            whole,
            checkpoint.labels,
            report,
        )
    world.wait()
    return report


def _leaks(dataset: Dataset, seen: Seen, scored: Scored) -> dict[str, Any]:
    videos = videos_of(dataset)
    return overlap(seen, (videos[clip] for clip in scored.clip_ids)).as_dict()


def _forward(
    stream: Stream,
    scored: Scored,
    checkpoint: Checkpoint,
    looks: list[Position],
    metrics: Metrics,
    world: World,
    ui: Ui,
) -> NDArray[np.float16]:
    """Return float16 (clips, classes) in the order of `scored`: all on rank 0, else none.

    Clips of one view are counted where they are scored, the others when their views are together.
    """
    network = checkpoint.build_model().to(world.device)
    normalise = Normalise(checkpoint.mean, checkpoint.std).to(world.device)
    clips = len(scored.clip_ids) if world.first else 0
    logits = np.zeros((clips, len(checkpoint.labels)), np.float16)
    mean = Mean(scored, len(checkpoint.labels)) if world.first and scored.several else None
    with torch.inference_mode(), ui.progress(len(stream.samples), "score") as progress:
        for batch in stream:
            scores = _scores(network, normalise, batch.pixels.to(world.device), looks)
            if not scored.several:
                metrics.update(scores, batch.labels.to(world.device), batch.valid.to(world.device))
            rows = torch.from_numpy(batch.rows).to(world.device)
            pairs = [*zip(world.gather(rows), world.gather(scores), strict=True)]
            for places, values in pairs if world.first else ():
                here = places.cpu().numpy()
                progress.advance(mean.add(here, values) if mean else _keep(logits, here, values))
    return mean.logits(metrics) if mean else logits


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

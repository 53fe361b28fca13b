"""The streams of a run: train, and val and test where they are looked at after each epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import Window
from model.world import World
from shards.reading import Reading
from shards.samples import read_samples
from shards.stream import Stream
from train.options import Options
from train.watch import NAMED


@dataclass(frozen=True, slots=True)
class Streams:
    """What a run reads; what is None is not looked at. `measuring` is for train/norms.py."""

    train: Stream
    val: Stream | None
    test: Stream | None
    measuring: Stream | None


def open_streams(
    dataset: Dataset, options: Options, window: Window, world: World, how: Reading, ui: Ui
) -> Streams:
    """Open this rank's streams, which read shards as `how` says.

    Warns of classes that train lacks, and where val has no clip.

    Raises:
        ClipmillError: fewer clips than a batch or than ranks, clips of train without a label.
    """
    reading: dict[str, Any] = {
        "global_batch": options.batch,
        "seed": options.seed,
        "split_set": options.split_set,
        "rank": world.rank,
        "world": world.size,
        "reading": dataclasses.replace(how, agree=world.sum, device=world.device),
    }
    if options.batch < world.size:
        raise ClipmillError(f"--batch {options.batch} gives {world.size} processes nothing to do.")
    stream = Stream(
        dataset, "train", window, train=True, tail=options.tail, lanes=options.lanes, **reading
    )
    if (stream.samples.labels < 0).any():
        raise ClipmillError("train holds clips without a label; put them into another split.")
    _say_absent(stream, dataset.labels, ui)
    val = _val(dataset, window, reading, ui)
    test = _test(dataset, window, reading) if options.test else None
    measuring = None
    if options.precise_norms:
        reading["reading"] = dataclasses.replace(reading["reading"], workers=0)
        measuring = Stream(dataset, "train", window, train=True, tail="drop", **reading)
    return Streams(stream, val, test, measuring)


def _val(dataset: Dataset, window: Window, reading: dict[str, Any], ui: Ui) -> Stream | None:
    name = reading["split_set"]
    if not any("val" in splits for splits in dataset.splits_of(name).values()):
        return None
    if len(read_samples(dataset, "val", name)):
        return Stream(dataset, "val", window, train=False, **reading)
    ui.warn(
        "no clip of val is packed, so the run goes without val: no best checkpoint, and "
        "the schedule follows the loss on train. `clipmill status` says why clips failed."
    )
    return None


def _test(dataset: Dataset, window: Window, reading: dict[str, Any]) -> Stream:
    if not len(read_samples(dataset, "test", reading["split_set"])):
        raise ClipmillError("--test, but no clip of test is packed; pack some, or leave it out.")
    return Stream(dataset, "test", window, train=False, **reading)


def _say_absent(stream: Stream, labels: Sequence[str], ui: Ui) -> None:
    """Warn of classes without a clip in train: no network can learn them."""
    there = set(stream.samples.labels.tolist())
    absent = [label for number, label in enumerate(labels) if number not in there]
    if absent:
        more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
        ui.warn(
            f"{len(absent)} of {len(labels)} classes have no clip in train and cannot be learned: "
            f"{', '.join(absent[:NAMED])}{more}. `clipmill status` says why clips failed."
        )


def class_weights(stream: Stream, classes: int) -> torch.Tensor:
    """Return float32 (classes,): the loss weights with which every class counts alike.

    n / (classes that occur * clips of the class), so that the mean over clips is 1; a class without
    clips has 1, for label smoothing looks at its weight too.
    """
    counts = torch.bincount(torch.from_numpy(stream.samples.labels), minlength=classes)
    present = int((counts > 0).sum())
    weights = len(stream.samples.labels) / (present * counts.clamp(min=1)).float()
    return torch.where(counts > 0, weights, 1.0)

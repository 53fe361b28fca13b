"""Everything that lives as long as a training run: how it starts, is kept and goes on.

A checkpoint holds the training state beside the weights: optimizer, schedule, data position and the
epoch's counts so far. Keeping one costs the writing of the weights and twice that for Adam.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

import model
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.seen import Seen, seen_by
from manifests.seen import read as read_seen
from manifests.spec import Window
from model import checkpoint as checkpoints
from model.checkpoint import Checkpoint
from model.layers import Network
from model.metrics import Metrics
from model.preprocess import MEAN, STD, Normalise
from model.world import World
from shards.reading import Reading
from shards.samples import read_samples
from shards.stream import Stream
from train import augment, average
from train.beginning import begin
from train.curve import Curve
from train.newest import newest, not_shared
from train.options import Options
from train.run import Run
from train.speed import precision
from train.speed.build import build
from train.speed.chosen import chosen
from train.speed.ways import Ways
from train.trackers.several import Trackers
from train.watch import NAMED, Watch


@dataclass
class Session:
    """Everything that lives as long as a run."""

    dataset: Dataset
    options: Options
    run: Run
    world: World
    ui: Ui
    network: Network
    normalise: Normalise
    optimizer: Optimizer
    plateau: ReduceLROnPlateau
    train: Stream
    val: Stream | None
    metrics: Metrics
    ways: Ways
    scaler: GradScaler
    mirrored: torch.Tensor | None = None
    class_weights: torch.Tensor | None = None
    average: Network | None = None
    seen: Seen | None = None
    init: Mapping[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    best_top1: float = -1.0
    saved: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    aside: float = 0.0  # seconds that the last epoch took beside its training
    restarts: int = 0
    watch: Watch = field(default_factory=Watch)
    test: Stream | None = None
    curve: Curve = field(default_factory=Curve)
    trackers: Trackers = field(default_factory=Trackers)

    @property
    def kept(self) -> Network:
        """The network that is evaluated and kept: the average where there is one."""
        return self.average or self.network

    def computing(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which the network is run: with the numbers of `ways`."""
        return precision.autocast(self.ways.precision, self.world.device)

    def close(self) -> None:
        """End the processes that read shards, and tell the trackers that it is over."""
        self.trackers.close()
        for stream in (self.train, self.val, self.test):
            if stream is not None:
                stream.close()


def start(
    dataset: Dataset,
    options: Options,
    run: Run,
    world: World,
    ui: Ui,
    how: Reading,
    going_on: bool = False,
) -> Session:
    """Build network, optimizer and streams, which read shards as `how` says.

    A run that is going on gets its weights by `restore`, and else those that `options.init` names.

    Raises:
        ClipmillError: data and options that do not fit.
    """
    torch.manual_seed(options.seed)
    window = options.window(dataset.spec)
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
    val = None
    if any("val" in splits for splits in dataset.splits_of(options.split_set).values()):
        if len(read_samples(dataset, "val", options.split_set)):
            val = Stream(dataset, "val", window, train=False, **reading)
        else:
            ui.warn(
                "no clip of val is packed, so the run goes without val: no best checkpoint, and "
                "the schedule follows the loss on train. `clipmill status` says why clips failed."
            )
    test = _test(dataset, window, reading) if options.test else None
    classes = len(dataset.labels)
    _say_absent(stream, dataset.labels, ui)
    mirrored = augment.mirrored(dataset.labels, options.flip_except)
    network = model.build(options.model, classes, **options.model_options)
    beginning = begin(network, options, dataset.labels, run, going_on, ui)
    network.to(world.device)
    ways = chosen(network, options, window, world, run, going_on, ui)
    optimizer = build(network, ways, options, beginning.new_head)
    return Session(
        dataset,
        options,
        run,
        world,
        ui,
        network,
        Normalise(MEAN, STD).to(world.device),
        optimizer,
        ReduceLROnPlateau(optimizer, factor=options.factor, patience=options.patience),
        stream,
        val,
        Metrics(classes, world.device),
        ways,
        precision.scaler(ways.precision, world.device),
        None if mirrored is None else mirrored.to(world.device),
        class_weights(stream, classes).to(world.device) if options.balance else None,
        average.begun(network) if options.ema else None,
        _seen(dataset, options, stream, val).after(beginning.seen) if world.first else None,
        beginning.record,
        test=test,
    )


def _test(dataset: Dataset, window: Window, reading: dict[str, Any]) -> Stream:
    if not len(read_samples(dataset, "test", reading["split_set"])):
        raise ClipmillError("--test, but no clip of test is packed; pack some, or leave it out.")
    return Stream(dataset, "test", window, train=False, **reading)


def _seen(dataset: Dataset, options: Options, train: Stream, val: Stream | None) -> Seen:
    """Return the fingerprint that every checkpoint of the run carries."""
    name = dataset.split_set(options.split_set)
    return seen_by(dataset, name, train.clip_ids, val.clip_ids if val else ())


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


def save(session: Session) -> None:
    """Write the newest checkpoint; the training state of all ranks is summed into it.

    Raises:
        ClipmillError: a loss or a weight that is no finite number; nothing was written.
    """
    require_finite(session)
    metrics = session.world.total(session.metrics.state())
    session.trackers.flush()  # what lies behind a checkpoint is never told again
    if session.world.first:
        state = {
            "options": session.options.as_dict(),
            "stream": session.train.state_dict(),
            "optimizer": session.optimizer.state_dict(),
            "plateau": session.plateau.state_dict(),
            "scaler": session.scaler.state_dict(),
            "metrics": metrics,
            "log": session.log,
            "curve": session.curve.state_dict(),
            "best_top1": session.best_top1,
        }
        if session.average is not None:
            state["network"] = session.network.state_dict()
        step = session.train.progress
        checkpoints.save(session.run.at(step), _checkpoint(session, state))
        session.run.name_last(step, session.options.keep)
    session.saved = time.monotonic()
    session.world.wait()


def require_finite(session: Session) -> None:
    """Raise on all ranks if a loss or a weight is no finite number; waits for the device."""
    networks = (session.network, session.kept)[: 2 if session.average else 1]
    session.watch.require_finite(session.world, networks, session.train.clip_ids)


def save_best(session: Session) -> None:
    """Write the weights as the best so far, without what resuming needs."""
    if session.world.first:
        checkpoints.save(session.run.best, _checkpoint(session, None))
    session.world.wait()


def _checkpoint(session: Session, state: Any) -> Checkpoint:
    return Checkpoint(
        network=session.network.spec,
        spec=session.dataset.spec,
        window=session.train.window,
        mean=session.normalise.mean,
        std=session.normalise.std,
        labels=tuple(session.dataset.labels),
        weights=session.kept.state_dict(),
        dataset=session.dataset.name,
        dataset_digest=session.train.digest,
        metrics=session.log[-1] if session.log else {},
        state=state,
        seen=session.seen,
        init=session.init,
    )


def restore(session: Session, *, recut: bool = False) -> None:
    """Go on where the newest whole checkpoint stands; with `recut` in batches of another size."""
    saved = newest(session.run, session.world, session.ui)
    where, state = saved.origin, saved.state
    if state is None:
        raise ClipmillError(f"{where} holds no training state; it cannot be resumed.")
    session.options.require_same(state["options"], where, recut=recut)
    saved.require_spec(session.dataset.spec, session.dataset.storage.root)
    saved.require_labels(session.dataset.labels, session.dataset.storage.root)
    if saved.network != session.network.spec:
        raise ClipmillError(
            f"{where} holds {saved.network}, but the run is of {session.network.spec}; expected "
            "one and the same network. Take the run's own checkpoint, or start a new run."
        )
    session.kept.load_state_dict(saved.weights)
    if session.average is not None:
        session.network.load_state_dict(state["network"])
    groups = session.optimizer.param_groups
    for group, old in zip(groups, state["optimizer"]["param_groups"], strict=True):
        # Of the batch that it is now, and in the way of this device.
        # Plateau's rate, which no step sets anew, grows with the base too.
        old["lr"] *= group["base_lr"] / old.get("base_lr", group["base_lr"])
        old |= {name: group[name] for name in ("base_lr", "fused", "foreach")}
    session.optimizer.load_state_dict(state["optimizer"])
    if session.scaler.is_enabled() and state.get("scaler"):
        session.scaler.load_state_dict(state["scaler"])
    session.plateau.load_state_dict(state["plateau"])
    session.train.load_state_dict(state["stream"], recut=recut)
    if not session.world.same(session.train.progress):
        raise not_shared(session.run)
    if session.world.first:  # summed over ranks when saved, so it counts once
        session.metrics.merge(state["metrics"])
    if session.seen is not None:  # with what the weights had seen that the run began with
        session.seen = session.seen.after(read_seen(where))
    session.log, session.best_top1 = state["log"], state["best_top1"]
    if "curve" in state:
        session.curve.load_state_dict(state["curve"])
    if session.train.epoch >= session.options.epochs:
        session.ui.note(f"{where} has its {session.train.epoch} epochs: nothing is left to train")
    else:
        cut = session.train.skipped
        session.ui.note(
            f"resuming {where} at epoch {session.train.epoch + 1}, step {session.train.step}"
            + (f" after the {cut} clips before it was cut anew" if cut else "")
        )

"""The training loop: one readable loop for one CPU, one GPU, or many processes of torchrun.

Every epoch reads each clip of train once (the tail that fills no batch is left out and counted),
then val. A checkpoint is written after every epoch, every `save_minutes`, and when the run is
interrupted; it holds the data position, so a resumed run repeats and skips nothing. On a CPU with
the same number of threads the resumed run is bit-identical to an undisturbed one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

import model
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from model import checkpoint as checkpoints
from model.checkpoint import Checkpoint
from model.layers import Network
from model.metrics import Metrics
from model.preprocess import MEAN, STD, Normalise
from model.world import World
from shards.stream import Batch, Stream
from train import augment
from train.optim import OPTIMIZERS, factor_at, scale_rates
from train.options import Options
from train.run import Run
from train.signals import Stop


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
    log: list[dict[str, Any]] = field(default_factory=list)
    best_top1: float = -1.0
    saved: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    worked: float = 0.0


def train(
    dataset: Dataset, options: Options, run: Run, world: World, resume: bool, ui: Ui
) -> dict[str, Any]:
    """Train until `options.epochs` and return the last epoch's line and the checkpoints' paths.

    Raises:
        ClipmillError: data and options that do not fit, a run that is here already.
        KeyboardInterrupt: SIGINT or SIGTERM came; the position is saved.
    """
    going_on = run.require(resume)
    session = _session(dataset, options, run, world, ui)
    if going_on:
        _restore(session)
    elif world.first:
        run.write_options(options.as_dict())
    if session.train.dropped:
        ui.detail(f"{session.train.dropped} clips an epoch fill no batch and are left out")
    replica = _replicate(session.network, world)
    with Stop() as stop:
        while session.train.epoch < options.epochs:
            _epoch(session, replica, stop)
    return {
        "run": str(run.folder),
        "epochs": options.epochs,
        **(session.log[-1] if session.log else {}),
        "best_val_top1": session.best_top1 if session.best_top1 >= 0 else None,
        "last": str(run.last),
        "best": str(run.best) if session.best_top1 >= 0 else None,
    }


def _session(dataset: Dataset, options: Options, run: Run, world: World, ui: Ui) -> Session:
    torch.manual_seed(options.seed)
    window = options.window(dataset.spec)
    reading: dict[str, Any] = {
        "global_batch": options.batch,
        "seed": options.seed,
        "split_set": options.split_set,
        "rank": world.rank,
        "world": world.size,
    }
    if options.batch < world.size:
        raise ClipmillError(f"--batch {options.batch} gives {world.size} processes nothing to do.")
    stream = Stream(dataset, "train", window, train=True, **reading)
    if (stream.samples.labels < 0).any():
        raise ClipmillError("train holds clips without a label; put them into another split.")
    val = None
    if any("val" in splits for splits in dataset.splits_of(options.split_set).values()):
        val = Stream(dataset, "val", window, train=False, **reading)
    classes = len(dataset.labels)
    network = model.build(options.model, classes, **options.model_options)
    network.to(world.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimizer = OPTIMIZERS[options.optimizer](network, options.lr, options.weight_decay)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
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
    )


def _replicate(network: Network, world: World) -> nn.Module:
    if world.size == 1:
        return network
    devices = [world.device.index] if world.device.type == "cuda" else None
    # The norms' statistics are averaged after each step; by itself DDP would keep rank 0's alone.
    return DistributedDataParallel(
        network, device_ids=devices, gradient_as_bucket_view=True, broadcast_buffers=False
    )


def _epoch(session: Session, replica: nn.Module, stop: Stop) -> None:
    """Train to the end of the epoch that the stream stands in, look at val, keep checkpoints."""
    stream, epoch, started = session.train, session.train.epoch, time.monotonic()
    title = f"epoch {epoch + 1}/{session.options.epochs}"
    session.waited = session.worked = 0.0
    first = stream.step
    with session.ui.progress(len(stream), title) as progress:
        progress.advance(first)
        asked = time.monotonic()
        for batch in stream:
            session.waited += time.monotonic() - asked
            loss = _step(session, replica, batch)
            progress.advance(words=f"loss {loss.item():.3f}" if stream.step % 10 == 0 else "")
            asked = time.monotonic()
            _between_steps(session, stop)
    seconds = time.monotonic() - started
    learned = _summed(session, session.metrics)
    session.metrics = Metrics(session.network.spec.num_classes, session.world.device)
    seen = evaluate(session) if session.val else None
    clips = (len(stream) - first) * session.options.batch
    _conclude(session, epoch, learned, seen, clips / seconds, session.waited / seconds)


def _step(session: Session, replica: nn.Module, batch: Batch) -> Tensor:
    """One optimizer step on one global batch; returns this rank's share of its mean loss."""
    options, stream, device = session.options, session.train, session.world.device
    step = stream.epoch * len(stream) + stream.step - 1
    _set_rate(session, step)
    # Dropout depends on (seed, step, rank) alone, so resuming needs no generator state.
    torch.manual_seed((options.seed * 1_000_003 + step) * 1_009 + session.world.rank)
    batch = _real(batch)
    labels = batch.labels.to(device, non_blocking=True)
    replica.train()
    logits = replica(_augmented(session, batch))
    losses = functional.cross_entropy(
        logits, labels, ignore_index=-1, reduction="sum", label_smoothing=options.label_smoothing
    )
    # DDP averages gradients over ranks: scaled so that their mean is the global batch's mean.
    loss = losses * (session.world.size / options.batch)
    session.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    session.optimizer.step()
    _average_buffers(session.network, session.world)
    session.metrics.update(logits.detach(), labels)
    return loss.detach()


def _real(batch: Batch) -> Batch:
    """The batch without padding, which would count in the norms' statistics.

    Padding stands at the end, on ranks whose share is one clip shorter; each has one clip at least.
    """
    count = int(batch.valid.sum())
    return Batch(
        batch.pixels[:count], batch.labels[:count], batch.rows[:count], batch.random[:count]
    )


def _augmented(session: Session, batch: Batch) -> Tensor:
    """Return the batch as the network takes it, changed at random as the options say."""
    options, device = session.options, session.world.device
    pixels = batch.pixels.to(device, non_blocking=True)
    random = batch.random.to(device, non_blocking=True)
    if options.least_area < 1:
        pixels = augment.zoom(pixels, random, options.least_area)
    if options.jitter > 0:
        pixels = augment.colour(pixels, random, options.jitter)
    return session.normalise(pixels, augment.flips(random) if options.flip else None)


def _set_rate(session: Session, step: int) -> None:
    options = session.options
    steps = len(session.train)
    warmup = round(options.warmup_epochs * steps)
    factor = factor_at(options.schedule, step, options.epochs * steps, warmup)
    groups = session.optimizer.param_groups
    # Plateau keeps its own rate once the warm-up is over: the step after it sets the full one.
    if options.schedule != "plateau" or (warmup and step <= warmup):
        scale_rates(session.optimizer, [group["base_lr"] for group in groups], factor)


def _between_steps(session: Session, stop: Stop) -> None:
    """Save when it is time or when the run is to end; all ranks decide alike."""
    due = time.monotonic() - session.saved > session.options.save_minutes * 60
    if session.world.any(stop.asked):
        _save(session, session.run.last)
        raise KeyboardInterrupt
    if session.world.any(due):
        _save(session, session.run.last)


def evaluate(session: Session) -> dict[str, float]:
    """Return loss, top-1 and top-5 on val: each clip once, whatever the number of ranks."""
    assert session.val is not None
    metrics = Metrics(session.network.spec.num_classes, session.world.device)
    session.network.eval()
    with torch.inference_mode():
        for batch in session.val:
            device = session.world.device
            logits = session.network(session.normalise(batch.pixels.to(device)))
            metrics.update(logits, batch.labels.to(device), batch.valid.to(device))
    return _summed(session, metrics)


def _summed(session: Session, metrics: Metrics) -> dict[str, float]:
    whole = Metrics(session.network.spec.num_classes, session.world.device)
    whole.merge(session.world.total(metrics.state()))
    return whole.result()


def _average_buffers(network: Network, world: World) -> None:
    """Average the norms' running statistics, to which each rank has added its own clips.

    After every step, so that a checkpoint of rank 0 holds them whole at any moment.
    """
    buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    if world.size == 1 or not buffers:
        return
    whole = torch.cat([buffer.reshape(-1) for buffer in buffers])
    mean = world.total({"": whole})[""] / world.size
    parts = mean.split([buffer.numel() for buffer in buffers])
    for buffer, part in zip(buffers, parts, strict=True):
        buffer.copy_(part.view_as(buffer))


def _conclude(
    session: Session,
    epoch: int,
    learned: dict[str, float],
    seen: dict[str, float] | None,
    rate: float,
    waited: float,
) -> None:
    """Write the epoch's line and its checkpoints."""
    names = ("loss", "top1", "top5")
    row: dict[str, Any] = {"epoch": epoch + 1, "lr": session.optimizer.param_groups[0]["lr"]}
    row |= {f"train_{name}": learned[name] for name in names}
    row |= {f"val_{name}": seen[name] if seen else None for name in names}
    row |= {"clips_per_s": rate, "waiting": waited}
    session.log.append(row)
    if session.options.schedule == "plateau":
        session.plateau.step((seen or learned)["loss"])
    better = seen is not None and seen["top1"] > session.best_top1
    if better and seen is not None:
        session.best_top1 = seen["top1"]
    if session.world.first:
        session.run.write_log(session.log)
        session.ui.note(_line(row, session.options.epochs))
    if better:
        _save(session, session.run.best, with_state=False)
    _save(session, session.run.last)


def _line(row: dict[str, Any], epochs: int) -> str:
    val = ""
    if row["val_loss"] is not None:
        val = f"  val loss {row['val_loss']:.3f} top-1 {row['val_top1']:.1%}"
    return (
        f"epoch {row['epoch']}/{epochs}  train loss {row['train_loss']:.3f} "
        f"top-1 {row['train_top1']:.1%}{val}  "
        f"{row['clips_per_s']:.0f} clips/s, {row['waiting']:.1%} waiting for data"
    )


def _save(session: Session, path: Any, with_state: bool = True) -> None:
    """Write a checkpoint; the training state of all ranks is summed into it."""
    metrics = session.world.total(session.metrics.state())
    if session.world.first:
        state = {
            "options": session.options.as_dict(),
            "stream": session.train.state_dict(),
            "optimizer": session.optimizer.state_dict(),
            "plateau": session.plateau.state_dict(),
            "metrics": metrics,
            "log": session.log,
            "best_top1": session.best_top1,
        }
        last = session.log[-1] if session.log else {}
        checkpoints.save(
            path,
            Checkpoint(
                network=session.network.spec,
                spec=session.dataset.spec,
                window=session.train.window,
                mean=session.normalise.mean,
                std=session.normalise.std,
                labels=tuple(session.dataset.labels),
                weights=session.network.state_dict(),
                dataset=session.dataset.name,
                dataset_digest=session.train.digest,
                metrics=last,
                state=state if with_state else None,
            ),
        )
    session.saved = time.monotonic()
    session.world.wait()


def _restore(session: Session) -> None:
    """Go on where the last checkpoint stands."""
    saved = checkpoints.load(session.run.last)
    where, state = str(session.run.last), saved.state
    if state is None:
        raise ClipmillError(f"{where} holds no training state; it cannot be resumed.")
    session.options.require_same(state["options"], where)
    saved.require_spec(session.dataset.spec, session.dataset.storage.root)
    saved.require_labels(session.dataset.labels, session.dataset.storage.root)
    session.network.load_state_dict(saved.weights)
    session.optimizer.load_state_dict(state["optimizer"])
    session.plateau.load_state_dict(state["plateau"])
    session.train.load_state_dict(state["stream"])
    if session.world.first:  # summed over ranks when saved, so it counts once
        session.metrics.merge(state["metrics"])
    session.log, session.best_top1 = state["log"], state["best_top1"]
    session.ui.note(
        f"resuming {where} at epoch {session.train.epoch + 1}, step {session.train.step}"
    )

"""The training loop: one readable loop for one CPU, one GPU, or many processes of torchrun.

Every epoch reads each clip of train once (the tail that fills no batch is left out and counted),
then val. A checkpoint is written after every epoch, every `save_minutes` and `save_steps`, on
SIGUSR1, and when the run is interrupted (SIGINT, SIGTERM); it holds the data position, so a resumed
run repeats and skips nothing. On a CPU with the same number of threads the resumed run is
bit-identical to an undisturbed one.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from torch import nn

from manifests.console import Ui
from manifests.dataset import Dataset
from model import conv3d
from model.metrics import Metrics
from model.world import World
from shards.reading import Reading
from train import figures, norms, telling
from train.ending import best_row
from train.evaluation import evaluate, measured
from train.fitting import explained
from train.inuse import holding, require_free
from train.keeping import require_finite, restore, save, save_best
from train.measured import Measured
from train.newest import not_shared
from train.optim import unreached
from train.options import Options
from train.recipe import text
from train.run import Run
from train.session import Session
from train.showing import showing
from train.signals import Stop
from train.start import start
from train.step import replicate, step
from train.trackers.names import NONE
from train.trackers.opening import opened
from train.trackers.told import Told

SAVE, END, DIVERGED = 1, 2, 3  # what ranks may decide between two steps, the gravest last


def train(
    dataset: Dataset,
    options: Options,
    run: Run,
    world: World,
    resume: bool,
    ui: Ui,
    how: Reading | None = None,
    recut: bool = False,
) -> dict[str, Any]:
    """Train until `options.epochs` and return the last epoch's line and the checkpoints' paths.

    `how` says how shards are read; with `recut` a resumed run may have another batch.

    Raises:
        ClipmillError: data and options that do not fit, a run that is here already; a loss that
            is no number.
        StoppedError: another process trains in this folder.
        KeyboardInterrupt: SIGINT or SIGTERM came; the position is saved.
    """
    if world.first:
        require_free(run.folder)
    going_on = run.require(resume)
    session = start(dataset, options, run, world, ui, how or Reading(), going_on)
    mine = holding(run.folder) if world.first else contextlib.nullcontext()
    with contextlib.closing(session), mine, Stop() as stop:
        replica = _begin(session, going_on, resume, recut)
        while session.train.epoch < options.epochs:
            _epoch(session, replica, stop)
    return {
        "run": str(run.folder),
        "epochs": options.epochs,
        **(session.log[-1] if session.log else {}),
        "best_epoch": best_row(session.log),
        "best_val_top1": session.best_top1 if session.best_top1 >= 0 else None,
        "last": str(run.last),
        "best": str(run.best) if session.best_top1 >= 0 else None,
    }


def _begin(session: Session, going_on: bool, resume: bool, recut: bool) -> nn.Module:
    """Go on where the run stands or write down what it is; return the network as it is trained."""
    run, world, ui = session.run, session.world, session.ui
    if not world.same(going_on):
        raise not_shared(run)
    if going_on:
        restore(session, recut=recut)
    elif world.first:
        run.write_init(session.init)
        if resume:
            ui.note(f"nothing to resume: {run.folder} holds no {run.last.name}; starting anew")
    if world.first:  # again where a run goes on: to other epochs, or cut anew
        run.write_recipe(text(session.options, f"What {run.folder.name} was trained with."))
    telling.dropped(session)
    for words in unreached(session.options):
        ui.warn(words)
    if session.world.first:
        session.trackers = opened(session)
    for words in conv3d.warnings_here() if world.device.type == "cuda" else ():
        ui.warn(words)
    return replicate(session.network, world, session.ways.compiled, session.options.accumulate == 1)


def _epoch(session: Session, replica: nn.Module, stop: Stop) -> None:
    """Train to the end of the epoch that the stream stands in, look at val, keep checkpoints."""
    stream, epoch, started = session.train, session.train.epoch, time.monotonic()
    session.waited = 0.0
    # Of an epoch that goes on or was re-cut, those that are left.
    clips = (len(stream) - stream.step) * session.options.batch
    with showing(session) as show:
        asked = time.monotonic()
        for batch in stream:
            session.waited += time.monotonic() - asked
            with explained(session, batch.pixels):
                loss = step(session, replica, batch)
            session.watch.saw(stream.progress, loss, batch.rows)
            show.stepped(loss)
            asked = time.monotonic()
            _between_steps(session, stop)
    telling.lost(session, stream)
    require_finite(session)
    found = {"train": measured(session, session.metrics)}  # waits for what the device still does
    seconds = time.monotonic() - started
    session.metrics = Metrics(session.network.spec.num_classes, session.world.device)
    norms.measure(session)
    pictures = session.options.tracker != (NONE,)  # on all ranks alike
    for split, looked_at in (("val", session.val), ("test", session.test)):
        if looked_at is not None:
            found[split] = evaluate(session, looked_at, pictures=split == "val" and pictures)
            telling.lost(session, looked_at)
    session.aside = time.monotonic() - started - seconds
    pace = {"seconds": time.monotonic() - started}
    if clips:  # else it was interrupted after its last step, and has no pace
        pace |= {"clips_per_s": clips / seconds, "waiting": session.waited / seconds}
    _conclude(session, epoch, found, pace)


def _between_steps(session: Session, stop: Stop) -> None:
    """Save when it is time, when somebody asks, or when the run is to end; ranks decide alike."""
    options = session.options
    due = time.monotonic() - session.saved > options.save_minutes * 60
    due |= options.save_steps > 0 and session.train.progress % options.save_steps == 0
    wish = END if stop.asked else SAVE if due or stop.saving else 0
    decision = session.world.most(DIVERGED if session.watch.due() else wish)
    if decision == DIVERGED:
        raise session.watch.error(session.world, session.train.clip_ids)
    if decision:
        stop.saving = False
        save(session)
    if decision == END:
        raise KeyboardInterrupt


def _conclude(
    session: Session, epoch: int, found: dict[str, Measured], pace: dict[str, float]
) -> None:
    """Write the epoch's figures and its checkpoints; what was measured on test decides nothing."""
    learned, seen = found["train"].result, found["val"].result if "val" in found else None
    row = figures.row(session, epoch, found, pace)
    session.log.append(row)
    if session.options.schedule == "plateau":
        session.plateau.step((seen or learned)["loss"])
    better = seen is not None and seen["top1"] > session.best_top1
    if better and seen is not None:
        session.best_top1 = seen["top1"]
    if session.world.first:
        figures.write(session, epoch, found)
        labels = session.dataset.labels
        session.trackers.epoch(Told(session.log, found, labels, session.curve))
        session.ui.note(telling.line(row, session.options.epochs))
    if better:
        save_best(session)
    save(session)

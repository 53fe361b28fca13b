"""Checkpoints of a run: written, and gone on from.

One holds the training state beside the weights: optimizer, schedule, data position and the epoch's
counts so far. Keeping one costs the writing of the weights and twice that for Adam.
"""

from __future__ import annotations

import time
from typing import Any

from manifests.errors import ClipmillError
from manifests.seen import read as read_seen
from model import checkpoint as checkpoints
from model.checkpoint import Checkpoint
from train.newest import newest, not_shared
from train.session import Session


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

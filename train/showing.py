"""What an epoch shows while it runs: the bar with its words, and the curve of the loss by steps.

Looking at the loss waits for the device, so it is looked at every `log_steps` steps only, and at
an epoch's first and last: also epochs of few steps have their loss.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from manifests.progress import Progress, clock
from train.figures import clips_seen
from train.session import Session


class Showing:
    """Moves the bar of one epoch; rank 0's loss and accuracy stand for all."""

    def __init__(self, session: Session, progress: Progress) -> None:
        self._session, self._progress = session, progress
        self._started = time.monotonic()

    def stepped(self, loss: Tensor) -> None:
        """Count a step that had this loss, a scalar on the device."""
        session = self._session
        self._progress.advance(session.options.batch)
        step, ends = session.train.step, (1, len(session.train))
        due = step in ends or step % session.options.log_steps == 0
        if due and session.world.first:
            self._progress.advance(0, self._look(loss))

    def _look(self, loss: Tensor) -> str:
        session = self._session
        right = session.metrics.so_far()
        now, correct, clips = torch.cat([loss.double().reshape(1), right]).tolist()
        session.curve.add(clips_seen(session), now)
        session.trackers.step(session.curve)
        waiting = session.waited / max(time.monotonic() - self._started, 1e-9)
        words = [
            f"loss {now:.3f}",
            f"top-1 {correct / max(clips, 1):.1%}",
            f"{waiting:.1%} waiting for data",
        ]
        left = self._left()
        return ", ".join([*words, f"{clock(left)} left of the run"] if left else words)

    def _left(self) -> float:
        """Seconds until the run ends: this epoch's, and what comes after it as it went so far."""
        session, bar = self._session, self._progress
        each = len(session.train.samples) / max(bar.rate, 1e-9) + session.aside
        after = session.options.epochs - session.train.epoch - 1
        return (bar.total - bar.done) / max(bar.rate, 1e-9) + session.aside + after * each


@contextlib.contextmanager
def showing(session: Session) -> Iterator[Showing]:
    """Show the epoch that the stream stands in while the block trains it."""
    stream, batch = session.train, session.options.batch
    title = f"epoch {stream.epoch + 1}/{session.options.epochs}"
    with session.ui.progress(
        len(stream) * batch, title, closing=False, before=stream.step * batch, unit="clips"
    ) as progress:
        yield Showing(session, progress)

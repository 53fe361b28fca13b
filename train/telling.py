"""What a run says in words, beside its progress: what an epoch left out, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shards.stream import Stream
from train.session import Session

MANY_DROPPED = 0.05  # of the clips of train


def dropped(session: Session) -> None:
    """Tell how many clips an epoch leaves out: always where they are many, else with -v."""
    left_out, clips = session.train.dropped, len(session.train.samples)
    if left_out:
        text = f"{left_out} of {clips} clips an epoch fill no batch and are left out"
        many = left_out > clips * MANY_DROPPED
        cure = "; a --batch that divides their number more evenly leaves out fewer" if many else ""
        (session.ui.note if many else session.ui.detail)(text + cure)
    if repeated := session.train.repeated:
        session.ui.detail(
            f"{repeated} of {clips} clips an epoch come twice, to fill its last batch"
        )


def lost(session: Session, stream: Stream) -> None:
    """Warn of damaged clips that an epoch has left out, and of processes that died."""
    if stream.left_out:
        here = f"; here {stream.bad[0]}" if stream.bad else ""
        words = (
            "1 damaged clip was"
            if stream.left_out == 1
            else f"{stream.left_out} damaged clips were"
        )
        session.ui.warn(f"{words} left out in this epoch{here}")
        stream.bad.clear()
    if stream.restarts > session.restarts:
        session.restarts = stream.restarts
        session.ui.warn(
            f"the processes that read shards have died {stream.restarts} times and went on; the "
            "machine may be short of memory."
        )


def line(row: Mapping[str, Any], epochs: int) -> str:
    """Return an epoch's figures in one line, of so many epochs."""
    val = ""
    if row["val_loss"] is not None:
        val = f"  val loss {row['val_loss']:.3f} top-1 {row['val_top1']:.1%}"
    pace = ""
    if row["clips_per_s"] is not None:
        pace = f"  {row['clips_per_s']:.0f} clips/s, {row['waiting']:.1%} waiting for data"
    return (
        f"epoch {row['epoch']}/{epochs}  train loss {row['train_loss']:.3f} "
        f"top-1 {row['train_top1']:.1%}{val}{pace}"
    )

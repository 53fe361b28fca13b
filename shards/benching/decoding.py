"""simplejpeg alone: whole strips decoded into a buffer that is used again, nothing delivered.

What clipmill is held against where shards are jpeg: one process, and as many as there are workers.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.queues import Queue

import numpy as np
import simplejpeg

from shards.benching.setup import Clips, Pixels, Setup
from shards.orphans import end_with_parent

WAITING = 2  # batches that each process may have decoded before they are counted


def decoded(setup: Setup) -> tuple[Iterator[Pixels], int]:
    """Decode batch after batch in this process; what is yielded tells their size alone."""
    clips = Clips(setup)

    def batches() -> Iterator[Pixels]:
        buffer = np.empty(clips.spec.nbytes, np.uint8)
        for rows in clips.rows(setup):
            _decode(clips, rows, buffer)
            yield _counted(setup, clips)

    return batches(), 0


def decoded_together(setup: Setup) -> tuple[Iterator[Pixels], int]:
    """Decode with as many processes as there are workers, each batch after batch."""
    if not setup.workers:
        return decoded(setup)
    context = multiprocessing.get_context("fork")
    done: Queue[int] = context.Queue(WAITING * setup.workers)
    for number in range(setup.workers):
        context.Process(target=_work, args=(setup, number, done), daemon=True).start()
    clips = Clips(setup)

    def batches() -> Iterator[Pixels]:
        while True:
            done.get()
            yield _counted(setup, clips)

    return batches(), (WAITING + 1) * setup.workers


def _work(setup: Setup, number: int, done: Queue[int]) -> None:
    end_with_parent()
    clips = Clips(setup)
    buffer = np.empty(clips.spec.nbytes, np.uint8)
    for at, rows in enumerate(clips.rows(setup)):
        if at % setup.workers == number:
            _decode(clips, rows, buffer)
            done.put(at)


def _decode(clips: Clips, rows: list[int], buffer: Pixels) -> None:
    for row in rows:
        simplejpeg.decode_jpeg(clips.strip(row), colorspace="RGB", buffer=buffer)


def _counted(setup: Setup, clips: Clips) -> Pixels:
    return np.broadcast_to(np.uint8(0), (setup.batch, *clips.shape))


ONE, TOGETHER = "simplejpeg", "simplejpeg, all workers"
DECODERS = {ONE: decoded, TOGETHER: decoded_together}

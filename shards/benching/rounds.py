"""One contestant's side of a benchmark: it stands by, and does a round whenever it is told.

Standard library alone, so that it runs in other libraries' own environments too. A command is a
line of JSON, `{"steps": 100, "rate": null}`, and so is its answer.

What was read ahead between two rounds is taken first and does not count:

    |  taken: what queues hold  |  steps: timed, processor time of the whole session  |
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

from shards.benching.processes import cpu_seconds, members

PYTHON_S = 0.005  # what a training step runs in Python, holding the interpreter


def channel() -> TextIO:
    """Return where answers go, and send everything else that is printed to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def serve(batches: Iterator[Any], ahead: int, answers: TextIO, **about: Any) -> None:
    """Do rounds until stdin ends; `ahead` is the number of batches that may be read ahead.

    Batches are arrays or tensors of (N, ...). The first answer tells their shape and type.
    """
    first = next(batches)
    shape, kind = list(first.shape), str(first.dtype).rpartition(".")[2]
    del first
    print(json.dumps({"shape": shape, "kind": kind, **about}), file=answers)
    for line in sys.stdin:
        print(json.dumps(one_round(batches, ahead, **json.loads(line))), file=answers)


def one_round(
    batches: Iterator[Any], ahead: int, steps: int, rate: float | None = None
) -> dict[str, float]:
    """Take `steps` batches and say how long that took, how much of it was waiting, and the CPU.

    With a `rate`, after each batch there is a training step on a device that takes so many clips a
    second: Python is busy for its part of the step, and sleeps for the rest.
    """
    for _ in range(ahead):
        next(batches)
    session = os.getsid(0)
    started = time.perf_counter()
    used = cpu_seconds(members(session))
    clips, waited = 0, 0.0
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches)
        came = time.perf_counter()
        waited += came - asked
        clips += len(batch)
        if rate is not None:
            train(came, len(batch) / rate)
    seconds = time.perf_counter() - started
    used = cpu_seconds(members(session)) - used
    return {"clips": clips, "seconds": seconds, "waited_s": waited, "cpu_s": used}


def train(began: float, step_s: float) -> None:
    """Behave as a training step does: Python for 5 ms, then nothing until the device is done."""
    until = time.thread_time() + PYTHON_S
    while time.thread_time() < until:
        pass
    left = began + step_s - time.perf_counter()
    if left > 0:
        time.sleep(left)

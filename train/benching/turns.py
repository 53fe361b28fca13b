"""Ways to train in turn, round after round, in one process on one device; ratios inside a round.

Only one is at work at a time. Machines are noisy, so another one begins each round and medians of
the ratios are told. What was read ahead while others had their turn is taken first and not counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from manifests.console import Progress

WARM_STEPS = 2


@dataclass(frozen=True)
class Way:
    """A way to train: `step` is one of `clips` clips, from data that the way has or reads.

    `prepare` sets what torch keeps for the whole process; `drain` takes what was read ahead.
    """

    name: str
    clips: int
    step: Callable[[], object]
    prepare: Callable[[], None]
    drain: Callable[[], None] = lambda: None


def synchronise(device: torch.device) -> None:
    """Wait until a device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def alternate(
    ways: Sequence[Way], rounds: int, seconds: float, device: torch.device, progress: Progress
) -> dict[str, list[float]]:
    """Return the clips a second that each way reached in each round, of turns of about so long."""
    steps = {way.name: _steps(way, seconds, device, progress) for way in ways}
    rates: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(rounds):
        first = number % len(ways)
        for way in [*ways[first:], *ways[:first]]:
            way.prepare()
            way.drain()
            count = steps[way.name]
            rates[way.name].append(way.clips * count / _timed(way, count, device))
            progress.advance(words=way.name)
    return rates


def _steps(way: Way, seconds: float, device: torch.device, progress: Progress) -> int:
    """Warm a way up, and return how many of its steps fill a turn."""
    way.prepare()
    _timed(way, WARM_STEPS - 1, device)
    took = _timed(way, 1, device)
    progress.advance(words=way.name)
    return max(1, round(seconds / took))


def _timed(way: Way, count: int, device: torch.device) -> float:
    synchronise(device)
    started = time.perf_counter()
    for _ in range(count):
        way.step()
    synchronise(device)
    return time.perf_counter() - started


def ratio(rates: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    """Return how much faster one way is than another: the median over rounds."""
    pairs = zip(rates[one], rates[other], strict=True)
    return round(statistics.median(mine / theirs for mine, theirs in pairs), 4)

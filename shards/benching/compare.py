"""Contestants in turn, round after round; what counts are ratios inside a round.

Machines are noisy: the same copy takes half as long again a minute later. So all ways have their
turn in each round, another one begins every time, and medians of the ratios are told.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self

from manifests.console import Progress
from shards.benching.contestant import Contestant, Lost, Round
from shards.benching.setup import Setup
from shards.benching.ways import BARE, MINE, YARDSTICK

_LEAST_STEPS = 2
_WARM_S = 5.0


class Entry(NamedTuple):
    """A contestant to be: its name and how it is started."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None


def ours(name: str, setup: Setup) -> Entry:
    """Return one of our own ways."""
    return Entry(name, (sys.executable, "-m", "shards.benching.stand", name, setup.as_json()))


@dataclass
class Arena:
    """Contestants that stand ready, each warm: it has been over all clips, or for five seconds.

    `missing` are those that could not be started or were lost, and why.
    """

    entries: Sequence[Entry]
    clips: int
    missing: dict[str, str] = field(default_factory=dict)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ready: dict[str, Contestant] = field(default_factory=dict)
    _rates: dict[str, float] = field(default_factory=dict)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            started = {
                entry.name: stack.enter_context(Contestant(entry.command, entry.environment))
                for entry in self.entries
            }
            for name, one in started.items():
                try:
                    self.about[name] = one.ready().about
                    self._ready[name] = one
                except Lost as error:
                    self.missing[name] = str(error)
            for name, one in [*self._ready.items()]:
                try:
                    self._rates[name] = self._warm(one)
                except Lost as error:
                    self.missing[name] = str(error)
                    del self._ready[name]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def names(self) -> list[str]:
        """Those that stand ready."""
        return [entry.name for entry in self.entries if entry.name in self._ready]

    def rounds(
        self,
        count: int,
        seconds: float,
        progress: Progress,
        rate: float | None = None,
        names: Sequence[str] | None = None,
    ) -> dict[str, list[Round]]:
        """Let each have its turn so many times, about so long; see rounds.py for `rate`."""
        chosen = [name for name in self.names if names is None or name in names]
        found: dict[str, list[Round]] = {name: [] for name in chosen}
        for number in range(count):
            first = number % max(1, len(chosen))
            for name in chosen[first:] + chosen[:first]:
                if name in self.missing:
                    continue
                fastest = min(self._rates[name], rate or self._rates[name])
                batch = self.about[name]["shape"][0]
                steps = max(_LEAST_STEPS, round(fastest * seconds / batch))
                try:
                    found[name].append(self._ready[name].round(steps, rate))
                except Lost as error:
                    self.missing[name] = str(error)
                progress.advance(words=name)
        return {name: rounds for name, rounds in found.items() if name not in self.missing}

    def _warm(self, one: Contestant) -> float:
        batch = one.about["shape"][0]
        first = one.round(2)
        if first.seconds > _WARM_S:
            return first.rate
        clips = min(self.clips, first.rate * _WARM_S)
        return one.round(max(2, round(clips / batch))).rate


def summary(found: dict[str, list[Round]]) -> dict[str, dict[str, float]]:
    """Return each way's clips a second, its processor time, and its ratios; medians of rounds."""

    def ratio(mine: str, other: str) -> float:
        pairs = zip(found[mine], found[other], strict=True)
        return round(statistics.median(one.rate / two.rate for one, two in pairs), 4)

    result: dict[str, dict[str, float]] = {}
    for name, rounds in found.items():
        values = {
            "clips_per_s": round(statistics.median(one.rate for one in rounds), 1),
            "cpu_ms_a_clip": round(statistics.median(one.cpu_ms for one in rounds), 4),
        }
        if YARDSTICK in found:
            values["to_memcpy"] = ratio(name, YARDSTICK)
        if BARE in found:
            values["to_crop_copy"] = ratio(name, BARE)
            pairs = zip(rounds, found[BARE], strict=True)
            cpu = statistics.median(one.cpu_ms / two.cpu_ms for one, two in pairs)
            values["cpu_to_crop_copy"] = round(cpu, 3)
        if MINE in found:
            values["clipmill_to_it"] = ratio(MINE, name)
        result[name] = values
    return result


def waiting(rounds: Sequence[Round]) -> float:
    """Return the part of the time that was waited for data, the median of rounds."""
    return round(statistics.median(one.waiting for one in rounds), 4)

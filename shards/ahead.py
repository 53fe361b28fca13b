"""Remote shards on this machine before they are read: fetched in threads, ahead of the plan.

Shards are fetched in the order of their first use, `at_once` together, as many as there is room
for; a shard is held until its last use, then the scratch folder may remove it. Of several
processes that want the same shards each begins with others, and the scratch folder makes them
wait for one another, so nothing comes twice. Waiting costs what the network costs; a shard that
is here costs some 20 microseconds. Only the process that made it can use it, no forked child.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manifests import scratch
from manifests.errors import ClipmillError, StoppedError
from shards.reach import Reach

Fetch = Callable[[int], contextlib.AbstractContextManager[Path]]


class _Copy(NamedTuple):
    path: Path
    held: contextlib.ExitStack


class Ahead:
    """Holds the shards that are about to be read.

    `fetch` gives a shard's copy by its number and holds it for a block, as Storage.fetched does;
    `sizes` int64 (shards,) are their bytes, `room` the bytes that may be held together. `first` is
    this process's number among those of the machine that read the same shards.
    """

    def __init__(
        self, fetch: Fetch, sizes: NDArray[np.int64], room: int, at_once: int = 4, first: int = 0
    ) -> None:
        self._fetch, self._sizes, self._room = fetch, sizes, room
        self._at_once, self._skip = at_once, first * at_once
        self._reach = Reach(np.empty(0, np.int64), sizes, room)
        self._copies: dict[int, _Copy] = {}
        self._errors: dict[int, BaseException] = {}
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._process = os.getpid()

    def begin(self, shards: NDArray[np.int64]) -> None:
        """Begin fetching what an epoch (or its rest) reads: the shard of every position, in order.

        Negative numbers need none. What was held for another epoch is let go of.
        """
        reach = Reach(shards, self._sizes, self._room, self._skip)
        with self._changed:
            self._require_open()
            self._reach, before = reach, [*self._copies.values()]
            self._copies, self._errors = {}, {}
            self._changed.notify_all()
            for number in range(len(self._threads), self._at_once):
                name = f"clipmill-ahead-{number}"
                self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
                self._threads[-1].start()
        for copy in before:
            copy.held.close()

    def need(self, start: int, stop: int) -> dict[int, Path]:
        """Return the files of all shards of positions [start, stop) by shard number, once here.

        They stay until `done` has passed their last use. Of a shard that its store does not have
        there is nothing at the path. May be called with later positions before `done` is.

        Raises:
            ClipmillError, StoppedError: what fetching one of them raised; asked for again, it is
                fetched again. Or what must be held at once is more than there is room for.
        """
        with self._changed:
            self._require_open()
            reach = self._reach
            self._raise_for(reach.needs(start, stop))
            try:
                wanted = reach.ask(start, stop)
            except ClipmillError as error:
                raise self._too_small(str(error)) from None
            self._let_go(reach.surplus())
            self._changed.notify_all()
            while True:
                self._raise_for(wanted)
                if all(at in self._copies for at in wanted):
                    return {reach.numbers[at]: self._copies[at].path for at in wanted}
                self._changed.wait()
                self._require_open()

    def done(self, position: int) -> None:
        """Note that everything before a position was read."""
        with self._changed:
            self._let_go(self._reach.read(position))
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of everything; what is on its way is let go of when it comes."""
        if os.getpid() != self._process:
            return  # a forked child holds nothing
        with self._changed:
            self._closed = True
            before, self._copies = [*self._copies.values()], {}
            self._changed.notify_all()
        for copy in before:
            copy.held.close()

    def _raise_for(self, wanted: list[int]) -> None:
        for at in wanted:
            if at in self._errors:
                raise self._errors.pop(at)

    def _require_open(self) -> None:
        if self._closed:
            raise ValueError("this Ahead is closed")

    def _too_small(self, what: str) -> ClipmillError:
        return ClipmillError(
            f"{what}. Set {scratch.BOUND} to {self._wanted_gb():g} or more, or read blocks of "
            "fewer shards."
        )

    def _wanted_gb(self) -> float:
        """The bound of the scratch folder that would give the room."""
        share = scratch.bound() / max(1, self._room)
        return math.ceil(self._reach.least * share / 1e8) / 10

    def _let_go(self, ordinals: list[int]) -> None:
        for at in ordinals:
            self._copies.pop(at).held.close()

    def _work(self) -> None:
        """Fetch what is next until closed, in a thread."""
        while (next_one := self._next()) is not None:
            reach, at = next_one
            held = contextlib.ExitStack()
            try:
                path = held.enter_context(self._fetch(reach.numbers[at]))
            except BaseException as error:
                self._failed(reach, at, error)
            else:
                self._arrived(reach, at, _Copy(path, held))

    def _next(self) -> tuple[Reach, int] | None:
        with self._changed:
            while not self._closed:
                if (at := self._reach.begin()) is not None:
                    return self._reach, at
                self._changed.wait()
        return None

    def _arrived(self, reach: Reach, at: int, copy: _Copy) -> None:
        with self._changed:
            if reach is self._reach and not self._closed and reach.arrived(at):
                self._copies[at] = copy
                self._let_go(reach.surplus())
                self._changed.notify_all()
                return
            self._changed.notify_all()
        copy.held.close()

    def _failed(self, reach: Reach, at: int, error: BaseException) -> None:
        """Keep an error for whoever needs the shard. What stopped one that nobody has asked for
        may have passed when it is: then it is fetched again.
        """
        with self._changed:
            if reach is self._reach and (reach.refuse(at) or not isinstance(error, StoppedError)):
                self._errors[at] = error
            self._changed.notify_all()

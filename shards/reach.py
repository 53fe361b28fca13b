"""Which remote shards are to be on this machine now: the pure part of reading ahead.

    position   0 1 2 3 4 5 6 7 8 9        reading has come to 2, and asks for what lies before 6:
    shard      4 4 9 4 9 9 2 2 7 7        4 and 9 must be here; 2, then 7, may be if there is room
                   ^read   ^asked

Shards are told by their place in the order of first use ("ordinals"). No step costs more than
the few that are here or asked for; the whole takes some 40 bytes a sample.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from manifests.errors import ClipmillError

SPAN = 8  # so many neighbours are fetched in an order that differs between the ranks of a node


class Reach:
    """The state of what is here and what is coming, within `room` bytes.

    `shards` int64 (positions,): the number of the shard that each one needs, negative for none;
    `sizes` int64: bytes by shard number. `skip` neighbours are left to other ranks at first.
    """

    def __init__(
        self, shards: NDArray[np.int64], sizes: NDArray[np.int64], room: int, skip: int = 0
    ) -> None:
        self.room = room
        used = np.flatnonzero(shards >= 0)
        numbers, first = np.unique(shards[used], return_index=True)
        order = np.argsort(first)
        self.numbers: list[int] = numbers[order].tolist()
        self._begins = used[first[order]]
        place = np.full(int(numbers.max(initial=-1)) + 2, -1, np.int64)  # its last is for none
        place[numbers[order]] = np.arange(len(order))
        self._ordinals = place[np.maximum(shards, -1)]
        self._ends = np.zeros(len(order), np.int64)
        self._ends[self._ordinals[used]] = used + 1  # of several the last one stays
        self._bytes: list[int] = sizes[numbers[order]].tolist()
        self._turns = turns(len(order), skip)
        self._turn_of = np.argsort(self._turns)
        self._next_turn = self._read = self._asked = self._opened = self.taken = 0
        self._coming: set[int] = set()
        self._here: set[int] = set()
        self._lacking: set[int] = set()  # asked for, and neither here nor coming
        self._refused: set[int] = set()  # not fetched again before they are asked for
        self._leaving: list[tuple[int, int]] = []  # a heap of (end, ordinal) of what is here

    def needs(self, start: int, stop: int) -> list[int]:
        """Return the ordinals that positions [start, stop) need."""
        found = np.unique(self._ordinals[start:stop])
        return found[found >= 0].tolist()

    def ask(self, start: int, stop: int) -> list[int]:
        """Return what positions [start, stop) need, which comes before all else from now on.

        Raises:
            ClipmillError: what must be here at once is more than there is room for.
        """
        wanted = self.needs(start, stop)
        self._asked = max(self._asked, stop)
        opened = int(np.searchsorted(self._begins, self._asked))
        new = [at for at in range(self._opened, opened) if self._ends[at] > self._read]
        self._opened = opened
        self._lacking.update({*new, *wanted} - self._here - self._coming)
        if (least := self.least) > self.room:
            raise ClipmillError(
                f"{len(self._must())} shards of together {least:,} bytes must be here at once; "
                f"there is room for {self.room:,}"
            )
        return wanted

    def _must(self) -> set[int]:
        """What was asked for and is still to be read."""
        used = {at for at in self._here | self._coming if self._begins[at] < self._asked}
        return {at for at in used if self._ends[at] > self._read} | self._lacking

    @property
    def least(self) -> int:
        """Bytes of what must be here at once."""
        return sum(self._bytes[at] for at in self._must())

    def begin(self) -> int | None:
        """Return the ordinal to be fetched next, which is coming from then on; None for none."""
        if self._lacking:
            at = self._first_lacking()
        else:
            while self._next_turn < len(self._turns) and self._is_settled(self._next_turn):
                self._next_turn += 1
            if self._next_turn == len(self._turns):
                return None
            at = int(self._turns[self._next_turn])
        if self.taken + self._bytes[at] > self.room:
            return None
        self._lacking.discard(at)
        self._refused.discard(at)
        self._coming.add(at)
        self.taken += self._bytes[at]
        return at

    def _first_lacking(self) -> int:
        return min(self._lacking, key=self._turn_of.__getitem__)

    def _is_settled(self, turn: int) -> bool:
        """Whether nothing is to be done ahead of time about the shard of a turn."""
        at = int(self._turns[turn])
        gone = self._ends[at] <= self._read
        return bool(gone) or at in self._coming or at in self._here or at in self._refused

    def arrived(self, at: int) -> bool:
        """Note that a shard is here; False where nobody needs it any more: let go of it."""
        self._coming.remove(at)
        if self._ends[at] <= self._read:
            self.taken -= self._bytes[at]
            return False
        self._here.add(at)
        heapq.heappush(self._leaving, (int(self._ends[at]), at))
        return True

    def refuse(self, at: int) -> bool:
        """Note that a shard does not come; whether it was asked for."""
        self._coming.remove(at)
        self.taken -= self._bytes[at]
        self._refused.add(at)
        return bool(self._begins[at] < self._asked)

    def is_refused(self, at: int) -> bool:
        """Whether a shard did not come and is not fetched before it is asked for."""
        return at in self._refused

    def read(self, position: int) -> list[int]:
        """Note that all before `position` was read; return the ordinals to let go of."""
        self._read = max(self._read, position)
        self._lacking = {at for at in self._lacking if self._ends[at] > self._read}
        left = []
        while self._leaving and self._leaving[0][0] <= self._read:
            _, at = heapq.heappop(self._leaving)
            if at in self._here:
                self._leave(at)
                left.append(at)
        return left

    def surplus(self) -> list[int]:
        """Return what is here too early and has to go for something that was asked for."""
        if not self._lacking:
            return []
        lacked = self._bytes[self._first_lacking()]
        early = sorted(at for at in self._here if self._begins[at] >= self._asked)
        left = []
        while early and self.taken + lacked > self.room:
            left.append(early.pop())
            self._leave(left[-1])
            self._next_turn = min(self._next_turn, int(self._turn_of[left[-1]]))
        return left

    def _leave(self, at: int) -> None:
        self._here.remove(at)
        self.taken -= self._bytes[at]


def turns(count: int, skip: int) -> NDArray[np.int64]:
    """Return ordinals in the order in which they are fetched ahead of time.

    Of each SPAN of them the first `skip` come last:   skip 2:  2 3 4 5 6 7 0 1 | 10 11 8 9
    """
    groups = [np.arange(start, min(start + SPAN, count)) for start in range(0, count, SPAN)]
    return np.concatenate([np.roll(group, -skip) for group in groups] or [np.empty(0, np.int64)])

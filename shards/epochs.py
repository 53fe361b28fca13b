"""The rows that one rank reads, epoch by epoch; what the plan's pure functions are given for it.

An epoch of a million samples costs 0.1 s, each time it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shards import plan
from shards.position import Course, Position
from shards.samples import Samples


@dataclass(frozen=True, eq=False)
class Epochs:
    """What decides which clips one rank reads; with `train` the order is permuted."""

    samples: Samples
    course: Course
    rank: int
    world: int
    tail: plan.Tail
    train: bool

    @property
    def share(self) -> int:
        """Clips of one batch of this rank."""
        return -(-self.course.global_batch // self.world)

    def first(self) -> Position:
        """Return the first epoch's beginning."""
        return Position(laid=self.course.global_batch)

    def rows(self, at: Position) -> plan.Indices:
        """Return this rank's rows of an epoch from a position on, (steps, N); -1 for none."""
        rest = self._order(at)[at.skipped :]
        found = plan.shares(rest, self.course.global_batch, self.rank, self.world, self.tail)
        return found[at.step :]

    def steps(self, at: Position) -> int:
        """Return how many steps an epoch has, from where it was cut."""
        left = len(self.samples) - at.skipped
        return plan.steps(left, self.course.global_batch, self.tail)

    def _order(self, at: Position) -> plan.Indices:
        if not self.train:
            return np.arange(len(self.samples), dtype=np.int64)
        course = self.course
        return plan.order(
            self.samples.shard_of,
            course.digest,
            course.seed,
            at.epoch,
            course.block,
            course.lanes,
            at.laid,
        )

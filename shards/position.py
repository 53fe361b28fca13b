"""Where a stream stands: a few plain numbers, and what they must agree with to go on from.

Loading them costs the same at any step. The number of ranks and workers is none of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from manifests.errors import ClipmillError
from shards import plan


@dataclass(frozen=True, slots=True)
class Course:
    """What decides which clips each global batch has."""

    digest: str
    seed: int
    global_batch: int
    block: int
    lanes: int
    version: int = plan.VERSION


@dataclass(slots=True)
class Position:
    """How far an epoch was read: `step` global batches after the first `skipped` clips.

    An epoch that was re-cut goes on in the order in which it was laid for batches of `laid`.
    `bad` are the bad samples met in this epoch, on all ranks.
    """

    epoch: int = 0
    step: int = 0
    skipped: int = 0
    laid: int = 0
    bad: int = 0

    def state(self, course: Course) -> dict[str, Any]:
        """Return plain numbers and a digest, to be kept with a checkpoint."""
        return asdict(course) | asdict(self)

    def following(self, course: Course) -> Position:
        """Return the next epoch's beginning."""
        return Position(epoch=self.epoch + 1, laid=course.global_batch)

    def next_epoch(self, course: Course) -> None:
        """Stand at the next epoch's beginning."""
        there = self.following(course)
        self.epoch, self.step, self.skipped, self.bad = there.epoch, 0, 0, 0
        self.laid = there.laid


def required(state: dict[str, Any], course: Course, samples: int, *, recut: bool) -> Position:
    """Return the position that a state tells, held against the course that is to go on from it.

    With `recut` another global batch is taken: what is left of the epoch is cut anew.

    Raises:
        ClipmillError: other data, seed, batch or order; numbers that cannot be.
    """
    mine = asdict(course)
    for key in ("version", "digest", "seed", "block", "lanes", "global_batch"):
        if state.get(key) != mine[key] and not (recut and key == "global_batch"):
            cure = "Resume with the same data and options, or start a new run."
            if key == "global_batch":
                cure = "Resume with the same batch, start a new run, or ask for a re-cut."
            raise ClipmillError(
                f"the saved position was reached with {key} {state.get(key)}, this run has "
                f"{mine[key]}. {cure}"
            )
    before = _number(state, "global_batch")
    found = Position(
        epoch=_number(state, "epoch"),
        step=_number(state, "step", -(-samples // max(1, before))),
        skipped=_number(state, "skipped", samples),
        laid=_number(state, "laid"),
        bad=_number(state, "bad"),
    )
    if found.laid < 1 or found.laid % course.lanes:
        raise ClipmillError(
            f"the saved position was laid for batches of {found.laid}, which {course.lanes} lanes "
            "do not share evenly. Start a new run."
        )
    if recut and before != course.global_batch:
        found.skipped = min(samples, found.skipped + found.step * before)
        found.step = 0
    return found


def _number(state: dict[str, Any], key: str, most: int | None = None) -> int:
    value = state.get(key)
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < 0
        or (most is not None and value > most)
    ):
        raise ClipmillError(
            f"the saved position has {key} {value!r}; expected a whole number from 0"
            f"{'' if most is None else f' to {most}'}. Start a new run."
        )
    return value

"""What trackers are told, and what one has to be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from train.curve import Curve
from train.measured import Measured


@dataclass(frozen=True, slots=True)
class Told:
    """A finished epoch: the rows of all epochs so far, and what was measured in this one by split.

    `labels` are in the order of label_id; `curve` is the loss by steps.
    """

    rows: Sequence[Mapping[str, Any]]
    found: Mapping[str, Measured]
    labels: Sequence[str]
    curve: Curve

    @property
    def row(self) -> Mapping[str, Any]:
        """The figures of this epoch."""
        return self.rows[-1]


class Tracker(Protocol):
    """Is told how a run goes. Whatever it raises costs the run a warning and nothing else."""

    name: str

    def step(self, curve: Curve) -> None:
        """Be told the loss of a step, which the curve has as its last point."""
        ...

    def epoch(self, told: Told) -> None:
        """Be told of a finished epoch."""
        ...

    def flush(self) -> None:
        """Have all that was told outlive this process."""
        ...

    def close(self) -> None:
        """End; nothing is told after it."""
        ...

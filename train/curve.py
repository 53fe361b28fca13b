"""The loss by steps, as few points as can be looked at, for as long as a run lasts.

At most `MOST` points of 16 bytes are kept, in the checkpoint too: when they are full, every second
one goes, and from then on half as many are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

MOST = 2000


class Curve:
    """Points (clips seen, loss), spread evenly over a run however long it is."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._every, self._count = most, 1, 0
        self._points: list[tuple[int, float]] = []
        self.last: tuple[int, float] | None = None  # what was added last, kept or not

    @property
    def points(self) -> list[tuple[int, float]]:
        """The points that are kept, in order."""
        return self._points

    def add(self, clips: int, loss: float) -> None:
        """Add a point behind the others."""
        self.last = (clips, loss)
        if self._count % self._every == 0:
            self._points.append((clips, loss))
        self._count += 1
        if len(self._points) >= self._most:
            self._points, self._every = self._points[::2], self._every * 2

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        points = torch.tensor(self._points, dtype=torch.float64).reshape(-1, 2)
        return {"points": points, "every": self._every, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's points."""
        self._points = [(int(x), float(y)) for x, y in state["points"].tolist()]
        self._every, self._count = int(state["every"]), int(state["count"])

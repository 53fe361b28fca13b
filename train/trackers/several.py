"""All trackers of a run as one, none of which can stop it: each is warned of once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from manifests.console import Ui
from train.curve import Curve
from train.trackers.told import Told, Tracker


class Trackers:
    """Hands on what a run tells to each of its trackers."""

    def __init__(self, trackers: Sequence[Tracker] = (), ui: Ui | None = None) -> None:
        self._trackers, self._ui = trackers, ui
        self._warned: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._trackers)

    def step(self, curve: Curve) -> None:
        """Tell the loss of a step."""
        self._each(lambda tracker: tracker.step(curve))

    def epoch(self, told: Told) -> None:
        """Tell of a finished epoch."""
        self._each(lambda tracker: tracker.epoch(told))

    def flush(self) -> None:
        """Have all that was told outlive this process: called before each checkpoint."""
        self._each(lambda tracker: tracker.flush())

    def close(self) -> None:
        """End them all."""
        self._each(lambda tracker: tracker.close())
        self._trackers = ()

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for tracker in self._trackers:
            try:
                tell(tracker)
            except Exception as error:  # a library's own kinds, and a full disk
                if tracker.name not in self._warned and self._ui is not None:
                    self._warned.add(tracker.name)
                    with contextlib.suppress(OSError):
                        self._ui.warn(
                            f"{tracker.name} cannot be told how the run goes ({error}); the run "
                            "goes on, and its figures are in metrics.csv."
                        )

"""Turn signals into wishes that are granted between two steps.

SIGINT and SIGTERM: save and end; a second one ends at once. SIGUSR1: save and go on.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

_ENDING = (signal.SIGINT, signal.SIGTERM)
_SAVING = signal.SIGUSR1


def ignore_early() -> None:
    """From here on SIGUSR1 does not end the process, also before there is anything to save."""
    signal.signal(_SAVING, signal.SIG_IGN)


class Stop:
    """While the block runs, `asked` says whether somebody wants the run to end.

    `saving` says that somebody wants a checkpoint now; who grants it sets it back.
    """

    def __init__(self) -> None:
        self.asked = False
        self.saving = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _ENDING:
            self._before[number] = signal.signal(number, self._end)
        self._before[_SAVING] = signal.signal(_SAVING, self._save)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def _save(self, number: int, frame: FrameType | None) -> None:
        self.saving = True

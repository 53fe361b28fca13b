"""The one error of this room: a video that could not be used, with a reason from the closed list.

Costs nothing. `message` is raw and for the row; the reason is what programs look at.
"""

from __future__ import annotations

from manifests.reasons import Reason


class VideoError(Exception):
    """One video failed; the decoder itself is fine and ready for the next one."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason.value}: {message}")
        self.reason = reason
        self.message = message

    def __reduce__(self) -> tuple[type[VideoError], tuple[Reason, str]]:
        """Survive the trip through a worker pool, which Exception's default does not."""
        return type(self), (self.reason, self.message)

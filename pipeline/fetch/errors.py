"""The error of one fetch: a message for the table of taxonomy.py, and when to ask again."""

from __future__ import annotations

from manifests.addresses import presentable
from pipeline.fetch.taxonomy import Rule, Then, judge

# Asking again at once is of use; all other statuses are the server's considered answer.
# 429 is none of them: it closes the host for all workers, see pace.blocked.
PASSING = frozenset({408, 425, 500, 502, 503, 504})


class FetchError(Exception):
    """One fetch failed. `after_s` is how long the server asked to be left alone, if it did.

    `changed` says that what is known of the content is worth nothing, `lasting` that asking again
    at once is of no use. The message holds no control characters and no names and passwords.
    """

    def __init__(
        self,
        message: str,
        after_s: float | None = None,
        status: int | None = None,
        changed: bool = False,
        lasting: bool = False,
    ) -> None:
        self.message = presentable(message)
        super().__init__(self.message)
        self.after_s, self.status, self.changed = after_s, status, changed
        self.lasting = lasting

    @property
    def rule(self) -> Rule:
        """What the table says of it."""
        return judge(self.message)

    @property
    def passing(self) -> bool:
        """Whether asking again at once makes sense."""
        if self.changed or self.lasting or self.message == "interrupted":
            return False
        if self.status is not None:
            return self.status in PASSING
        return self.rule.then is Then.RETRY

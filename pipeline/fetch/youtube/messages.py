"""Whatever yt-dlp raises, as the one error of a fetch: its text, and what the server asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from manifests.reasons import Reason
from pipeline.fetch.errors import FetchError
from pipeline.fetch.pace import Pace
from pipeline.fetch.taxonomy import UNKNOWN, Rule, Then, judge

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LABEL = re.compile(r"^\s*(?:ERROR:\s*)+")
# yt-dlp ends what it does not expect with a request to report it.
_REPORT = re.compile(r"[;.]?\s*please report this issue on .*$", re.IGNORECASE | re.DOTALL)


def plain(text: str) -> str:
    """Return a message without colours, label and the request to report it; the rest is raw."""
    return _REPORT.sub("", _LABEL.sub("", _COLOURS.sub("", text))).strip()


def failure(error: BaseException, host: str, pace: Pace, prefix: str = "") -> FetchError:
    """Return the error of a fetch for an exception; a Retry-After closes its host."""
    status, after = None, None
    for one in _chain(error):
        found = getattr(one, "status", None)
        if isinstance(found, int):
            status = found
            heads = getattr(getattr(one, "response", None), "headers", {})
            after = pace.refused(host, status, heads.get("Retry-After"))
            break
    text = plain(str(error)) or type(error).__name__
    if type(error).__name__ == "CookieLoadError":
        text = f"CookieLoadError: {text}"
    return FetchError(prefix + text, after, status)


class WarnedError(FetchError):
    """A failure whose cause stands in what yt-dlp warned of before."""

    def __init__(self, error: FetchError, warnings: Sequence[str]) -> None:
        text = f"{error.message} (yt-dlp warned: {' | '.join(warnings)[:1000]})"
        super().__init__(text, error.after_s, error.status)
        self._rule = error.rule
        for found in map(judge, warnings):
            passing = self._rule is UNKNOWN and found.reason is Reason.NETWORK
            if found.then is Then.PAUSE or passing:
                self._rule = found

    @property
    def rule(self) -> Rule:
        """What the message means, or a warning that says more: never that a video is gone."""
        return self._rule


def warned(error: FetchError, warnings: Sequence[str]) -> FetchError:
    """Return the error with yt-dlp's warnings, where its own message does not tell the cause."""
    if warnings and error.rule.reason in (Reason.NO_FORMAT, Reason.UNKNOWN):
        return WarnedError(error, warnings)
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came of; yt-dlp keeps them in three places."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop(0)
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        kept = getattr(one, "exc_info", None)
        todo += [kept[1] if isinstance(kept, tuple) and len(kept) > 1 else None]
        todo += [getattr(one, "cause", None), one.__cause__, one.__context__]

"""Whatever yt-dlp raises, as the one error of a fetch: its text, and what the server asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.fetch.errors import FetchError
from pipeline.fetch.pace import Pace

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

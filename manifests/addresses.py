"""Web addresses, and what servers say: as it may be shown, and as it is meant."""

from __future__ import annotations

import email.utils
import math
import re
from urllib.parse import urlsplit

MOST_RETRY_AFTER_S = 3600.0
# What a server says ends up in terminals: no character that steers one.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")


def host_of(url: str) -> str:
    """Return the name (and port) of an address' host; empty for one that is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def presentable(text: str) -> str:
    """Return a text without control characters and without the credentials of its addresses."""
    return _CREDENTIALS.sub("", _CONTROL.sub(" ", text)).strip()


def asked_s(retry_after: str | None, now: float) -> float | None:
    """Return a Retry-After (seconds or a date) in seconds, at most an hour; None without one that
    means something.
    """
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - now
        except (TypeError, ValueError, OverflowError):
            return None
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_S)

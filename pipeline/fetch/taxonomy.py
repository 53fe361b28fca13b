"""What a failed fetch means: an ordered table of messages, each with what is to be done.

Most failures arrive as text (yt-dlp raises DownloadError for nearly all of them), and one text can
hold another's words: a rate limit begins with "Video unavailable" too. So the first rule that
matches decides. Case and the kind of apostrophe do not matter. A few microseconds a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from manifests.reasons import Reason


class Then(Enum):
    """What is to be done about a failure."""

    PAUSE = "the session is blocked: every worker pauses, no clip loses an attempt"
    STOP = "this machine cannot go on: the stage stops"
    RETRY = "may come back: failed, tried again by --retry failed"
    GONE = "will not come back: gone, tried again only by --retry gone"
    GONE_TWICE = "gone when refused again at least a day later, until then failed"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: what to do, the reason for the clip's row, and the texts that tell.

    `line` says that it may be the line's fault and no clip's, see lines.py.
    """

    then: Then
    reason: Reason
    texts: tuple[re.Pattern[str], ...]
    line: bool = False


def _rule(then: Then, reason: Reason, *texts: str, line: bool = False) -> Rule:
    return Rule(then, reason, tuple(map(re.compile, texts)), line)


# The order matters; "\bhttp error" is yt-dlp's spelling, "status" our own.
RULES: tuple[Rule, ...] = (
    _rule(
        Then.PAUSE,
        Reason.BLOCKED,
        "sign in to confirm you're not a bot",
        "rate-limited by youtube",
        "all player responses are invalid",
        "requiring a captcha challenge",
        r"(?:http error|status) 429",
        "too many requests",
    ),
    _rule(
        Then.STOP,
        Reason.MACHINE,
        "no space left on device",
        "disk quota exceeded",
        "unable to write data",
        "unable to open for writing",
        r"unable to (?:open|rename) file",
        "too many open files",
        r"ffmpeg (?:is )?not found",
        "ffmpeg is not installed",
        "cookieloaderror",
        "does not look like a netscape format cookies file",
    ),
    _rule(
        Then.RETRY,
        Reason.NETWORK,
        r"(?:http error|status) 5\d\d",
        r"downloaded \d+ bytes, expected \d+",
        r"\d+ bytes read, \d+ more expected",
        # The address of a video's data lives for hours: what it answers is not about the video.
        "unable to download video data: http error 4(?:03|04|10)",
        "requested range not satisfiable",
        "did not get any data blocks",
        "fragment .* not found",
        "the downloaded file is empty",
        "ffmpeg exited with code",
    ),
    _rule(
        Then.RETRY,
        Reason.NETWORK,
        "timed out",
        "timeout",
        "connection refused",
        "connection reset",
        "connection aborted",
        "connection broken",
        "remote end closed connection",
        "network is unreachable",
        "no route to host",
        "name or service not known",
        "temporary failure in name resolution",
        "failed to resolve",
        "incompleteread",
        "giving up after",
        "a network error has occurred",
        "eof occurred in violation of protocol",
        line=True,
    ),
    _rule(
        Then.RETRY,
        Reason.ACCESS,
        "private video",
        "this video is private",
        "join this channel",
        "members-only",
        "sign in to confirm your age",
        "requires payment to watch",
        "premium members",
        r"(?:http error|status) 40[13]",
    ),
    _rule(
        Then.RETRY,
        Reason.GEO,
        "not made this video available in your country",
        "blocked it in your country",
        r"not available (?:in|from) your (?:country|location|region)",
    ),
    _rule(
        Then.GONE,
        Reason.REMOVED,
        "removed by the uploader",
        "account associated with this video has been terminated",
        "removed for violating",
        "due to a copyright claim by",
        "closed their youtube account",
        "this video does not exist",
        r"(?:http error|status) (?:404|410)",
    ),
    _rule(
        Then.GONE_TWICE,
        Reason.UNAVAILABLE,
        "video unavailable",
        "this video is (?:not available|unavailable)",
        "this video is no longer available",
    ),
    _rule(
        Then.RETRY,
        Reason.NO_FORMAT,
        "requested format is not available",
        "no video formats found",
        "drm protected",
        "unsupported url",
    ),
)
UNKNOWN = Rule(Then.RETRY, Reason.UNKNOWN, ())


def judge(message: str) -> Rule:
    """Return the first rule that a message matches, or UNKNOWN, which may be tried again."""
    text = message.lower().replace("\u2019", "'").replace("\u02bc", "'")
    return next((rule for rule in RULES if any(x.search(text) for x in rule.texts)), UNKNOWN)

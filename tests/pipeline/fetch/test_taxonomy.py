"""Every message that is known, and those that hold each other's words."""

import re

import pytest

from manifests.reasons import MEANING, Reason
from pipeline.fetch.taxonomy import RULES, Then, judge

SAID = [
    (Then.PAUSE, Reason.BLOCKED, "ERROR: [youtube] x: Sign in to confirm you\u2019re not a bot."),
    (Then.PAUSE, Reason.BLOCKED, "Sign in to confirm you're not a bot"),
    (
        Then.PAUSE,
        Reason.BLOCKED,
        "Video unavailable. The current session has been rate-limited by YouTube for up to an hour",
    ),
    (Then.PAUSE, Reason.BLOCKED, "All player responses are invalid. Your IP is likely blocked"),
    (Then.PAUSE, Reason.BLOCKED, "YouTube is requiring a captcha challenge before playback"),
    (Then.PAUSE, Reason.BLOCKED, "Unable to download webpage: HTTP Error 429: Too Many Requests"),
    (Then.STOP, Reason.MACHINE, "unable to write data: [Errno 28] No space left on device"),
    (Then.STOP, Reason.MACHINE, "ffmpeg not found. Please install or provide the path"),
    (Then.STOP, Reason.MACHINE, "ffmpeg is not installed. Aborting due to --abort-on-error"),
    (Then.STOP, Reason.MACHINE, "CookieLoadError: failed to load cookies"),
    (Then.RETRY, Reason.NETWORK, "HTTP Error 503: Service Unavailable"),
    (Then.RETRY, Reason.NETWORK, "The read operation timed out"),
    (Then.RETRY, Reason.NETWORK, "[Errno 111] Connection refused"),
    (Then.RETRY, Reason.NETWORK, "IncompleteRead(100 bytes read, 50 more expected)"),
    (Then.RETRY, Reason.NETWORK, "Downloaded 123 bytes, expected 456 bytes"),
    (Then.RETRY, Reason.NETWORK, "unable to download video data: HTTP Error 403: Forbidden"),
    (Then.RETRY, Reason.NETWORK, "The downloaded file is empty"),
    (Then.RETRY, Reason.NETWORK, "ffmpeg exited with code 1"),
    (Then.RETRY, Reason.ACCESS, "Private video. Sign in if you've been granted access"),
    (Then.RETRY, Reason.ACCESS, "This video is private"),
    (Then.RETRY, Reason.ACCESS, "Join this channel to get access to members-only content"),
    (Then.RETRY, Reason.ACCESS, "Sign in to confirm your age. This video may be inappropriate"),
    (Then.RETRY, Reason.ACCESS, "Unable to download webpage: HTTP Error 403: Forbidden"),
    (Then.RETRY, Reason.GEO, "The uploader has not made this video available in your country"),
    (
        Then.RETRY,
        Reason.GEO,
        "Video unavailable. This video contains content from X, who has blocked it in your country "
        "on copyright grounds",
    ),
    (Then.GONE, Reason.REMOVED, "Video unavailable. This video has been removed by the uploader"),
    (
        Then.GONE,
        Reason.REMOVED,
        "Video unavailable. The YouTube account associated with this video has been terminated.",
    ),
    (Then.GONE, Reason.REMOVED, "This video has been removed for violating YouTube's Terms"),
    (
        Then.GONE,
        Reason.REMOVED,
        "Video unavailable. This video is no longer available due to a copyright claim by X",
    ),
    (Then.GONE, Reason.REMOVED, "This video does not exist."),
    (Then.GONE, Reason.REMOVED, "HTTP Error 404: Not Found"),
    (Then.GONE_TWICE, Reason.UNAVAILABLE, "ERROR: [youtube] abc: Video unavailable"),
    (Then.GONE_TWICE, Reason.UNAVAILABLE, "This video is not available"),
    (Then.RETRY, Reason.NO_FORMAT, "Requested format is not available. Use --list-formats"),
    (Then.RETRY, Reason.NO_FORMAT, "No video formats found!"),
    (Then.RETRY, Reason.NO_FORMAT, "This video is DRM protected"),
    (Then.RETRY, Reason.NO_FORMAT, "Unsupported URL: http://127.0.0.1/page.html"),
    (Then.STOP, Reason.MACHINE, "[Errno 122] Disk quota exceeded"),
    (Then.STOP, Reason.MACHINE, "'c.txt' does not look like a Netscape format cookies file"),
    (Then.RETRY, Reason.NETWORK, "Connect timeout on endpoint"),
    (Then.RETRY, Reason.NETWORK, "[Errno 104] Connection reset by peer"),
    (Then.RETRY, Reason.NETWORK, "('Connection aborted.', BadStatusLine())"),
    (Then.RETRY, Reason.NETWORK, "Connection broken: IncompleteRead"),
    (Then.RETRY, Reason.NETWORK, "Remote end closed connection without response"),
    (Then.RETRY, Reason.NETWORK, "[Errno 101] Network is unreachable"),
    (Then.RETRY, Reason.NETWORK, "[Errno 113] No route to host"),
    (Then.RETRY, Reason.NETWORK, "[Errno -2] Name or service not known"),
    (Then.RETRY, Reason.NETWORK, "Temporary failure in name resolution"),
    (Then.RETRY, Reason.NETWORK, "Failed to resolve 'x.example'"),
    (Then.RETRY, Reason.NETWORK, "1048576 bytes read, 2048 more expected"),
    (Then.RETRY, Reason.GEO, "This video is not available in your country"),
    (Then.GONE_TWICE, Reason.UNAVAILABLE, "This video is no longer available"),
    (Then.RETRY, Reason.ACCESS, "This is members-only content"),
    (Then.STOP, Reason.MACHINE, "unable to open for writing: [Errno 13] Permission denied"),
    (Then.STOP, Reason.MACHINE, "Unable to rename file: [Errno 30] Read-only file system"),
    (Then.STOP, Reason.MACHINE, "[Errno 24] Too many open files: '/x'"),
    (Then.RETRY, Reason.NETWORK, "unable to download video data: HTTP Error 404: Not Found"),
    (Then.RETRY, Reason.NETWORK, "[download] Got error: HTTP Error 403. Giving up after 5 retries"),
    (Then.RETRY, Reason.NETWORK, "HTTP Error 416: Requested Range Not Satisfiable"),
    (Then.RETRY, Reason.NETWORK, "Did not get any data blocks"),
    (Then.RETRY, Reason.NETWORK, "A network error has occurred."),
    (Then.RETRY, Reason.NETWORK, "fragment 3 not found, unable to continue"),
    (Then.RETRY, Reason.NETWORK, "[SSL] EOF occurred in violation of protocol (_ssl.c:1006)"),
    (Then.RETRY, Reason.ACCESS, "This video requires payment to watch."),
    (Then.RETRY, Reason.ACCESS, "This video is only available to Music Premium members"),
    (
        Then.GONE,
        Reason.REMOVED,
        "This video is no longer available because the uploader has closed their YouTube account.",
    ),
    (Then.RETRY, Reason.UNKNOWN, "something that nobody has seen"),
]


@pytest.mark.parametrize(("then", "reason", "message"), SAID, ids=[text[:40] for *_, text in SAID])
def test_a_message_is_judged(then, reason, message):
    rule = judge(message)
    assert (rule.then, rule.reason) == (then, reason)
    assert judge(message.upper()) == rule


@pytest.mark.parametrize("text", [x.pattern for rule in RULES for x in rule.texts])
def test_every_text_of_the_table_has_a_message_here(text):
    said = [message.lower().replace("\u2019", "'") for *_, message in SAID]
    assert any(re.search(text, message) for message in said)


def test_every_reason_has_a_meaning():
    assert set(MEANING) == set(Reason)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("The read operation timed out", True),
        ("Failed to resolve 'x'", True),
        ("status 503 Service Unavailable", False),
        ("10 bytes read, 5 more expected", False),
        ("status 404 Not Found", False),
    ],
)
def test_which_failures_may_be_the_line_s(message, line):
    assert judge(message).line is line

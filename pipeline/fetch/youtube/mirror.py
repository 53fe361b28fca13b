"""A mirror's file for one video: what its address itself gives, and nothing that a page leads to.

yt-dlp's generic extractor would look into a page for some video, a soft 404's advertisement too,
and that would count as the one that was asked for. One request, of which a few bytes are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from manifests.reasons import Reason
from pipeline.fetch.errors import FetchError
from pipeline.fetch.taxonomy import Rule, Then

NAME = "mirror"  # in rows; in --source it is youtube, with a template
NOT_THERE = Rule(Then.RETRY, Reason.NO_SOURCE, ())
HEAD = 512  # bytes in which every container has some that no text has
_OF_TEXT = frozenset(b"\t\n\f\r\x1b") | frozenset(range(0x20, 0x100))


def look(ydl: Any, url: str, answered: Callable[[], None]) -> Any:
    """Return what a YoutubeDL knows of the file at an address; `answered` is called on an answer.

    Raises:
        FetchError: there is a page or a playlist, or nothing.
        yt_dlp.networking.exceptions.RequestError: it cannot be had.
    """
    from yt_dlp.networking import Request
    from yt_dlp.utils import determine_ext, mimetype2ext

    # Compressed on the way it could not be looked at without all of it.
    with ydl.urlopen(Request(url, headers={"Accept-Encoding": "identity"})) as response:
        answered()
        head, kind = response.read(HEAD), response.headers.get("Content-Type") or "no type"
        length = response.headers.get("Content-Length") or ""
    if not head:
        raise FetchError("the downloaded file is empty")
    if is_text(head):
        raise FetchError(f"unsupported url: a page or a list ({kind}), expected a video's file")
    extension = determine_ext(url, default_ext="") or mimetype2ext(kind) or "mp4"
    # One file: whatever the mirror calls it, its pictures are looked at when it is here.
    found = {"format_id": extension, "url": url, "ext": extension, "vcodec": None}
    size = int(length) if length.isascii() and length.isdigit() and len(length) < HEAD else None
    info = {
        "id": "mirror",
        "title": "mirror",
        "extractor": "mirror",
        "extractor_key": "Mirror",
        "webpage_url": url,
        "direct": True,
        "formats": [found | {"filesize": size}],
    }
    return ydl.process_ie_result(info, download=False)


def meaning(rule: Rule) -> Rule:
    """Return what a rule means of a mirror, which cannot know that a video is gone."""
    return NOT_THERE if rule.then in (Then.GONE, Then.GONE_TWICE) else rule


def is_text(head: bytes) -> bool:
    """Whether the first bytes of a file are text: HTML, JSON, XML, a playlist."""
    return all(byte in _OF_TEXT for byte in head)

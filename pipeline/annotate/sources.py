"""The `file:` URIs that name videos inside the videos folder, and the way back.

Only what would not survive is percent-encoded: `%`, `#` (archive members), `?`, the backslash,
control characters, and bytes that are no UTF-8. Blanks, `;`, `&`, `[` and letters of any script
stay readable. About a microsecond a name.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes, urlsplit

from manifests.errors import ClipmillError

SCHEME = "file:"
YOUTUBE = "youtube:"  # a video by its id, which names its file
_ADDRESS = re.compile(r"https?://[^/\s]+/\S*", re.IGNORECASE)
# U+2028 and U+2029 would break a line in many viewers; surrogates stand for undecodable bytes.
_ENCODED = re.compile("[%#?\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


def source_of(relative: str) -> str:
    """Return the URI of a video given by its POSIX path relative to the videos folder."""
    try:
        return SCHEME + _ENCODED.sub(_percent, relative)
    except UnicodeEncodeError as error:
        raise ClipmillError(
            f"{relative!r} is no file name: it holds a lone surrogate; rename the file."
        ) from error


def is_address(text: str) -> bool:
    """Return whether a text is the web address of a file, which is its own source."""
    return bool(_ADDRESS.fullmatch(text)) and names_host(text)


def names_host(text: str) -> bool:
    """Return whether a text can be taken apart as a web address, which names a host."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False  # http://[bad/, http://host:port/
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def path_of(source: str) -> str:
    """Return the relative path behind a `file:` URI; undecodable bytes as surrogate escapes."""
    if not source.startswith(SCHEME) or _BROKEN.search(source):
        raise ClipmillError(
            f"{source!r} is no source of a local video; expected 'file:' and a relative path in "
            "which '%' stands only before two hex digits. Run `clipmill annotate` again."
        )
    tail = source[len(SCHEME) :]
    if "%" not in tail:
        return tail
    return unquote_to_bytes(tail).decode("utf-8", "surrogateescape")


def _percent(found: re.Match[str]) -> str:
    raw = found.group().encode("utf-8", "surrogateescape")
    return "".join(f"%{byte:02X}" for byte in raw)

"""Names of members as text for matching: POSIX, relative. They never name a file of ours."""

from __future__ import annotations

import re

from pipeline.archive.limits import Meter

_DRIVE = re.compile(r"[A-Za-z]:/")
_SUFFIX = re.compile(
    r"(?:\.tar)?\.(?:zip|rar|tar|gz|tgz|bz2|tbz2?|xz|txz|zst|tzst)$", re.IGNORECASE
)


def normalised(name: str, meter: Meter) -> str:
    """Return a member's name with slashes, without leading `./`.

    Raises:
        ClipmillError: it is empty, too long, absolute, holds a NUL, or steps outside by `..`.
    """
    if len(name) > meter.limits.name_length:
        raise meter.hostile(f"holds a name of {len(name):,} characters ({name[:40]!r} ...)")
    text = name.replace("\\", "/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or _DRIVE.match(text):
        raise meter.hostile(f"holds the absolute name {name[:200]!r}")
    if ".." in parts:
        raise meter.hostile(f"holds {name[:200]!r}, a name that steps outside")
    if not parts or "\0" in text:
        raise meter.hostile(f"holds {name[:200]!r}, which is no name")
    return "/".join(parts)


def stem(name: str) -> str:
    """Return the name of an archive inside without what tells its type."""
    return _SUFFIX.sub("", name) or name

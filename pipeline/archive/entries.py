"""What the readers of zip, tar and rar give: entries, each with its bytes until the next one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

REGULAR = ""
FOLDER = "folder"
SYMLINK = "symbolic link"
HARD_LINK = "hard link"
DEVICE = "device"
PIPE = "pipe"
SPARSE = "sparse file"
OTHER = "entry of an unknown type"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `read` gives at most so many of its `size` bytes, until the next is asked for.

    `kind` is empty for a regular file, else a word for what it is. `check` is told the CRC-32 of
    all bytes, and raises DamagedMember when it is not the one written in the archive.
    """

    name: str
    kind: str = REGULAR
    size: int = 0
    read: Callable[[int], bytes] = lambda _: b""
    check: Callable[[int], None] | None = None

"""Names of shards: SPLIT-000000.tar, made and told here alone; no other reaches a path or URL."""

from __future__ import annotations

import re

from manifests.errors import ClipmillError

PATTERN = r"([A-Za-z0-9_-]{1,80})-([0-9]{6,12})\.tar"
EXPECTED = "a name as `clipmill pack` makes it, such as train-000000.tar"


def named(split: str, number: int) -> str:
    """Return the name of a split's shard.

    Raises:
        ClipmillError: no such name can be made of this split.
    """
    return require_name(f"{split}-{number:06d}.tar")


def require_name(name: str) -> str:
    """Return a shard's name if it is one.

    Raises:
        ClipmillError: it is not: a path, a URL, a command, another file.
    """
    split_and_number(name)
    return name


def split_and_number(name: str) -> tuple[str, int]:
    """Return the split of a shard and its number there.

    Raises:
        ClipmillError: that is no shard's name.
    """
    match = re.fullmatch(PATTERN, name)
    if match is None:
        raise ClipmillError(
            f"{name[:80]!r} is no shard's name; expected {EXPECTED}. Run `clipmill verify --root "
            "DIR`: it says where that stands."
        )
    return match[1], int(match[2])

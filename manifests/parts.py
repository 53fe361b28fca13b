"""The parts of a checkpoint file, and the digest each one has: what writers and readers share.

A part is a JSON text and the tensors whose names begin with its prefix. Hashing runs at about
10 GB/s.
"""

from __future__ import annotations

from collections.abc import Iterable

import xxhash

PREFIXES = {"checkpoint": "", "state": "state/", "seen": "seen/"}
"""Each part's tensors start with its prefix; those without another's are the checkpoint's."""
PARTS = "clipmill.parts"
"""The metadata key of the parts and their digests: a part whose own key is damaged is missed."""


def text_key(part: str) -> str:
    """Return the metadata key of a part's text."""
    return f"clipmill.{part}"


def part_of(key: str) -> str:
    """Return the part that a tensor belongs to, by its name."""
    own = (name for name, prefix in PREFIXES.items() if prefix and key.startswith(prefix))
    return next(own, "checkpoint")


def digest(text: str, tensors: Iterable[tuple[str, str | None, list[int], memoryview]]) -> str:
    """xxh3 of the text and of every tensor's name, type, shape and bytes, in the given order."""
    state = xxhash.xxh3_128(text.encode())
    for key, dtype, shape, raw in tensors:
        state.update(f"\0{key}\0{dtype}\0{shape}\0".encode())
        state.update(raw)
    return state.hexdigest()

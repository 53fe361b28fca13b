"""Versions of packages, compared by their numbers."""

from __future__ import annotations

import re


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers for comparing: 2.10.0+cpu -> (2, 10), and 2.10 the same."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    values = [int(part) for part in found[0].split(".")] if found else []
    while values and not values[-1]:
        values.pop()
    return tuple(values)

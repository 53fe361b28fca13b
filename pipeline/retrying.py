"""Which clips `--retry` tries again: one table for every stage and source."""

from __future__ import annotations

from typing import Literal

Retry = Literal["none", "failed", "gone", "all"]
# The endings of a last attempt that each word tries again.
AGAIN: dict[Retry, tuple[str, ...]] = {
    "none": (),
    "failed": ("failed",),
    "gone": ("gone",),
    "all": ("failed", "gone"),
}

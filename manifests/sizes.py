"""Sizes as people type them: `112` or `128x171` (height x width, in pixels)."""

from __future__ import annotations

import re

from manifests.errors import ClipmillError


def pair(option: str, text: str) -> tuple[int, int]:
    """Return (height, width); `option` names it in the error."""
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if not match:
        raise ClipmillError(f"{option} {text!r}; expected SIDE or HEIGHTxWIDTH such as 128x171.")
    return int(match[1]), int(match[2] or match[1])

"""The names of trackers, as `--tracker` gives them."""

from __future__ import annotations

import re
from typing import Any

from manifests.errors import ClipmillError, unknown
from train import settings

NONE = "none"
NAMES = ("tensorboard", "visdom", NONE)
_ADDRESS = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")


def named(name: str, value: Any) -> tuple[str, ...]:
    """Read the names of trackers, as `tensorboard,visdom` or a list.

    Raises:
        ClipmillError: an unknown name, nothing at all, `none` beside another.
    """
    found = settings.names(name, value)
    for one in found:
        if one not in NAMES:
            raise unknown("tracker", one, NAMES)
    if not found or (NONE in found and len(found) > 1) or len(set(found)) < len(found):
        raise ClipmillError(
            f"{settings.option(name)} {','.join(found)!r}; expected one of {', '.join(NAMES)}, or "
            "several of them with commas between, each once and none alone."
        )
    return found


def address(name: str, value: Any) -> str:
    """Read the address of a server, such as http://localhost:8097.

    Raises:
        ClipmillError: another scheme, or a password, which would be written into the run.
    """
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise ClipmillError(
            f"{settings.option(name)} {value!r}; expected an address without a password, such as "
            "http://localhost:8097."
        )
    return value.rstrip("/")

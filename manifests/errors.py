"""The errors clipmill raises on purpose, and the exit code each one ends a command with.

Every message has three parts: what was found, what was expected, what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ClipmillError(Exception):
    """Wrong use or wrong input. The command ends with exit code 2 and this one message."""

    exit_code = 2


class StoppedError(ClipmillError):
    """Stopped by the environment (disk, network, blocked session); the same command resumes."""

    exit_code = 3


class DamagedError(ClipmillError):
    """A file of clipmill's that is cut short, or has other bytes than were written."""


class UnreachableError(StoppedError):
    """A host that cannot be reached now, or that refuses this address: others may be asked."""


def unknown(kind: str, value: str, allowed: Iterable[str]) -> ClipmillError:
    """Return the error for a name that is not in its set, with the nearest one as a guess."""
    names = list(allowed)
    near = difflib.get_close_matches(value, names, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return ClipmillError(f"unknown {kind} {value!r}; expected one of {', '.join(names)}.{guess}")

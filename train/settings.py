"""How one setting of a training run is declared: help, range, and how it is read.

A field of `Options` made by `setting` is at once an option of the command line, a key of a recipe
and a checked value; nothing else names it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from manifests.errors import ClipmillError, unknown
from manifests.sizes import pair


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a setting beside its type and default.

    `low` and `high` bound a number; `among` are the names it may have; `form` makes the value out
    of what a recipe or the command line gives; `panel` is where the help shows it. A `free` one
    may change while a run goes on, and a `network` one goes to the network's builder.
    """

    help: str
    low: float | None = None
    high: float | None = None
    among: Collection[str] = ()
    form: Callable[[str, Any], Any] | None = None
    panel: str = "Training"
    free: bool = False
    network: bool = False


def setting(
    default: Any, text: str, low: float | None = None, high: float | None = None, **of: Any
) -> Any:
    """Return a dataclass field with this default, help and range; `of` are Setting's others."""
    return dataclasses.field(default=default, metadata={"setting": Setting(text, low, high, **of)})


def settings(kind: type) -> dict[str, Setting]:
    """Return the settings of a dataclass by their names, in order."""
    return {field.name: field.metadata["setting"] for field in dataclasses.fields(kind)}


def option(name: str) -> str:
    """Return how the command line calls a setting."""
    return "--" + name.replace("_", "-")


def require(name: str, value: Any, of: Setting) -> None:
    """Raise ClipmillError unless a value is in a setting's range and among its names."""
    if value is None:
        return
    if of.among and value not in of.among:
        raise unknown(name.replace("_", " "), value, of.among)
    if of.low is not None and not of.low <= value <= (of.high or 0):
        raise ClipmillError(f"{option(name)} {value}; expected {of.low} to {of.high}.")


def size(name: str, value: Any) -> tuple[int, int]:
    """Read SIDE, HEIGHTxWIDTH or [height, width]."""
    if isinstance(value, list | tuple):
        value = "x".join(map(str, value))
    return pair(option(name), str(value))


def numbers(name: str, value: Any) -> tuple[float, ...]:
    """Read numbers of at least 0 with commas between them, or a list."""
    try:
        found = tuple(float(one) for one in _listed(value))
        if not all(0 <= one < math.inf for one in found):
            raise ValueError(name)
        return found
    except (TypeError, ValueError):
        raise ClipmillError(
            f"{option(name)} {value!r}; expected numbers such as 400,450."
        ) from None


def names(name: str, value: Any) -> tuple[str, ...]:
    """Read names with commas between them, or a list."""
    return tuple(str(one).strip() for one in _listed(value))


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [one for one in value.split(",") if one.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]

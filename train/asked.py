"""The settings of train/options.py as options of the command line.

All default to "not given", so that a recipe's values stand where nobody said another.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Annotated, Any

import typer

from train.options import Options
from train.recipe import plain_kind
from train.settings import Setting, settings


def group() -> type:
    """Return a dataclass with an optional field, made for typer, for each setting of a run."""
    kinds = typing.get_type_hints(Options)
    fields = [
        (name, _annotated(kinds[name], field.default, of), dataclasses.field(default=None))
        for field, (name, of) in zip(
            dataclasses.fields(Options), settings(Options).items(), strict=True
        )
    ]
    return dataclasses.make_dataclass("Asked", fields, frozen=True, slots=True)


def given(asked: Any) -> dict[str, Any]:
    """Return the settings that were given, by name."""
    every = {name: getattr(asked, name) for name in settings(Options)}
    return {name: value for name, value in every.items() if value is not None}


def _annotated(kind: Any, default: Any, of: Setting) -> Any:
    plain = str if of.form is not None else plain_kind(kind)
    words = of.help
    if of.among:
        words = f"{words.rstrip('.')}: {', '.join(of.among)}." if ", or" not in words else words
    shown: Any = False
    if default not in (None, ()):
        shown = (
            ("off", "on")[default]
            if plain is bool
            else f"{default:g}"
            if plain is float
            else ",".join(map(str, default))
            if isinstance(default, tuple)
            else f"{default}"
        )
    return Annotated[
        plain | None, typer.Option(help=words, rich_help_panel=of.panel, show_default=shown)
    ]

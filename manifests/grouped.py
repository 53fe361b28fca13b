"""Groups of options: a verb's parameter that is a dataclass becomes one option for each field.

typer knows one parameter, one option; verbs share whole groups of them. Costs some microseconds a
verb when the program starts.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from inspect import Parameter
from typing import Any


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """Return the verb as typer is to see it: each dataclass parameter replaced by its fields.

    A field's annotation carries its `typer.Option`; a field without a default is a required
    option. Parameters stay in their order, groups where they stand.

    Raises:
        TypeError: two groups, or a group and the verb, have a field of one name.
    """
    hints = typing.get_type_hints(verb, include_extras=True)
    parameters: dict[str, Parameter] = {}
    members: dict[str, list[str]] = {}
    for name, parameter in inspect.signature(verb).parameters.items():
        kind = hints[name]
        found = _fields(kind) if dataclasses.is_dataclass(kind) else [parameter]
        if dataclasses.is_dataclass(kind):
            members[name] = [field.name for field in found]
        else:
            found = [parameter.replace(annotation=kind)]
        for one in found:
            if one.name in parameters:
                raise TypeError(f"{verb.__name__} has two options {one.name!r}")
            parameters[one.name] = one.replace(kind=Parameter.KEYWORD_ONLY)

    def call(**values: Any) -> None:
        for group, fields in members.items():
            values[group] = hints[group](**{field: values.pop(field) for field in fields})
        verb(**values)

    call.__name__, call.__doc__ = verb.__name__, verb.__doc__
    call.__annotations__ = {name: one.annotation for name, one in parameters.items()}
    call.__signature__ = inspect.Signature([*parameters.values()])  # type: ignore[attr-defined]
    return call


def _fields(group: Any) -> list[Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(group)
    ]

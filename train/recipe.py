"""Recipes: settings of a run as a TOML file, by name beside this code or from the user.

A recipe says what it is (`about`) and where its values come from (`source`); every other key is a
setting of train/options.py. What is not in it is as in the recipe `seed`. The resolved recipe of a
run is one too: RUN/recipe.toml trains the same again.
"""

from __future__ import annotations

import json
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.errors import ClipmillError, unknown
from train.options import Options
from train.settings import Setting, settings

FOLDER = Path(__file__).with_name("recipes")
FILE = "recipe.toml"
WORDS = ("about", "source")
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def available() -> list[str]:
    """Return the names of the recipes that clipmill brings."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def resolve(recipe: str | None, asked: Mapping[str, Any], run: Path | None = None) -> Options:
    """Return a run's options: those of a recipe, or of a run that goes on, and over them `asked`.

    `recipe` is a name or a file; `asked` has only what was given, as the command line or a recipe
    has it. `run` is the folder of a run that goes on: its own recipe stands where none was named.

    Raises:
        ClipmillError: no such recipe, an unknown key (naming the nearest), a wrong value.
    """
    if recipe is None and run is not None and (run / FILE).is_file():
        recipe = str(run / FILE)
    chosen = read(recipe) if recipe is not None else {}
    return Options(**(chosen | checked(asked, "the command line")))


def read(recipe: str) -> dict[str, Any]:
    """Return the settings of a recipe, by name or of a file, as `Options` takes them."""
    path = FOLDER / f"{recipe}.toml"
    if recipe not in available():
        path = Path(recipe)
        if path.suffix != ".toml":
            raise unknown("recipe", recipe, [*available(), "a file FILE.toml"])
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ClipmillError(
            f"there is no recipe {path}; expected a file, or one of {', '.join(available())}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClipmillError(f"{path} is no valid TOML ({error}). Mend it.") from error
    return checked({key: x for key, x in values.items() if key not in WORDS}, str(path))


def checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return values in the form `Options` takes; `where` names their origin in errors.

    Raises:
        ClipmillError: an unknown key, a value of another kind.
    """
    kinds, known = typing.get_type_hints(Options), settings(Options)
    for key in values:
        if key not in known:
            raise unknown(f"key in {where}", key, known)
    return {key: _formed(key, x, known[key], kinds[key], where) for key, x in values.items()}


def _formed(key: str, value: Any, of: Setting, kind: Any, where: str) -> Any:
    if of.form is not None:
        return of.form(key, value)
    plain = plain_kind(kind)
    if plain is float and type(value) is int:
        return float(value)
    if type(value) is not plain:
        raise ClipmillError(f"{where}: {key} is {value!r}; expected {_NAMES[plain]}.")
    return value


def plain_kind(kind: Any) -> Any:
    """Return the type that a setting's value has when it has one: int of `int | None`."""
    if isinstance(kind, types.UnionType):
        (kind,) = [one for one in typing.get_args(kind) if one is not type(None)]
    return str if typing.get_origin(kind) is typing.Literal else kind


def text(options: Options, about: str) -> str:
    """Return a recipe's file with all settings of a run; what is None is left out."""
    lines = [f"about = {_written(about)}"]
    lines += [f"{key} = {_written(x)}" for key, x in options.as_dict().items() if x is not None]
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    """A TOML value: JSON's, but DEL is not allowed in its strings."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

"""dataset.toml, the front page of a dataset folder: its text, written and read.

Nothing else says which ClipSpec, seed and split sets a folder has. It ends with a digest of itself.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import Any

from manifests import schema, sealed
from manifests.errors import ClipmillError, unknown
from manifests.spec import ClipSpec

FILE = "dataset.toml"
_KINDS = {"name": str, "seed": int, "split_sets": list, "videos": str, "annotation": str}


@dataclass(frozen=True)
class Header:
    """What dataset.toml says. `videos` is where `file:` sources lie."""

    name: str
    seed: int
    spec: ClipSpec
    split_sets: tuple[str, ...]
    videos: str
    annotation: str

    @classmethod
    def read(cls, text: bytes, where: str) -> Header:
        """Read a file's bytes; `where` names it in errors.

        Raises:
            ClipmillError: damaged, of another version, or an unknown ClipSpec.
        """
        try:
            values = tomllib.loads(text.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ClipmillError(
                f"{where} is no valid TOML ({error}). Mend it, or remove it and run "
                "`clipmill annotate` again."
            ) from error
        _require_form(values, where)
        return cls(
            values["name"],
            values["seed"],
            ClipSpec.from_dict(values["spec"], where),
            tuple(values["split_sets"]),
            values["videos"],
            values["annotation"],
        )

    def text(self) -> str:
        """Return the text of dataset.toml.

        Raises:
            ClipmillError: a name that is no valid Unicode.
        """
        lines = [
            "# Written by `clipmill annotate`; every stage reads it.",
            f"schema = {schema.VERSION}",
            f"name = {_quoted(self.name)}",
            f"seed = {self.seed}",
            f"split_sets = [{', '.join(map(_quoted, self.split_sets))}]",
            f"videos = {_quoted(self.videos)}",
            f"annotation = {_quoted(self.annotation)}",
            "",
            "[spec]",
            *(f"{key} = {json.dumps(value)}" for key, value in self.spec.as_dict().items()),
        ]
        return sealed.seal_text("\n".join(lines) + "\n")


def _require_form(values: dict[str, Any], where: str) -> None:
    version = values.get("schema")
    if version != schema.VERSION:
        raise ClipmillError(
            f"{where} has schema version {version}; this clipmill reads {schema.VERSION}. "
            "Use the clipmill that wrote it, or annotate into a new folder."
        )
    for key, kind in (_KINDS | {"spec": dict}).items():
        if not isinstance(values.get(key), kind):
            raise ClipmillError(
                f"{where}: {key} is {values.get(key)!r}; expected a {kind.__name__}. "
                "Mend it, or remove it and run `clipmill annotate` again."
            )
    for key in values:
        if key not in _KINDS and key not in ("schema", "spec"):
            raise unknown(f"key in {where}", key, [*_KINDS, "schema", "spec"])
    sets = values["split_sets"]
    if not sets or not all(isinstance(name, str) for name in sets):
        raise ClipmillError(f"{where}: split_sets is {sets!r}; expected a list of names.")


def _quoted(text: str) -> str:
    """Return a TOML string: JSON's, but letters of every script stay as they are, and DEL not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ClipmillError(
            f"{text!r} is not valid Unicode; expected a name that can stand in {FILE}. "
            "Rename the folder."
        ) from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

"""listing.json: which files a root holds, for web servers that list no folders.

A JSON object with paths and bytes, some 50 bytes a file:
{"clipmill": "listing", "version": 1, "files": {"dataset.toml": 431, ...}}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from manifests.errors import ClipmillError

FILE = "listing.json"
VERSION = 1
CURE = f"Write it anew with `clipmill listing --root DIR`, beside the data, or remove {FILE}."


def encode(files: Mapping[str, int]) -> bytes:
    """Return the listing of files, path -> bytes."""
    told = {"clipmill": "listing", "version": VERSION, "files": dict(sorted(files.items()))}
    return json.dumps(told, ensure_ascii=False, indent=0).encode()


def decode(data: bytes, where: str) -> dict[str, int]:
    """Return path -> bytes.

    Raises:
        ClipmillError: it is no listing, or of another version.
    """
    try:
        told = json.loads(data)
        if told["clipmill"] == "listing" and told["version"] == VERSION:
            return _checked(told["files"])
        what = f"version {told['version']!r}; this clipmill reads version {VERSION}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}; expected what `clipmill listing` writes"
    raise ClipmillError(f"{where} is no list of files ({what}). {CURE}")


def _checked(files: dict[Any, Any]) -> dict[str, int]:
    for path, size in files.items():
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise ValueError(f"the path {path!r}")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError(f"{size!r} bytes of {path!r}")
    return files


def within(files: Mapping[str, int], folder: str) -> dict[str, int]:
    """Return names and bytes of the files that lie in a folder itself, sorted by name."""
    start = "" if folder in ("", ".") else f"{folder}/"
    names = {path[len(start) :]: size for path, size in files.items() if path.startswith(start)}
    return {name: names[name] for name in sorted(names) if not re.match(r"\.|$|.*/", name)}

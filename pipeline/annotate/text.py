"""Reading other people's list files: byte order marks, any line ending, errors that say where.

UTF-8 (or UTF-16 with its mark); bytes that are neither become surrogate escapes, so that a file
name of unknown encoding still finds its file. Lists are read line by line.
"""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from manifests.errors import ClipmillError


def shown(text: str | Path) -> str:
    """Return a name as it can be printed and stored: undecodable bytes become `\\xNN`."""
    return str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_unicode(text: str) -> bool:
    """Return whether `text` can stand in a table, which holds UTF-8 only."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def bad_line(path: Path, line: int, found: str, expected: str, cure: str = "") -> ClipmillError:
    """Return the error for one line of a list file."""
    tail = f" {cure}" if cure else ""
    return ClipmillError(f"{shown(path)}:{line}: {found}; expected {expected}.{tail}")


def did_you_mean(value: str, names: Iterable[str]) -> str:
    """Return a sentence with the nearest of `names` (case aside), or nothing."""
    by_lower: dict[str, str] = {}
    for name in names:
        by_lower.setdefault(name.lower(), name)
    near = difflib.get_close_matches(value.lower(), by_lower, n=1)
    return f"Did you mean {by_lower[near[0]]!r}?" if near else ""


@contextmanager
def open_text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open a list file in the encoding that its byte order mark tells, UTF-8 without one."""
    if not path.is_file():
        what = "is no regular file" if path.exists() else "does not exist"
        raise ClipmillError(f"{shown(path)} {what}; expected a list (text). Check the path.")
    try:
        with path.open("rb") as raw:
            head = raw.read(2)
        wide = head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "utf-16" if wide else "utf-8-sig"
        with path.open(encoding=encoding, errors="surrogateescape", newline=newline) as handle:
            yield handle
    except OSError as error:
        raise ClipmillError(f"cannot read {shown(path)}: {error.strerror or error}.") from error
    except UnicodeError as error:
        raise ClipmillError(
            f"{shown(path)} is neither UTF-8 nor whole UTF-16 ({error}); save it as UTF-8."
        ) from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without surrounding blanks) of every line not blank."""
    with open_text(path) as handle:
        for number, line in enumerate(handle, 1):
            text = line.strip(" \t\r\n")  # other blanks, such as U+3000, may belong to a name
            if "\0" in text:
                raise bad_line(path, number, "a NUL byte", "text", "Is this a binary file?")
            if text:
                yield number, text


def read_names(path: Path, what: str = "label") -> list[str]:
    """Return the names in a file that has one on each line; none twice, all of them Unicode."""
    first: dict[str, int] = {}
    for number, text in read_lines(path):
        if not is_unicode(text):
            raise bad_line(path, number, f"{what} {text!r}", "UTF-8", "Save the file as UTF-8.")
        if text in first:
            found = f"{what} {text!r} again (it stands in line {first[text]})"
            raise bad_line(path, number, found, f"every {what} once")
        first[text] = number
    if not first:
        raise ClipmillError(f"{shown(path)} is empty; expected one {what} on each line.")
    return list(first)

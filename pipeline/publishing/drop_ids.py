"""Ids on the command line or in files: one a line, `#` at its beginning for a comment.

What is an id is never taken for a file or a comment. The nearest id is looked for among 20,000.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterable
from pathlib import Path

from manifests.errors import ClipmillError

_ENDS = 3  # letters that a near id has in common with the wrong one, at its start or its end
_MOST = 20_000


def read_ids(given: Iterable[str], known: Collection[str]) -> list[str]:
    """Return the ids meant, in order, each once: known ids, lines of files, unknown words.

    Raises:
        ClipmillError: nothing is given, or a file that cannot be read as text.
    """
    ids: dict[str, None] = {}
    for word in given:
        if word not in known and _is_file(word):
            ids.update(dict.fromkeys(_lines(Path(word), known)))
        elif word:
            ids[word] = None
    if not ids:
        raise ClipmillError("no ids were given; expected clip ids, video ids, or files of them.")
    return [*ids]


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False


def _lines(path: Path, known: Collection[str]) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ClipmillError(
            f"{path} cannot be read ({error}); expected a text file with one id a line."
        ) from error
    return [line for line in lines if line and (line in known or not line.startswith("#"))]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known id most like `word`, among those that begin or end as it does."""
    start, end = word[:_ENDS].lower(), word[-_ENDS:].lower()
    near = (name for name in known if name[:_ENDS].lower() == start or name[-_ENDS:].lower() == end)
    found = difflib.get_close_matches(word, itertools.islice(near, _MOST), n=1, cutoff=0.5)
    return found[0] if found else None

"""Lists from anywhere: a folder, a file, a zip, tar or rar of lists, or a URL of one of these.

Of an archive only text members come out, 64 MB at most, into a private temporary folder that is
gone afterwards: under their base names and the name of the folder that holds them, both made
harmless. Seconds for the official archives.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from manifests.errors import ClipmillError, StoppedError
from pipeline.annotate.as_typed import PREFIX, as_typed
from pipeline.annotate.fetch import fetch, is_url
from pipeline.annotate.text import shown

MOST_BYTES = 64 << 20
TEXTS = (".txt", ".csv")
EXTRAS = (".json",)  # beside the CSV files in official archives, and several times their size
_HARMFUL = re.compile(r"[^\w .,;&()\[\]+!#'~=@-]")
_LONGEST = 200  # bytes of a name; file systems take 255


@contextmanager
def lists_from(where: str) -> Iterator[Path]:
    """Give a folder or a file of lists, for as long as the block lasts.

    Args:
        where: a folder or a file (given as they are), a zip, tar (compressed or not) or rar, or
            an http(s) URL of a list or such an archive.

    Raises:
        ClipmillError: nothing there, no lists in it, too large, a hostile or damaged archive.
        StoppedError: the network failed, or the disk is full.
    """
    with as_typed(where), ExitStack() as stack:
        path = Path(where).expanduser()
        if is_url(where):
            path = fetch(where, _private_folder(stack))
        if not path.exists():
            raise ClipmillError(
                f"{shown(where)} does not exist; expected a folder of lists, a list, an archive of "
                "lists, or an http(s) URL. Check the path."
            )
        if path.is_file() and _is_archive(path):
            path = _unpacked(path, stack)
        yield path


def _private_folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX)))


def _is_archive(path: Path) -> bool:
    from pipeline.archive.kinds import HEAD, kind_of
    from pipeline.archive.members import opened

    with opened(path) as file:
        return kind_of(file.read(HEAD)) is not None


def _unpacked(archive: Path, stack: ExitStack) -> Path:
    """Return a folder of the archive's lists, each reader of RAR with one of its own."""
    from pipeline.archive.rars import with_each_reader

    def unpack(reader: str | None) -> Path:
        folder = _private_folder(stack)
        _unpack_texts(archive, folder, reader)
        return folder

    try:
        return with_each_reader(unpack)
    except OSError as error:
        raise StoppedError(
            f"{tempfile.gettempdir()} could not be written ({error.strerror}); free some space, "
            "or set TMPDIR to a folder on another disk, then run the same command again."
        ) from error


def _unpack_texts(archive: Path, folder: Path, reader: str | None) -> None:
    from pipeline.archive.members import Archive

    left, found = MOST_BYTES, 0
    for member in Archive(archive, reader=reader):
        *_, parent, base = ["", *member.name.split("/")]
        suffix = Path(base.lower()).suffix
        if base.startswith(".") or suffix not in TEXTS + EXTRAS:
            continue
        if member.size > left:
            if suffix in EXTRAS:
                continue
            raise ClipmillError(
                f"{shown(archive)} holds more than {MOST_BYTES >> 20} MB of text; expected lists. "
                "Unpack it and give the folder."
            )
        _write(member.file.read(), folder, _harmless(parent), _harmless(base))
        left, found = left - member.size, found + 1
    if not found:
        raise ClipmillError(
            f"{shown(archive)} holds no .txt or .csv file; expected lists. Is it the archive of "
            "the videos?"
        )


def _harmless(name: str) -> str:
    """Return a name that is one name in any folder: no separator, no leading dot, not too long."""
    text = _HARMFUL.sub("_", name.encode("utf-8", "replace").decode()).lstrip(".")
    return text.encode()[-_LONGEST:].decode("utf-8", "ignore")


def _write(data: bytes, root: Path, folder: str, name: str) -> None:
    """Write a list; where two have one name, the second's folder gets a number."""
    place, number = root / folder, 2
    while (place / name).exists():
        place, number = root / f"{folder}~{number}", number + 1
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(data)

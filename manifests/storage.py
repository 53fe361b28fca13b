"""The one door to a dataset folder: whole files that appear at once or not at all.

Paths are relative, with slashes. `Storage` is what every other module knows; manifests/local.py is
the file system through the standard library, manifests/objects.py an object store,
manifests/web.py a web server, which can only be read. What has to be a file on this machine is
asked for by `fetched` (to read it) or `place` (to make or lock it).
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path, PurePosixPath
from typing import Protocol

from manifests.content import Content
from manifests.errors import ClipmillError


class Writer(Protocol):
    """Where a file's bytes go while it is written."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Append `data` and return its length."""
        ...


class Storage(Protocol):
    """A tree of files under one root. Listing costs one request a folder, all else one a file."""

    root: str
    room: int | None  # bytes that a reader may hold by `fetched` at once; None: as many as it likes

    def read(self, path: str) -> bytes:
        """Return a file's bytes; FileNotFoundError when it is not there."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Put a whole file in place, replacing what was there."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Put a whole file in place only if the name is free; False when it was taken."""
        ...

    def writer(self, path: str) -> contextlib.AbstractContextManager[Writer]:
        """Write a large file in pieces; it appears when the block ends without an exception."""
        ...

    def part(self, path: str, size: int) -> contextlib.AbstractContextManager[Writer]:
        """Go on writing a file after its first `size` bytes; what was written is synced and stays
        whatever ends the block.
        """
        ...

    def publish(self, part: str, path: str) -> None:
        """Give a file that `part` wrote its final name, replacing what had it."""
        ...

    def list(self, folder: str) -> dict[str, int]:
        """Return names and sizes of a folder's files, temporary ones left out, sorted by name."""
        ...

    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, or None when it is not there."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file if it is there."""
        ...

    def clean(self, folder: str) -> list[str]:
        """Remove what dead processes left in a folder; return the names. What stays is synced."""
        ...

    def leftovers(self, folder: str) -> list[str]:
        """Return the temporary files in a folder."""
        ...

    def holds(self, folder: str) -> bool:
        """Whether any file lies in a folder or below it. At most one request."""
        ...

    def fetched(
        self, path: str, *, anew: bool = False, content: Content | None = None
    ) -> contextlib.AbstractContextManager[Path]:
        """Give a whole copy of a file on this machine, which stays for the block at least.

        A file that is not there gives a path at which nothing is. `anew` takes no copy that was
        fetched before: for whoever wants to know what the store holds. What is known of its
        content is made sure of when a copy is fetched, and spares asking for its version; a file
        that lies on this machine is given as it is.

        Raises (from the block's beginning):
            ClipmillError: what came is of another `content`, twice.
        """
        ...

    def free(self) -> int | None:
        """Return how many bytes are free where the root lies; None where nobody can tell."""
        ...

    def place(self, path: str) -> Path:
        """Return where on this machine a file of this name is locked, or grows until `publish`.

        Of a folder that is the file's own path; of an object store one in the scratch folder.
        """
        ...


def inside(path: str, root: str) -> tuple[str, ...]:
    """Return the names that a path under a root is made of.

    Raises:
        ClipmillError: it leads out of the root, or is no path.
    """
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise ClipmillError(f"path {path!r} does not stay inside the dataset folder {root}.")
    return parts


def open_storage(root: str | os.PathLike[str]) -> Storage:
    """Return the storage for `--root`: a local path, the URL of a prefix in an object store, or
    the address of a folder that a web server gives out.

    Raises:
        ClipmillError: a URL that is none of these.
    """
    text = os.fspath(root)
    if not is_url(text):
        from manifests.local import LocalStorage

        return LocalStorage(Path(text))
    if is_web(text):
        from manifests.web import WebStorage

        return WebStorage(text)
    from manifests.objects import ObjectStorage

    return ObjectStorage(text)


def is_url(root: str) -> bool:
    """Whether a root is named by a URL, not by a path."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", root))


def is_web(root: str) -> bool:
    """Whether a root is a web address, which can be read and not written."""
    return bool(re.match("https?:", root, re.IGNORECASE))

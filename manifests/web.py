"""A data set that a web server gives out, as storage that can be read and not written.

Files are read with one request; what has to be a file is fetched into the scratch folder
(manifests/scratch.py). Which files there are is said by listing.json at the root, else by the
server's own page for each folder, and their bytes by a request each where the page is silent.
"""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, urlsplit

from manifests import listing, scratch, webindex, webpull, webrequests
from manifests.content import ChangedError, Content, write_at
from manifests.errors import ClipmillError
from manifests.storage import Writer, inside
from manifests.webpull import Pull
from manifests.webrequests import AT_ONCE, Found

SCHEMES = ("http", "https")
_FRESH_S = 3.0  # for which listing.json is believed: some verbs list hundreds of folders
_NO_LISTS = (
    "lists no files: neither {file} nor a page for the folder is there. Write {file} with "
    "`clipmill listing --root DIR`, where the data lie, or let the server list folders "
    "(nginx: autoindex on; Apache: Options +Indexes)."
)


class WebStorage:
    """A folder of a web server. Threads and forked children may share it."""

    def __init__(self, url: str) -> None:
        self.root = _checked(url)
        self._scratch = scratch.Scratch(scratch.folder(), scratch.bound())
        self.room: int | None = self._scratch.most // 4
        self._listing: dict[str, int] | None = None
        self._lists: bool | None = None  # whether there is a listing.json; None: not asked yet
        self._fresh_until = -math.inf

    def _path(self, path: str) -> str:
        return "/".join(inside(path, self.root))

    def _url(self, path: str) -> str:
        return f"{self.root}/{quote(self._path(path))}"

    def read(self, path: str) -> bytes:
        """Return a file's bytes; FileNotFoundError when it is not there."""
        try:
            return webpull.read(self._url(path))[0]
        except FileNotFoundError:
            if self._listing is not None and self._path(path) in self._listing:
                raise ClipmillError(
                    f"{self._url(path)} is not there, and {listing.FILE} says that it is: the "
                    f"data were changed since. {listing.CURE}"
                ) from None
            raise

    def write(self, path: str, data: bytes) -> None:
        """Raise: nothing is written here."""
        self._refuse()

    def create(self, path: str, data: bytes) -> bool:
        """Raise: nothing is written here."""
        self._refuse()

    def writer(self, path: str) -> contextlib.AbstractContextManager[Writer]:
        """Raise: nothing is written here."""
        self._refuse()

    def part(self, path: str, size: int) -> contextlib.AbstractContextManager[Writer]:
        """Raise: nothing is written here."""
        self._refuse()

    def publish(self, part: str, path: str) -> None:
        """Raise: nothing is written here."""
        self._refuse()

    def delete(self, path: str) -> None:
        """Raise: nothing is written here."""
        self._refuse()

    def place(self, path: str) -> Path:
        """Raise: what is locked or grows is to be written, and nothing is written here."""
        self._path(path)
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ClipmillError(
            f"{self.root} is read-only: a data set at a web address can be looked at, trained on "
            "and scored, not changed. Change it where it lies, or a copy of it in a local folder "
            "or an object store."
        )

    def list(self, folder: str) -> dict[str, int]:
        """Return names and sizes of a folder's files, temporary ones left out, sorted by name."""
        path = self._path(folder)
        files = self._listed()
        if files is not None:
            return listing.within(files, path)
        found = self._index(path).files
        unknown = [name for name, size in found.items() if size is None]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            asked = threads.map(self.size, (f"{path}/{name}".lstrip("/") for name in unknown))
        sizes = found | dict(zip(unknown, asked, strict=True))
        return {name: size for name, size in sorted(sizes.items()) if size is not None}

    def _listed(self) -> dict[str, int] | None:
        """Return what listing.json says now, or said a moment ago; None where there is none."""
        if self._lists is not False and time.monotonic() > self._fresh_until:
            url = self._url(listing.FILE)
            try:
                self._listing = listing.decode(webpull.read(url)[0], url)
                self._lists, self._fresh_until = True, time.monotonic() + _FRESH_S
            except FileNotFoundError:
                self._listing, self._lists = None, False
                self._require_index()
        return self._listing

    def _require_index(self) -> None:
        """Raise where the server lists no folders: then all would seem empty."""
        index = self._index("")
        if not index.files and not index.folders:
            raise ClipmillError(f"{self.root} {_NO_LISTS.format(file=listing.FILE)}")

    def _index(self, path: str) -> webindex.Index:
        """Return what the server's page for a folder lists."""
        try:
            page = webpull.read(f"{self.root}/{quote(path)}/" if path else f"{self.root}/")[0]
        except FileNotFoundError:
            return webindex.Index()
        return webindex.parse(page.decode("utf-8", "replace"))

    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, or None when it is not there."""
        found = self._head(path)
        return None if found is None else self._sized(path, found)

    def _head(self, path: str) -> Found | None:
        with contextlib.suppress(FileNotFoundError):
            return webrequests.head(self._url(path))
        return None

    def _sized(self, path: str, found: Found) -> int:
        if found.size is None:
            raise ClipmillError(
                f"{self._url(path)}: the server does not say how long it is (Content-Length). "
                "Use one that does, or copy the data set into a local folder."
            )
        return found.size

    def clean(self, folder: str) -> list[str]:
        """Nothing is left here."""
        return []

    def leftovers(self, folder: str) -> list[str]:
        """Nothing is left here."""
        return []

    def holds(self, folder: str) -> bool:
        """Whether any file lies in a folder or below it."""
        path = self._path(folder)
        if (files := self._listed()) is not None:
            return any(one.startswith(f"{path}/") for one in files) if path else bool(files)
        index = self._index(path)
        return bool(index.files or index.folders)

    @contextlib.contextmanager
    def fetched(
        self, path: str, *, anew: bool = False, content: Content | None = None
    ) -> Iterator[Path]:
        """Give a copy of a file on this machine, that stays for the block.

        Of its present version, which costs a request where the copy is there already; or of a
        known content, which costs none.
        """
        url = self._url(path)
        if anew:
            self._scratch.forget(url, content)
        with contextlib.ExitStack() as held:
            try:
                if content is None:
                    place = self._present(path, held)
                else:
                    fetch = partial(_fetch, url, Found(content.size, None))
                    place = held.enter_context(self._scratch.copy_of(content, url, fetch))
            except FileNotFoundError:
                place = self._scratch.place / "missing" / scratch.named(url)  # where nothing is
            yield place

    def _present(self, path: str, held: contextlib.ExitStack) -> Path:
        url = self._url(path)
        for _ in range(webpull.CHANGES):
            if (found := self._head(path)) is None:
                raise FileNotFoundError(url)
            size = self._sized(path, found)
            # Without a mark nobody can tell whether a copy is of this version.
            version = f"{found.mark or uuid.uuid4().hex} {size}"
            copy = self._scratch.copy(url, version, size, partial(_fetch, url, found))
            with contextlib.suppress(ChangedError):
                return held.enter_context(copy)
        raise webpull.unsteady(url)

    def free(self) -> None:
        """Nothing is written here."""


def _fetch(url: str, wanted: Found, fd: int) -> None:
    """Write a file's bytes to a descriptor."""
    Pull(url, lambda at, block: write_at(fd, block, at), wanted.size, wanted.mark, fd).run()


def _checked(url: str) -> str:
    """Return the address of a folder, without the slash at its end.

    Raises:
        ClipmillError: it is none, or holds a password.
    """
    try:
        parts = urlsplit(url)
        wrong = parts.scheme.lower() not in SCHEMES or not parts.hostname or parts.port == 0
    except ValueError:
        raise _no_folder(url) from None
    if parts.username is not None or parts.password is not None:
        raise ClipmillError(
            f"--root holds a name or password for {parts.hostname}, which would be shown and "
            "logged. Leave them out, and put `machine HOST login NAME password WORD` into ~/.netrc."
        )
    if wrong or parts.query or parts.fragment or set(url) & set(" \t\r\n"):
        raise _no_folder(url)
    return url.rstrip("/")


def _no_folder(url: str) -> ClipmillError:
    return ClipmillError(
        f"--root {url!r}; expected the address of a folder, such as https://host/name."
    )

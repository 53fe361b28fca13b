"""An object store as storage, through obstore: S3 and what speaks its protocol, Google, Azure.

An object appears when its upload has ended, so what is written grows in the scratch folder
(manifests/scratch.py) and is uploaded whole; what has to be a file is fetched there. Each call
costs a request or two; errors of the store (5xx), dropped connections and silence are tried again
for CLIPMILL_STORE_PATIENCE seconds (60). Unfinished downloads lie in the scratch folder alone, and
to this machine look as if they lay in the root.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from manifests import scratch
from manifests.content import ChangedError, Content
from manifests.local import LocalStorage
from manifests.objectclient import client
from manifests.objectrequests import CHUNK, asked, fetching, version_of
from manifests.storage import Writer, inside

AT_ONCE = 4  # parts of an upload
_WRITER = "clipmillwriter"  # tells who created an object; letters only, for Azure's sake
T = TypeVar("T")


class ObjectStorage:
    """A prefix of a bucket. Threads may share it; processes open their own."""

    def __init__(self, url: str) -> None:
        self.root = url.rstrip("/")
        self._store = client(self.root)
        self._scratch = scratch.Scratch(scratch.folder(), scratch.bound())
        self._work = LocalStorage(self._scratch.place / "roots" / scratch.named(self.root))
        self.room: int | None = self._scratch.most // 4

    def _key(self, path: str) -> str:
        return "/".join(inside(path, self.root))

    def _cached(self, path: str) -> str:
        return f"{self.root}/{self._key(path)}"

    def _asked(self, request: Callable[[], T]) -> T:
        return asked(self.root, request)

    def read(self, path: str) -> bytes:
        """Return a file's bytes; FileNotFoundError when it is not there."""
        key = self._key(path)
        return self._asked(lambda: bytes(self._store.get(key).bytes()))

    def write(self, path: str, data: bytes) -> None:
        """Put a whole file in place, replacing what was there."""
        key = self._key(path)
        self._asked(lambda: self._put(key, data))

    def _put(self, key: str, data: bytes | Path, **more: Any) -> Any:
        return self._store.put(key, data, chunk_size=CHUNK, max_concurrency=AT_ONCE, **more)

    def create(self, path: str, data: bytes) -> bool:
        """Put a whole file in place only if the name is free; False when it was taken.

        An answer that got lost may have been a yes: so the object tells who created it.
        """
        from obstore.exceptions import AlreadyExistsError

        key, mark = self._key(path), uuid.uuid4().hex
        once = {"mode": "create", "attributes": {_WRITER: mark}, "use_multipart": False}

        def put() -> bool:
            try:
                self._put(key, data, **once)
            except AlreadyExistsError:
                with contextlib.suppress(FileNotFoundError):  # removed since, so it was there
                    return self._store.get(key).attributes.get(_WRITER) == mark
                return False
            return True

        return self._asked(put)

    @contextlib.contextmanager
    def writer(self, path: str) -> Iterator[Writer]:
        """Write a large file in pieces; it appears when the block ends without an exception."""
        with self._scratch.growing() as file:
            yield file
            file.finish()
            self._upload(file.path, path)

    def _upload(self, file: Path, path: str) -> None:
        """Store a file of the scratch folder whole; there it becomes the copy of what is stored."""
        key = self._key(path)
        put = self._asked(lambda: self._put(key, file))
        self._scratch.forget(self._cached(path))
        if put.get("e_tag"):
            self._scratch.keep(file, self._cached(path), version_of(put, file.stat().st_size))

    def part(self, path: str, size: int) -> contextlib.AbstractContextManager[Writer]:
        """Go on writing a file of the scratch folder after its first `size` bytes."""
        return self._work.part(path, size)

    def publish(self, part: str, path: str) -> None:
        """Store a file that `part` wrote under its final name, replacing what had it."""
        file = self._work.place(part)
        if not file.is_file():
            raise FileNotFoundError(f"{file} is not there")
        self._upload(file, path)
        self._work.delete(part)

    def list(self, folder: str) -> dict[str, int]:
        """Return names and sizes of a folder's files, temporary ones left out, sorted by name."""
        prefix = self._key(folder)
        start = f"{prefix}/" if prefix else ""
        found = self._asked(lambda: self._store.list_with_delimiter(prefix or None))
        names = {
            one["path"].removeprefix(start): one["size"]
            for one in found["objects"]
            if one["path"].startswith(start)
        }
        names = self._work.list(folder) | names
        return {name: names[name] for name in sorted(names) if name and not name.startswith(".")}

    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, or None when it is not there."""
        found = self._head(path)
        return self._work.size(path) if found is None else found["size"]

    def _head(self, path: str) -> Any:
        key = self._key(path)
        with contextlib.suppress(FileNotFoundError):
            return self._asked(lambda: self._store.head(key))
        return None

    def delete(self, path: str) -> None:
        """Remove a file if it is there, and all copies of it on this machine."""
        key = self._key(path)
        with contextlib.suppress(FileNotFoundError):
            self._asked(lambda: self._store.delete(key))
        self._scratch.forget(self._cached(path))
        self._work.delete(path)

    def clean(self, folder: str) -> list[str]:
        """Remove what dead processes left of this folder on this machine; a store shows nothing."""
        return self._work.clean(folder)

    def leftovers(self, folder: str) -> list[str]:
        """Return the temporary files of this folder on this machine."""
        return self._work.leftovers(folder)

    def holds(self, folder: str) -> bool:
        """Whether any file lies in a folder or below it."""
        prefix = self._key(folder) or None
        found = self._asked(lambda: next(iter(self._store.list(prefix, chunk_size=1)), []))
        return bool(found) or self._work.holds(folder)

    @contextlib.contextmanager
    def fetched(
        self, path: str, *, anew: bool = False, content: Content | None = None
    ) -> Iterator[Path]:
        """Give a copy of a file on this machine, that stays for the block.

        Of its present version, which costs a request where the copy is there already; or of a
        known content, which costs none.
        """
        if anew:
            self._scratch.forget(self._cached(path), content)
        with contextlib.ExitStack() as held:
            find = self._present if content is None else partial(self._known, content)
            try:
                place = find(path, held)
            except FileNotFoundError:
                place = self._work.place(path)  # nothing is there unless it is being downloaded
            yield place

    def _known(self, content: Content, path: str, held: contextlib.ExitStack) -> Path:
        fetch = fetching(self._store, self.root, self._key(path), content.size)
        return held.enter_context(self._scratch.copy_of(content, self._cached(path), fetch))

    def _present(self, path: str, held: contextlib.ExitStack) -> Path:
        while found := self._head(path):
            size, key = found["size"], self._key(path)
            fetch = fetching(self._store, self.root, key, size, found["e_tag"])
            copy = self._scratch.copy(self._cached(path), version_of(found, size), size, fetch)
            with contextlib.suppress(ChangedError, FileNotFoundError):
                return held.enter_context(copy)
        raise FileNotFoundError(path)

    def free(self) -> None:
        """Nobody tells how much a store will take."""

    def place(self, path: str) -> Path:
        """Return where in the scratch folder a file of this name is locked, or grows."""
        self._work.place(".").mkdir(parents=True, exist_ok=True)
        return self._work.place(path)

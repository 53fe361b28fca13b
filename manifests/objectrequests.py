"""Requests to an object store: made again while they may succeed, large objects in chunks."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from manifests.content import ChangedError, write_at
from manifests.objectclient import patience
from manifests.objecterrors import is_final, telling

CHUNK = 8 << 20  # of a transfer; below S3's 10,000 parts up to 80 GB
_PAUSE_S, _LONGEST_S = 0.1, 5.0
T = TypeVar("T")


def asked(root: str, request: Callable[[], T]) -> T:
    """Make a request that does no harm when made twice, again while it may yet succeed.

    Raises:
        FileNotFoundError: the object is not there.
        ClipmillError, StoppedError: what the store of `root` says, or that it says nothing.
    """
    from obstore.exceptions import GenericError

    end, pause = time.monotonic() + patience(), _PAUSE_S
    with telling(root):
        while True:
            try:
                return request()
            except GenericError as error:
                # obstore has tried again by itself but for answers that broke off.
                if is_final(error) or time.monotonic() + pause >= end:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_S)


def fetching(
    store: Any, root: str, key: str, size: int, tag: str | None = None
) -> Callable[[int], None]:
    """Return what writes an object's bytes to a descriptor, a request for each chunk.

    `tag` is the ETag that a look at the object gave; without one, all must have the first chunk's.
    Raises (from what is returned) FileNotFoundError where it is not there, ChangedError where it is
    not of this size and tag, or no longer.
    """

    def fetch(fd: int) -> None:
        same, start = tag, 0
        while start < size or start == 0:
            wanted: dict[str, Any] = {"range": (start, min(start + CHUNK, size))} if size else {}
            if same:
                wanted["if_match"] = same
            found, data = asked(f"{root}/{key}", partial(_chunk, store, key, wanted))
            if found["size"] != size:
                raise ChangedError(f"{found['size']} bytes; expected {size}")
            same = found["e_tag"]
            write_at(fd, data, start)
            start += max(1, len(data))

    return fetch


def _chunk(store: Any, key: str, wanted: dict[str, Any]) -> tuple[Any, bytes]:
    from obstore.exceptions import GenericError, PreconditionError

    try:
        found = store.get(key, options=wanted)
    except PreconditionError as error:
        raise ChangedError("it changed while it was fetched") from error
    except GenericError as error:
        if "status code: 416" in str(error):
            raise ChangedError("it is empty") from error
        raise
    return found.meta, bytes(found.bytes())


def version_of(found: Any, size: int) -> str:
    """Return what tells this content of an object from others that had its name."""
    return f"{found.get('e_tag') or found.get('last_modified')} {size}"

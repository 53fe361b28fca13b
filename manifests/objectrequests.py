"""Requests to an object store: made again while they may succeed, large objects in chunks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from manifests.objectclient import patience
from manifests.objecterrors import is_final, telling

CHUNK = 8 << 20  # of a transfer; below S3's 10,000 parts up to 80 GB
_PAUSE_S, _LONGEST_S = 0.1, 5.0
T = TypeVar("T")


class Changed(Exception):
    """The object became another one while it was fetched."""


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


def fetching(store: Any, root: str, key: str, found: Any) -> Callable[[int], None]:
    """Return what writes an object's bytes to a descriptor, a request for each chunk.

    `found` is what a look at the object gave; Changed is raised where it is no longer that.
    """
    from obstore.exceptions import PreconditionError

    same = {"if_match": found["e_tag"]} if found["e_tag"] else {}

    def fetch(fd: int) -> None:
        for start in range(0, found["size"], CHUNK):
            wanted: Any = {"range": (start, min(start + CHUNK, found["size"])), **same}

            def request(wanted: Any = wanted) -> bytes | None:
                try:
                    return bytes(store.get(key, options=wanted).bytes())
                except (PreconditionError, FileNotFoundError):
                    return None

            data = asked(root, request)
            if data is None:
                raise Changed
            os.pwrite(fd, data, start)

    return fetch


def version_of(found: Any, size: int) -> str:
    """Return what tells this content of an object from others that had its name."""
    return f"{found.get('e_tag') or found.get('last_modified')} {size}"

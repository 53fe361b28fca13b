"""CVDF's addresses as bytes: a list at once, an archive block by block, through all that happens.

Costs what the network costs; nothing is kept but the block in hand.
"""

from __future__ import annotations

import threading
from collections.abc import Generator

from manifests.addresses import host_of
from manifests.errors import ClipmillError, UnreachableError
from manifests.reasons import Reason
from pipeline.fetch.body import Body
from pipeline.fetch.errors import FetchError
from pipeline.fetch.source import Tools
from pipeline.fetch.taxonomy import Then

MOST_OF_A_LIST = 4 << 20  # the longest one, of 600 archives, has 50 KB
ABSENT = frozenset({403, 404, 410})  # S3 says 403 of what is not there, to who may not list

GIVE_UP = 6  # archives in a row that cannot be reached


class Line:
    """Whether the line works at all: archives that cannot be reached, one after the other."""

    def __init__(self) -> None:
        self._lock, self._failures = threading.Lock(), 0

    def works(self) -> None:
        """Take note that an archive gives something."""
        self._failures = 0

    def failed(self, why: str) -> None:
        """Take note that an archive cannot be reached.

        Raises:
            UnreachableError: so it was with several in a row: it is not the archive's fault.
        """
        with self._lock:
            self._failures += 1
            failures = self._failures
        if failures >= GIVE_UP:
            raise UnreachableError(
                f"{failures} archives in a row cannot be reached ({why}). Look at the connection, "
                "then run the same command again; no clip has lost an attempt to it."
            )


def body_of(url: str, tools: Tools) -> Body:
    """Return an address' body, from its start."""
    return Body(url, tools.pool, tools.pace, tools.patience, stop=tools.stop)


def blocks(body: Body, tools: Tools) -> Generator[bytes, None, None]:
    """Yield a body's bytes; where the host blocks this session, wait and go on from there.

    Raises:
        FetchError: the server refuses, or the line fails for good.
        UnreachableError: the session stays blocked.
    """
    while True:
        try:
            for block in body:
                body.start += len(block)
                yield block
            return
        except FetchError as error:
            if tools.stop.is_set() or error.rule.then is not Then.PAUSE:
                raise
            tools.pace.blocked(host_of(body.url), error.message, error.after_s)


def list_at(url: str, tools: Tools) -> bytes | None:
    """Return a list of archives; None when the run is to end.

    Raises:
        ClipmillError: the server has none there, or gives something else.
        UnreachableError: it cannot be reached.
    """
    data = b""
    try:
        for block in blocks(body_of(url, tools), tools):
            data += block
            if len(data) > MOST_OF_A_LIST:
                raise ClipmillError(
                    f"{url} is longer than any list of archives; expected an address on each line. "
                    "Look at what the server gives there."
                )
    except FetchError as error:
        if tools.stop.is_set():
            return None
        if error.rule.reason is Reason.NETWORK:
            raise UnreachableError(
                f"CVDF's list of archives {url} cannot be had ({error.message}). Look at the "
                "connection, then run the same command again; nothing is lost."
            ) from error
        raise ClipmillError(
            f"CVDF's list of archives is not at {url} ({error.message}). Give a mirror that has it "
            "with --cvdf, or leave cvdf out of --source."
        ) from error
    return data

"""Requests to a web server: taken up where they broke off, made again while they may succeed.

A dropped connection, a stall, a 5xx or a 429 is tried again until CLIPMILL_STORE_PATIENCE seconds
(60) have passed without a byte. Costs a request a file where nothing goes wrong.
"""

from __future__ import annotations

import contextlib
import functools
import netrc
import os
import re
import socket
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

from manifests.addresses import asked_s, host_of, presentable
from manifests.errors import ClipmillError, StoppedError
from manifests.objectclient import patience
from manifests.routes import Routes

AT_ONCE = 16  # connections kept open to a host
_CONNECT_S, _SILENCE_S = 10.0, 30.0
_PAUSE_S, _LONGEST_S = 0.1, 5.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MISSING = frozenset({404, 410})
_lines: weakref.WeakSet[socket.socket] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Found:
    """What a server says of a file: its bytes, and the mark (ETag or date) of this content."""

    size: int | None
    mark: str | None


class BusyError(Exception):
    """The server asks for another try, after so many seconds where it says how many."""

    def __init__(self, text: str, after_s: float | None) -> None:
        super().__init__(text)
        self.after_s = after_s or 0.0


def head(url: str) -> Found:
    """Return what a server says of a file, in one request (two where it does not take HEAD).

    Raises:
        FileNotFoundError, ClipmillError, StoppedError: it has no such file, refuses, or fails for
            too long; names the file.
    """
    found = Found(None, None)

    def look() -> str:
        nonlocal found
        response = ask("HEAD", url, {})
        response.drain_conn()  # which may then be used again
        if response.status in (405, 501):
            response = ask("GET", url, {})
        with closing(response):
            require(response, url)
            found = Found(length_of(response.headers), mark_of(response.headers))
        return ""

    until_done(url, look, lambda: None)
    return found


def require(response: urllib3.BaseHTTPResponse, url: str) -> None:
    """Raise what a status means that gives no file."""
    status = response.status
    said = f"status {status} {presentable(response.reason or '')}".strip()
    if status in (200, 206):
        return
    if status in _MISSING:
        raise FileNotFoundError(f"{url} is not there ({said})")
    if status in _PASSING:
        raise BusyError(said, asked_s(response.headers.get("Retry-After"), time.time()))
    if status in (401, 403, 407):
        raise ClipmillError(
            f"{host_of(url)} refuses {url} ({said}). Mind the address; a name and password for "
            "this host are taken from ~/.netrc."
        )
    raise ClipmillError(f"{url}: the server answers with {said}; expected the file. Mind --root.")


def until_done(url: str, step: Callable[[], str], moved: Callable[[], float | None]) -> None:
    """Repeat a step until it lacks nothing, with pauses, while there is patience.

    `moved` gives the time of the last byte that came, from which patience counts.

    Raises:
        ClipmillError: asking again is of no use.
        StoppedError: patience ended; names the file.
    """
    most = patience()
    began, pause, last = time.monotonic(), _PAUSE_S, None
    while True:
        after = 0.0
        try:
            lacking = step()
            if not lacking:
                return
        except BusyError as error:
            lacking, after = str(error), error.after_s
        except (HTTPError, ConnectionError, TimeoutError, ValueError) as error:
            lacking = _in_short(error)
            if _is_lasting(error, lacking):
                raise ClipmillError(
                    f"{url} cannot be read ({lacking}); expected a file of {host_of(url)}. Mind "
                    "--root and the server."
                ) from error
        if moved() != last:
            last, pause = moved(), _PAUSE_S
        wait = max(pause, after)
        if time.monotonic() + wait >= (last or began) + most:
            raise StoppedError(
                f"{url} cannot be read: {host_of(url)} gives no more of it ({lacking}). Look at "
                "the network and the server, then run the same command again; what was finished "
                "is kept."
            )
        time.sleep(wait)
        pause = min(2 * pause, _LONGEST_S)


def _is_lasting(error: Exception, text: str) -> bool:
    """Whether asking again is of no use: an address (here or in a redirection) that leads nowhere,
    redirections without end, a certificate that is not believed.
    """
    return (
        isinstance(error, ValueError)  # some of urllib3's errors are
        or "too many redirects" in text
        or "CERTIFICATE_VERIFY_FAILED" in text
    )


def _in_short(error: Exception) -> str:
    """Return what went wrong, without the objects that urllib3 names."""
    reason = getattr(error, "reason", None) or error
    text = presentable(re.sub(r"<[^>]*>:?\s*", "", str(reason)))
    return f"{type(reason).__name__}: {text}"[:200]


def ask(method: str, url: str, more: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
    """Make one request; the answer's body is yet to be read. Raises urllib3's errors."""
    asked = {
        "Accept-Encoding": "identity",
        "User-Agent": "clipmill",
        **_known_to(host_of(url)),
        **more,
    }
    read = silence()
    timeout = urllib3.Timeout(connect=min(_CONNECT_S, read), read=read)
    response = _pool(os.getpid()).request(
        method, url, headers=asked, preload_content=False, timeout=timeout
    )
    if (line := getattr(response.connection, "sock", None)) is not None:
        _lines.add(line)
    return response


def silence() -> float:
    """Return the seconds after which a server that sends nothing has failed."""
    return max(0.1, min(_SILENCE_S, patience()))


def _hang_up() -> None:
    """Close a forked child's ends of its parent's connections: they would outlive the parent's."""
    for line in _lines:
        with contextlib.suppress(OSError):
            os.close(line.detach())


os.register_at_fork(after_in_child=_hang_up)


@functools.lru_cache(maxsize=2)
def _pool(process: int) -> Routes:
    """A forked child may not go on with its parent's connections."""
    return Routes(None, AT_ONCE)


@functools.lru_cache(maxsize=16)
def _known_to(host: str) -> Mapping[str, str]:
    """Return the heads that give a host the name and password of ~/.netrc."""
    try:
        found = netrc.netrc().authenticators(re.sub(r":\d+$", "", host))
    except (OSError, netrc.NetrcParseError):
        found = None
    if not found or not found[0]:
        return {}
    return urllib3.make_headers(basic_auth=f"{found[0]}:{found[2]}")


def length_of(heads: Mapping[str, str]) -> int | None:
    """Return what an answer's heads say of its length."""
    text = heads.get("Content-Length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def mark_of(heads: Mapping[str, str]) -> str | None:
    """Return what names this content; a weak ETag promises nothing about bytes."""
    tag = heads.get("ETag")
    return tag if tag and not tag.startswith("W/") else heads.get("Last-Modified")

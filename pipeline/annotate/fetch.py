"""One small file from a web address into a folder of ours: time, size and redirections bounded."""

from __future__ import annotations

import codecs
import re
import time
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from manifests.errors import ClipmillError, StoppedError
from pipeline.annotate.text import shown

SCHEMES = ("http", "https")
BYTES = 1 << 30
SILENCE_S = 30.0  # without a byte
SECONDS = 900.0
_CHUNK = 1 << 18
_HEAD = 512


def is_url(where: str) -> bool:
    """Return whether a text begins like a URL of any scheme."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", where))


def fetch(
    url: str,
    folder: Path,
    *,
    most_bytes: int = BYTES,
    silence_s: float = SILENCE_S,
    seconds: float = SECONDS,
) -> Path:
    """Download `url` into `folder`, under the last part of its path; return the file.

    Raises:
        ClipmillError: not http or https (redirections too), refused by the server (4xx), too large.
        StoppedError: the server or the network failed or took too long; trying again may help.
    """
    if urlsplit(url).scheme.lower() not in SCHEMES:
        raise ClipmillError(f"{shown(url)} is neither http nor https; download it, give the file.")
    path = folder / file_name(url)
    deadline = time.monotonic() + seconds
    request = urllib.request.Request(url, headers={"User-Agent": "clipmill"})  # noqa: S310
    try:
        with _opener().open(request, timeout=silence_s) as reply, path.open("wb") as out:
            told = reply.headers.get("Content-Length", "")
            expected = int(told) if told.isdigit() else None
            got = _copy(reply, out, url, most_bytes, deadline)
    except HTTPError as error:
        error.close()
        kind = ClipmillError if 300 <= error.code < 500 else StoppedError
        cure = "check the address" if kind is ClipmillError else "try again later"
        raise kind(f"{shown(url)}: the server says {error.code} {error.reason}; {cure}.") from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise StoppedError(
            f"{shown(url)} could not be fetched ({reason}); try again, or download it and give "
            "the file."
        ) from error
    if expected is not None and got != expected:
        raise StoppedError(
            f"{shown(url)} broke off after {got:,} of {expected:,} bytes; run the same command "
            "again."
        )
    _require_no_page(path, url)
    return path


def _require_no_page(path: Path, url: str) -> None:
    """Raise where a server gave a page to look at, as do the addresses of repositories' files."""
    with path.open("rb") as file:
        head = file.read(_HEAD).removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise ClipmillError(
            f"{shown(url)} gives a web page (HTML); expected a list or an archive of lists. Give "
            "the address of the file itself, such as that of its download button."
        )


def _copy(reply: Any, out: IO[bytes], url: str, most_bytes: int, deadline: float) -> int:
    got = 0
    while data := reply.read1(_CHUNK):
        got += len(data)
        if got > most_bytes:
            raise ClipmillError(
                f"{shown(url)} is larger than {most_bytes:,} bytes; expected lists. Download it "
                "and give the file."
            )
        if time.monotonic() > deadline:
            raise StoppedError(
                f"{shown(url)} comes too slowly ({got:,} bytes so far); try again, or download it "
                "and give the file."
            )
        out.write(data)
    return got


def file_name(url: str) -> str:
    """Return the last part of a URL's path as a file name of harmless characters."""
    last = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip(".")[-100:] or "lists"


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows redirections to http and https alone."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request to go on with; ClipmillError for another scheme."""
        if urlsplit(newurl).scheme.lower() not in SCHEMES:
            raise ClipmillError(
                f"{shown(req.full_url)} redirects to {shown(newurl)[:200]}; expected http or https."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """An opener without the handlers for files, FTP and data that the default one has."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
        _Redirections(),
    ):
        opener.add_handler(handler)
    return opener

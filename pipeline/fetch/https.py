"""Videos by plain web addresses: one request a file where nothing goes wrong.

A file is resumed where an earlier run left it. It counts when it has the length that the server
said; what it holds is looked at by whoever records it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from urllib.parse import unquote, urlsplit

from manifests.addresses import host_of
from manifests.errors import StoppedError
from pipeline.acquiring.locate import own_stem
from pipeline.annotate.sources import is_address
from pipeline.annotate.walk import is_media
from pipeline.fetch import partfile
from pipeline.fetch.body import Body
from pipeline.fetch.errors import FetchError
from pipeline.fetch.source import Arrived, Refused, Tools, Want
from pipeline.fetch.taxonomy import Then

Unit = tuple[Want, ...]


class Https:
    """Sources that begin with http:// or https://."""

    name = "https"
    host = ""
    divides = False

    def serves(self, source: str) -> bool:
        """Whether a source URI is a web address."""
        return is_address(source)

    def units(self, wants: Sequence[Want], tools: Tools) -> list[tuple[Unit, int]]:
        """One unit a file, for all its clips."""
        files: dict[str, list[Want]] = {}
        for want in wants:
            files.setdefault(want.source, []).append(want)
        return [(tuple(several), len(several)) for several in files.values()]

    def fetch(self, unit: Unit, tools: Tools) -> Iterator[Arrived | Refused]:
        """Bring one file."""
        url = unit[0].source
        if tools.storage.size(name_of(url)) is not None:
            yield Arrived(unit, name_of(url))  # it came, and its row was lost with the process
            return
        while not tools.stop.is_set():
            try:
                yield Arrived(unit, download(url, name_of(url), tools))
                return
            except FetchError as error:
                if tools.stop.is_set():
                    return
                if error.rule.then is not Then.PAUSE:
                    yield Refused(unit, error.rule, error.message)
                    return
                tools.pace.blocked(host_of(url), error.message, error.after_s)


def name_of(url: str) -> str:
    """Return our own name for an address' file, with its extension where that is a video's."""
    path = unquote(urlsplit(url).path)
    readable, extension = posixpath.splitext(posixpath.basename(path))
    return own_stem(url, readable or None) + (extension.lower() if is_media(path) else "")


def download(url: str, name: str, tools: Tools) -> str:
    """Bring an address to `name` under the root, from where an earlier run left it; return `name`.

    Raises:
        FetchError: the server refuses, or the line fails for good; what came is kept for later.
        StoppedError: the disk would run full.
    """
    note = partfile.known(tools.storage, name, url)
    body = Body(
        url,
        tools.pool,
        tools.pace,
        tools.patience,
        note.size,
        stop=tools.stop,
        total=note.total,
        mark=note.mark,
    )
    tools.require_space()
    try:
        for size in partfile.append(tools.storage, name, note.size, _fitting(body, tools)):
            tools.require_space((body.total or 0) - size)
            if body.total is not None and size < body.total:
                partfile.note(tools.storage, name, partfile.Note(url, size, body.total, body.mark))
    except (FetchError, StoppedError) as error:
        size = tools.storage.size(name + partfile.PART) or 0
        changed = isinstance(error, FetchError) and error.changed
        if changed or not size or body.mark is None:
            partfile.forget(tools.storage, name)
        else:
            partfile.note(tools.storage, name, partfile.Note(url, size, body.total, body.mark))
        raise
    partfile.finish(tools.storage, name)
    return name


def _fitting(body: Body, tools: Tools) -> Iterator[bytes]:
    """Yield a body's blocks, once the disk has room for all of them.

    Raises:
        FetchError: see Body.
        StoppedError: the disk would run full; nothing was written yet.
    """
    at = body.start
    for block in body:
        if at == body.start:
            tools.require_space((body.total or 0) - at)
        at += len(block)
        yield block

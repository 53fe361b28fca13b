"""The names in an archive. Reads headers alone where the format allows.

zip, tar and rar: a seek a member. Compressed tars and archives in a rar: all is decompressed.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.archive import kinds, naming, rars
from pipeline.archive.entries import REGULAR
from pipeline.archive.limits import Limits, Meter
from pipeline.archive.members import Archive, opened
from pipeline.archive.rar_headers import read_headers


def names(path: Path, limits: Limits | None = None) -> list[str]:
    """Return the names of the regular members as `members` gives them, in order.

    Raises:
        ClipmillError, StoppedError: as `pipeline.archive.members.Archive`.
    """

    def read(reader: str | None) -> list[str]:
        return [member.name for member in Archive(path, limits, reader)]

    return _rar_names(path, limits) or rars.with_each_reader(read)


def _rar_names(path: Path, limits: Limits | None) -> list[str]:
    """Return the names that a rar's headers tell; none if it may hold archives, or is no rar."""
    with opened(path) as file:
        if kinds.kind_of(file.read(kinds.HEAD)) != "rar":
            return []
        size = os.fstat(file.fileno()).st_size
        meter = Meter(path, limits or Limits(), lambda: size)
        found: dict[str, None] = {}
        for entry in read_headers(file, size, meter):
            if entry.kind == REGULAR:
                found[naming.normalised(entry.name, meter)] = None
        return [] if any(naming.stem(name) != name for name in found) else list(found)

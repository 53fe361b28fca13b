"""An archive's entries by the reader of its kind, which is told by content.

Costs one look at the first 512 bytes, and at those of what is compressed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.archive import kinds, rars, tars, zips
from pipeline.archive.entries import Entry
from pipeline.archive.incoming import Incoming
from pipeline.archive.limits import Meter
from pipeline.archive.streams import Inflated, Plain


def entries(file: BinaryIO | Incoming, meter: Meter, reader: str | None) -> Iterator[Entry] | None:
    """Return the entries of an archive that is read from its start, or None when it is none.

    Raises:
        ClipmillError: what comes in, and cannot be gone back in, is no tar.
    """
    if isinstance(file, Incoming):
        kind = kinds.kind_of(file.peek(kinds.HEAD))
        found = None if kind in ("zip", "rar") else _of_tar(file, file, kind, meter)
        if found is None:
            cure = "expected one, plain or compressed. Look at what is given there."
            raise meter.error("is no tar", cure)
        return found
    size = os.fstat(file.fileno()).st_size
    kind = kinds.kind_of(file.read(kinds.HEAD))
    file.seek(0)
    if kind == "zip":
        return zips.walk(file, size, meter)
    if kind == "rar":
        return rars.walk(file, size, meter, reader)
    return _of_tar(file, Plain(file, size), kind, meter)


def _of_tar(
    file: BinaryIO | Incoming, plain: Plain | Incoming, kind: kinds.Kind | None, meter: Meter
) -> Iterator[Entry] | None:
    """Return the entries of a tar, compressed or not; None when it is no tar."""
    if kind == "tar":
        return tars.walk(plain, meter)
    if kind is None:
        return None
    inflated = Inflated(file, kind, meter)
    return tars.walk(inflated, meter) if tars.is_tar(inflated.peek(kinds.HEAD)) else None

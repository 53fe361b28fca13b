"""Entries of a RAR archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from pipeline.archive.entries import Entry
from pipeline.archive.limits import Meter


def walk(file: BinaryIO, size: int, meter: Meter, reader: str | None = None) -> Iterator[Entry]:
    """Yield the entries in order."""
    raise meter.error("is a RAR archive", "not yet")

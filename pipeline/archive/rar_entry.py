"""What a RAR header says of one entry."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.archive.entries import REGULAR


@dataclass(frozen=True, slots=True)
class Packed:
    """One entry. `given` is the number of bytes that a reader gives for it, in bytes.

    `crc` is the CRC-32 of its contents, None where the archive holds another checksum.
    """

    name: str
    kind: str = REGULAR
    given: int = 0
    crc: int | None = None
    encrypted: bool = False
    split: bool = False

"""What an archive may cost: members, bytes, how far it may blow itself up. Counting is free.

A video hardly compresses, so a stream that grows two hundredfold is no data set. The rule looks at
what was read so far, which ends a bomb after its first hundred megabytes, whatever its size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from manifests.errors import ClipmillError
from pipeline.annotate.text import shown

MEMBERS_AT_ONCE = 20_000  # members that even a tiny archive may hold
MEMBER_COSTS = 128  # bytes of archive that each further one must have taken
HEADERS_AT_ONCE = 2 << 20  # bytes of RAR headers, which cost up to half a microsecond each
ARCHIVES_AT_ONCE = 100  # archives inside; each costs a copy, and a RAR one two programs
ARCHIVE_COSTS = 1 << 20


class DamagedArchive(ClipmillError):
    """It contradicts itself or ends early, and nothing after that place can be read."""


class DamagedMember(ClipmillError):
    """One member is not what it was; those after it may be whole, and can be asked for."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one archive, those inside it included; the defaults let half a million videos pass.

    `ratio` is bytes out per byte in, beyond the first `free_bytes`. `stall_seconds` is how long a
    RAR reader may give nothing.
    """

    members: int = 1_000_000
    total_bytes: int = 2 << 40
    ratio: int = 200
    free_bytes: int = 64 << 20
    name_length: int = 4096
    header_bytes: int = 64 << 10
    stall_seconds: float = 60.0


@dataclass(slots=True)
class Meter:
    """What one archive (a path or an address) has cost so far.

    `position` tells how many of its bytes were read.
    """

    path: Path | str
    limits: Limits
    position: Callable[[], int]
    passed_over: Counter[str] = field(default_factory=Counter)
    members: int = 0
    bytes_out: int = 0
    headers: int = 0
    header_bytes: int = 0
    archives: int = 0

    def error(self, found: str, cure: str) -> ClipmillError:
        """Return the error that names the archive, what was found, and what to do."""
        return ClipmillError(f"{shown(self.path)} {found}; {cure}")

    def hostile(self, found: str) -> ClipmillError:
        """Return the error for what no archive of videos or lists does."""
        return self.error(found, "expected an archive of videos or lists. Do not trust this file.")

    def damaged(self, found: str) -> DamagedArchive:
        """Return the error for an archive that contradicts itself or ends early."""
        return DamagedArchive(str(self.error(f"is damaged: {found}", "fetch it again.")))

    def damaged_member(self, name: str, found: str) -> DamagedMember:
        """Return the error for one member."""
        what = f"is damaged: {name[:200]!r} {found}"
        return DamagedMember(str(self.error(what, "fetch it again.")))

    def count_member(self) -> None:
        """Count an entry of any kind; ClipmillError when there are too many."""
        self.members += 1
        allowed = MEMBERS_AT_ONCE + self.position() // MEMBER_COSTS
        if self.members > min(self.limits.members, allowed):
            raise self.hostile(f"holds more than {self.members - 1:,} members for its size")

    def count_header(self, size: int) -> None:
        """Count a RAR header of any kind; ClipmillError when it is long, or there are too many."""
        self.headers += 1
        self.header_bytes += size
        position = self.position()
        if size > self.limits.header_bytes:
            raise self.hostile(f"holds a header of {size:,} bytes")
        if self.headers > MEMBERS_AT_ONCE + position // MEMBER_COSTS:
            raise self.hostile(f"holds more than {self.headers - 1:,} headers for its size")
        if self.header_bytes > HEADERS_AT_ONCE + position // 2:
            raise self.hostile("holds more bytes of headers than an archive of its size")

    def count_archive(self) -> None:
        """Count an archive inside; ClipmillError when there are too many."""
        self.archives += 1
        if self.archives > ARCHIVES_AT_ONCE + self.position() // ARCHIVE_COSTS:
            raise self.hostile(f"holds more than {self.archives - 1:,} archives for its size")

    def count_bytes(self, number: int) -> None:
        """Count bytes that came out; ClipmillError when the archive blows itself up."""
        self.bytes_out += number
        limits = self.limits
        if self.bytes_out > limits.total_bytes:
            raise self.hostile(f"unpacks to more than {limits.total_bytes:,} bytes")
        if self.bytes_out > limits.free_bytes + limits.ratio * self.position():
            raise self.hostile(
                f"unpacks to more than {limits.ratio} times its size, as archive bombs do"
            )

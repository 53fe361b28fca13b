"""An archive's bytes as they come, from where nothing can be asked for again: a network, a pipe.

A few microseconds a block; nothing is kept but the block in hand.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Readable(Protocol):
    """Whatever gives bytes in order: a file, or what comes in."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...


class Incoming(io.RawIOBase):
    """Blocks of bytes as a file that is read once; what the blocks raise passes through.

    `name` stands in messages. `tell` counts the bytes that were taken.
    """

    def __init__(self, name: str, blocks: Iterable[bytes]) -> None:
        self.name = name
        self._blocks, self._rest, self._taken = iter(blocks), memoryview(b""), 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes were read or passed over."""
        return self._taken

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer`, all of it unless the end comes before; return the number of bytes."""
        view, filled = memoryview(buffer).cast("B"), 0
        while filled < len(view) and self._more():
            piece = self._rest[: len(view) - filled]
            view[filled : filled + len(piece)] = piece
            self._rest = self._rest[len(piece) :]
            filled += len(piece)
        self._taken += filled
        return filled

    def read(self, size: int = -1, /) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""
        return super().read(size) or b""

    def peek(self, size: int, /) -> bytes:
        """Return the next `size` bytes, which stay to be read."""
        head = self.read(size)
        self._rest = memoryview(head + self._rest)
        self._taken -= len(head)
        return head

    def skip(self, size: int, /) -> bool:
        """Take and forget bytes; False when the end comes before."""
        while size and self._more():
            passed = min(size, len(self._rest))
            self._rest = self._rest[passed:]
            self._taken += passed
            size -= passed
        return not size

    def _more(self) -> bool:
        """Whether anything is left; asks for the next block where none is in hand."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._rest = memoryview(block)
        return True

"""An archive's bytes in order: as they lie, or through gzip, bzip2, xz or zstd, in bounded memory.

The standard library's decoders are given small pieces and a bound on what comes out. zstd comes
through pyarrow, since the library has it only from Python 3.14 on. 60 (bzip2, xz) to 400 MB/s.
"""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from typing import Any, BinaryIO, Protocol

from pipeline.archive.incoming import Incoming, Readable
from pipeline.archive.limits import Meter

CHUNK = 1 << 18
XZ_MEMORY = 256 << 20  # `xz -9` wants 65 MiB


class Stream(Protocol):
    """Bytes in order; `read` returns fewer than asked for only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes."""
        ...

    def skip(self, size: int, /) -> bool:
        """Pass over bytes; False when the stream ended before."""
        ...


class Plain:
    """A file as it lies: passing over is a seek."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes."""
        return self._file.read(size)

    def skip(self, size: int, /) -> bool:
        """Pass over bytes; False when the file ends before."""
        if size > self._size - self._file.tell():
            return False
        self._file.seek(size, 1)
        return True


class Inflated:
    """A compressed file's contents; ClipmillError where it is damaged, cut off, or a bomb."""

    def __init__(self, file: Readable, kind: str, meter: Meter) -> None:
        self._decoded = _zstd(file) if kind == "zstd" else _Decoded(file, kind)
        self._meter, self._kind = meter, kind
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes."""
        pieces, left = [], size
        while left:
            if not self._rest and not self._refill():
                break
            pieces.append(self._rest[:left])
            self._rest = self._rest[left:]
            left -= len(pieces[-1])
        return b"".join(pieces)

    def peek(self, size: int, /) -> bytes:
        """Return the next `size` bytes, which stay to be read."""
        head = self.read(size)
        self._rest = memoryview(head + self._rest)
        return head

    def skip(self, size: int, /) -> bool:
        """Decode and forget bytes; False when the stream ended before."""
        while size:
            got = len(self.read(min(size, CHUNK)))
            if not got:
                return False
            size -= got
        return True

    def _refill(self) -> bool:
        try:
            data = self._decoded.read(CHUNK)
        except (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            raise self._meter.damaged(f"its {self._kind} stream breaks off ({error})") from error
        self._meter.count_bytes(len(data))
        self._rest = memoryview(data)
        return bool(data)


class _Decoded:
    """gzip, bzip2 or xz streams, one after the other, in one form."""

    def __init__(self, file: Readable, kind: str) -> None:
        self._file, self._kind = file, kind
        self._decoder = _decoder(kind)
        self._input = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end; EOFError when the file ends too early."""
        while True:
            if self._decoder.eof:
                self._input = self._decoder.unused_data.lstrip(b"\0")
                if not self._input and not self._next_stream():
                    return b""
                self._decoder = _decoder(self._kind)
            ended = False
            if getattr(self._decoder, "needs_input", True) and not self._input:
                self._input = self._file.read(CHUNK)
                ended = not self._input
            data = self._decoder.decompress(self._input, size)
            self._input = getattr(self._decoder, "unconsumed_tail", b"")
            if data:
                return data
            if ended:
                raise EOFError("the file ends inside it")

    def _next_stream(self) -> bool:
        """Look past padding for another stream; False at the end of the file."""
        while piece := self._file.read(CHUNK):
            self._input = piece.lstrip(b"\0")
            if self._input:
                return True
        return False


def _decoder(kind: str) -> zlib._Decompress | bz2.BZ2Decompressor | lzma.LZMADecompressor:
    if kind == "gzip":
        return zlib.decompressobj(wbits=31)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(memlimit=XZ_MEMORY)


def _zstd(file: Any) -> Readable:
    import pyarrow as pa

    own = file
    if not isinstance(file, Incoming):
        # pyarrow closes what it was given: it gets a descriptor of its own, at the same place.
        own = open(os.dup(file.fileno()), "rb", buffering=0)  # noqa: PTH123, SIM115
    return pa.CompressedInputStream(pa.PythonFile(own, "r"), "zstd")

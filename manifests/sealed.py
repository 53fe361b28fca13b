"""A digest inside each table's file and in dataset.toml, over all other bytes of the file.

One flipped bit is noticed anywhere: parquet's own page checksums guard the values alone, not the
footer around them. xxh3 runs at some 10 GB/s.

|pages...|footer ... clipmill.seal <0x18 0x10> 0123456789abcdef ...|PAR1|
          hashed with 16 zeros in place of  ^ the digest itself
"""

from __future__ import annotations

import xxhash

KEY = "clipmill.seal"
EMPTY = "0" * 16
"""What stands for the digest while the file is written, as a value of the footer's metadata."""
_LINE = "# digest of all lines above: "
_MARK = KEY.encode() + b"\x18\x10"  # Thrift: the key's value follows, 16 bytes of it


def seal(data: bytes) -> bytes:
    """Return the file with its digest written in; it was written with EMPTY under KEY."""
    place = _place(data)
    if place is None or data[place : place + 16] != EMPTY.encode():
        raise ValueError(f"no empty {KEY} stands in the file")
    return data[:place] + _digest(data, place) + data[place + 16 :]


def intact(data: bytes) -> bool | None:
    """Whether a file has the digest that it carries; None where it carries none."""
    place = _place(data)
    return None if place is None else data[place : place + 16] == _digest(data, place)


def _place(data: bytes) -> int | None:
    found = data.rfind(_MARK)
    return None if found < 0 else found + len(_MARK)


def _digest(data: bytes, place: int) -> bytes:
    view, state = memoryview(data), xxhash.xxh3_64()
    for part in (view[:place], EMPTY.encode(), view[place + 16 :]):
        state.update(part)
    return state.hexdigest().encode()


def seal_text(text: str) -> str:
    """Return a text with a last line that tells its digest."""
    return f"{text}{_LINE}{xxhash.xxh3_64_hexdigest(text.encode())}\n"


def text_intact(data: bytes) -> bool:
    """Whether a text is as `seal_text` made it; one without a digest is not."""
    head, line, _ = data.rpartition(_LINE.encode())
    return bool(line) and data == head + line + xxhash.xxh3_64_hexdigest(head).encode() + b"\n"

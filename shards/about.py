"""What a sample's own JSON in the tar says of it, found from the place of its pixels.

One or two kilobytes are read a clip; no other member is looked at.
"""

from __future__ import annotations

import json
import tarfile
from typing import Any

from shards.format import BLOCK, NPY_HEADER, padded

MOST = 1 << 20  # bytes looked through before giving up; a JSON has about 6 a frame


def read_about(view: memoryview, key: str, offset: int, nbytes: int, codec: str) -> dict[str, Any]:
    """Return the JSON of the sample `key` whose pixels are `nbytes` at `offset` of a shard.

    raw    |hdr|cls...|hdr|json.......|hdr|npy header 128|pixels...|      searched backwards
    jpeg   |hdr|cls...|hdr|jpg........|hdr|json.......|                   right behind the pixels
                           ^offset

    Raises:
        ValueError: no such member stands there, or it is no JSON object.
    """
    name = f"{key}.json"
    if codec == "raw":
        place = offset - NPY_HEADER - 2 * BLOCK
        least = max(0, place - MOST)
        while place > least and _header(view, place) is None:
            place -= BLOCK
    else:
        place = offset + padded(nbytes)
    header = _header(view, place)
    if header is None or header.name != name:
        raise ValueError(f"its member {name} is not beside its pixels")
    data = bytes(view[place + BLOCK : place + BLOCK + header.size])
    try:
        about = json.loads(data)
    except ValueError as error:
        raise ValueError(f"its member {name} is no JSON ({error})") from error
    if not isinstance(about, dict):
        raise ValueError(f"its member {name} is no JSON object")
    return about


def _header(view: memoryview, place: int) -> tarfile.TarInfo | None:
    """Return the member whose header block starts at `place`; None where there is no header."""
    if place < 0:
        return None
    try:
        block = bytes(view[place : place + BLOCK])
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None

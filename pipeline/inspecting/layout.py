"""Where pictures stand on a sheet: pure arithmetic, all sizes in pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MOST_FRAMES = 64
COLUMNS = 8
_FEW = 4  # up to so many pictures stand in one row, twice as large


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


class Grid(NamedTuple):
    """Columns, and the size of each picture."""

    columns: int
    picture: Size


def evenly(count: int, most: int) -> list[int]:
    """Return up to `most` places of range(count): first and last among them, one is the middle."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count // 2]
    return np.linspace(0, count - 1, most).round().astype(int).tolist()


def scaled(frame: Size, box: int) -> Size:
    """Return the size at which a frame is drawn in a square box.

    Frames over the box are reduced to fit it; small ones grow by a whole factor, so that each of
    their pixels stays a square.
    """
    longest = max(frame)
    if longest <= box:
        factor = box // longest
        return Size(frame.width * factor, frame.height * factor)
    return Size(*(max(1, round(side * box / longest)) for side in frame))


def grid(count: int, frame: Size, box: int = 192, columns: int = COLUMNS) -> Grid:
    """Return how `count` frames of one clip, or of many clips, are laid out."""
    if count <= _FEW:
        return Grid(max(1, count), scaled(frame, 2 * box))
    return Grid(min(columns, count), scaled(frame, box))

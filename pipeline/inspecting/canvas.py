"""A white sheet with a head, onto which pictures and lines of text are laid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from manifests.lettering import fitting, lettered
from pipeline.inspecting.layout import Size, scaled

MARGIN = 12
TITLE, TEXT, SMALL = 24, 15, 13  # heights of letters, pixels
LEAST_WIDTH = 880
INK, GREY, EDGE = "#1a1a1a", "#666666", "#dddddd"
_LEADING = 6


class Line(NamedTuple):
    """One line of text: cut with an ellipsis where it is too long."""

    text: str
    size: int = TEXT
    colour: str = INK

    @property
    def height(self) -> int:
        """Pixels it takes, the space to the next included."""
        return self.size + _LEADING


class Canvas:
    """A sheet whose head holds `lines`; `top` is where the rest begins."""

    def __init__(self, width: int, body: int, head: Sequence[Line]) -> None:
        width = max(width, LEAST_WIDTH)
        self.top = 2 * MARGIN + sum(line.height for line in head)
        self.picture = Image.new("RGB", (width, self.top + body + MARGIN), "white")
        self._draw = ImageDraw.Draw(self.picture)
        self.write(head, MARGIN, MARGIN, width - 2 * MARGIN)

    def write(self, lines: Sequence[Line], left: int, top: int, room: int) -> None:
        """Write lines below each other, none longer than `room` pixels."""
        for line in lines:
            font, text = lettered(line.text, line.size)
            # The middle: fonts differ in how far their letters reach up and down.
            middle = (left, top + line.height // 2)
            self._draw.text(middle, fitting(text, font, room), line.colour, font, anchor="lm")
            top += line.height

    def lay(self, frame: NDArray[np.uint8], left: int, top: int, box: int) -> None:
        """Lay a frame, uint8 (H, W, 3), scaled into a square box, its corner at left, top.

        A grey line around it shows where a white frame ends.
        """
        height, width, _ = frame.shape
        size = scaled(Size(width, height), box)
        grows = size.width > width
        how = Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS
        image = Image.fromarray(np.ascontiguousarray(frame))
        edge = (left - 1, top - 1, left + size.width, top + size.height)
        self._draw.rectangle(edge, outline=EDGE)
        self.picture.paste(image if size == image.size else image.resize(size, how), (left, top))

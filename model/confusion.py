"""A confusion matrix as a PNG: rows the truth, columns the prediction, each row sums to one.

Drawn with Pillow in well under a second for 600 classes; needs no display.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

MAX_SIDE = 1200
MIN_CELL, MAX_CELL = 2, 64
NUMBERS_FROM = 28  # pixels a cell must have to hold a number
NAMES_FROM = 9  # pixels a cell must have to stand beside a name
MARGIN = 16
# White to dark blue through light blue: readable in print and by the colour-blind.
_STOPS = np.array([[255, 255, 255], [158, 202, 225], [8, 48, 107]], np.float64)


def confusion_png(counts: NDArray[np.int64], labels: Sequence[str], title: str) -> bytes:
    """Return the PNG of counts (classes, classes); a row without clips stays white."""
    classes = len(labels)
    cell = max(MIN_CELL, min(MAX_CELL, MAX_SIDE // max(classes, 1)))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    font = _font(min(15, cell))
    names = [_short(label) for label in labels] if cell >= NAMES_FROM else []
    room = max((round(font.getlength(name)) for name in names), default=0) + 8
    side = classes * cell
    head = _font(18)
    left, top = MARGIN + 22 + room, MARGIN + 34
    width = max(left + side + MARGIN, round(head.getlength(title)) + 2 * MARGIN)
    picture = Image.new("RGB", (width, top + side + room + 22 + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN), title, fill="black", font=head)
    heat = np.repeat(np.repeat(_colours(shares), cell, 0), cell, 1)
    picture.paste(Image.fromarray(heat), (left, top))
    draw.rectangle((left - 1, top - 1, left + side, top + side), outline="#888888")
    _names(picture, names, font, left, top, cell, side)
    _axis_titles(picture, left, top, side, room)
    if cell >= NUMBERS_FROM:
        _numbers(draw, counts, shares, left, top, cell)
    sink = io.BytesIO()
    picture.save(sink, "PNG", optimize=True)
    return sink.getvalue()


def _colours(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    place = np.clip(shares, 0, 1) * (len(_STOPS) - 1)
    low = np.minimum(place.astype(int), len(_STOPS) - 2)
    part = (place - low)[..., None]
    return np.rint(_STOPS[low] * (1 - part) + _STOPS[low + 1] * part).astype(np.uint8)


def _names(
    picture: Image.Image,
    names: Sequence[str],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    left: int,
    top: int,
    cell: int,
    side: int,
) -> None:
    draw = ImageDraw.Draw(picture)
    for number, name in enumerate(names):
        middle = number * cell + cell // 2
        draw.text((left - 6, top + middle), name, fill="black", font=font, anchor="rm")
        _upwards(picture, name, font, left + middle, top + side + 6)


def _upwards(
    picture: Image.Image,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    x: int,
    y: int,
) -> None:
    """Write text that reads upwards and ends at (x, y)."""
    box = font.getbbox(text)
    strip = Image.new("L", (round(box[2]) + 2, round(box[3]) + 2), 0)
    ImageDraw.Draw(strip).text((0, 0), text, fill=255, font=font)
    turned = strip.rotate(90, expand=True)
    picture.paste("black", (x - turned.width // 2, y), mask=turned)


def _axis_titles(picture: Image.Image, left: int, top: int, side: int, room: int) -> None:
    font = _font(14)
    draw = ImageDraw.Draw(picture)
    draw.text(
        (left + side // 2, top + side + room + 4),
        "predicted",
        fill="#555555",
        font=font,
        anchor="ma",
    )
    _upwards(picture, "true", font, MARGIN + 4, top + side // 2 - 14)


def _numbers(
    draw: ImageDraw.ImageDraw,
    counts: NDArray[np.int64],
    shares: NDArray[np.float64],
    left: int,
    top: int,
    cell: int,
) -> None:
    font = _font(max(9, cell // 4))
    for row, column in zip(*np.nonzero(counts), strict=True):
        place = (left + column * cell + cell // 2, top + row * cell + cell // 2)
        colour = "white" if shares[row, column] > 0.6 else "black"
        draw.text(place, str(counts[row, column]), fill=colour, font=font, anchor="mm")


def _short(label: str, most: int = 24) -> str:
    label = " ".join(label.split())  # Pillow places single lines only
    return label if len(label) <= most else label[: most - 1] + "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font: no font of the system is needed."""
    return ImageFont.load_default(size)

"""The picture's size, the colours of its cells, and odd labels."""

import io

import numpy as np
import pytest
from PIL import Image

from model.confusion import MARGIN, confusion_png

WHITE, BLUE = (255, 255, 255), (8, 48, 107)


def drawn(counts: np.ndarray, labels: list[str], title: str = "title") -> Image.Image:
    picture = Image.open(io.BytesIO(confusion_png(counts, labels, title)))
    picture.load()
    assert picture.mode == "RGB"
    return picture


def corner(picture: Image.Image) -> tuple[int, int]:
    """The first pixel inside the grey frame, found by its outline."""
    pixels = np.asarray(picture)
    frame = (pixels == 0x88).all(2)
    rows = np.flatnonzero(frame.sum(1) > picture.width // 4)
    columns = np.flatnonzero(frame.sum(0) > picture.height // 4)
    return int(columns[0]) + 1, int(rows[0]) + 1


def test_cells_are_white_to_dark_blue():
    counts = np.array([[4, 0, 0], [2, 2, 0], [0, 0, 0]])
    picture = drawn(counts, ["a", "b", "c"])
    left, top = corner(picture)
    at = {
        (r, c): picture.getpixel((left + 64 * c + 3, top + 64 * r + 3))
        for r in range(3)
        for c in range(3)
    }
    assert at[0, 0] == BLUE
    assert at[1, 0] == at[1, 1] == (158, 202, 225)
    assert {at[0, 1], at[0, 2], at[1, 2], at[2, 0], at[2, 1], at[2, 2]} == {WHITE}
    middle = np.asarray(picture.crop((left + 16, top + 16, left + 48, top + 48)))
    assert (middle == 255).all(2).any(), "a white number stands on the dark cell"


@pytest.mark.parametrize(("classes", "cell"), [(1, 64), (3, 64), (101, 11), (600, 2), (1300, 2)])
def test_the_size_follows_the_number_of_classes(classes, cell):
    picture = drawn(np.eye(classes, dtype=np.int64), [f"class {n}" for n in range(classes)], "t")
    side = classes * cell
    assert side + 2 * MARGIN < picture.height < side + 420
    left, top = corner(picture)
    for number in {0, classes // 2, classes - 1}:
        assert picture.getpixel((left + number * cell, top + number * cell)) == BLUE
    if classes > 1:
        assert picture.getpixel((left + side - 1, top)) == WHITE


def test_odd_labels_and_a_long_title():
    labels = ["a\nb", "", "x" * 300, "日本語", "🏃", "[red]", "tab\tand more"]
    picture = drawn(np.ones((7, 7), np.int64), labels, "long " * 60)
    assert picture.width > 1000

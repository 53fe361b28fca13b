"""Pictures lie where they should, at whole factors; text stays in its room."""

import numpy as np
import pytest

from pipeline.inspecting.canvas import LEAST_WIDTH, MARGIN, Canvas, Line


def pixels(canvas: Canvas) -> np.ndarray:
    return np.asarray(canvas.picture)


def test_a_small_frame_grows_pixel_by_pixel():
    frame = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    canvas = Canvas(100, 100, [])
    canvas.lay(frame, 20, canvas.top + 3, 60)
    found = pixels(canvas)[canvas.top + 3 : canvas.top + 43, 20:80]
    assert (found == frame.repeat(10, 0).repeat(10, 1)).all()
    around = pixels(canvas)[canvas.top + 2 : canvas.top + 44, 19:81]
    assert (around[[0, -1]] == 0xDD).all(), "a grey line around it"
    assert (around[:, [0, -1]] == 0xDD).all()


def test_a_frame_of_its_own_size_is_untouched_and_a_large_one_shrinks():
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    canvas = Canvas(300, 100, [])
    canvas.lay(frame, 10, canvas.top, 60)
    assert (pixels(canvas)[canvas.top : canvas.top + 40, 10:70] == frame).all()
    canvas.lay(np.full((400, 200, 3), 7, np.uint8), 100, canvas.top, 60)
    assert (pixels(canvas)[canvas.top : canvas.top + 60, 100:130] == 7).all()
    assert (pixels(canvas)[canvas.top + 1 : canvas.top + 60, 131:200] == 255).all()


@pytest.mark.parametrize("text", ["word " * 400, "W" * 3000, "日本語" * 500, "", "\n\n"])
def test_long_text_stays_in_its_room(text):
    canvas = Canvas(10, 50, [Line(text), Line(text, 24)])
    assert canvas.picture.width == LEAST_WIDTH
    ink = (pixels(canvas) < 200).all(axis=2)
    assert not ink[:, LEAST_WIDTH - MARGIN + 2 :].any()
    assert not ink[:, : MARGIN - 2].any()
    assert not ink[canvas.top :].any()
    assert ink.any() == bool(text.strip())


def test_lines_stand_below_each_other():
    canvas = Canvas(10, 100, [])
    canvas.write([Line("one"), Line("two", colour="#ff0000")], 300, canvas.top, 100)
    rows = np.flatnonzero((pixels(canvas)[:, :, 2] < 128).any(axis=1))
    red = (
        np.flatnonzero((pixels(canvas)[:, :, 0] > 200) & (pixels(canvas)[:, :, 1] < 100))
        // LEAST_WIDTH
    )
    assert rows.min() < red.min()
    assert canvas.top + 15 <= red.min() < red.max() <= canvas.top + 42

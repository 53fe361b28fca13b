"""Sheets of sensible size for any number and any shape of frames."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipeline.inspecting.layout import Grid, Size, evenly, grid, scaled

SIDES = st.integers(8, 2048)


@given(st.integers(1, 2000), st.integers(1, 100))
def test_evenly_goes_from_first_to_last_in_equal_steps(count, most):
    places = evenly(count, most)
    assert len(places) == min(count, most)
    assert places == sorted(set(places))
    assert places[0] >= 0
    assert places[-1] < count
    if len(places) > 1:
        assert (places[0], places[-1]) == (0, count - 1)
        steps = [after - before for before, after in itertools.pairwise(places)]
        assert max(steps) - min(steps) <= 1


def test_evenly_in_numbers():
    assert evenly(3, 5) == [0, 1, 2]
    assert evenly(9, 3) == [0, 4, 8]
    assert evenly(9, 1) == [4]


@given(SIDES, SIDES, st.sampled_from([160, 192, 384]))
def test_a_picture_fills_its_box_as_far_as_whole_factors_let_it(width, height, box):
    size = scaled(Size(width, height), box)
    assert min(size) >= 1
    assert box / 2 < max(size) <= box
    if max(width, height) <= box:
        assert size.width % width == size.height % height == 0
    assert abs(size.width * height - size.height * width) <= max(width, height)


def test_scaled_in_numbers():
    assert scaled(Size(16, 16), 192) == (192, 192)
    assert scaled(Size(171, 128), 192) == (171, 128)
    assert scaled(Size(1920, 1080), 192) == (192, 108)
    assert scaled(Size(2048, 8), 192) == (192, 1)


@given(st.integers(1, 300), SIDES, SIDES)
def test_a_sheet_stays_in_bounds(count, width, height):
    shown = len(evenly(count, 64))
    columns, picture = grid(shown, Size(width, height))
    rows = -(-shown // columns)
    assert 1 <= columns <= 8
    assert columns * (picture.width + 8) <= 1600
    assert rows * (picture.height + 40) <= 1900


def test_few_pictures_are_large():
    assert grid(1, Size(1920, 1080)) == Grid(1, Size(384, 216))
    assert grid(4, Size(1920, 1080)) == Grid(4, Size(384, 216))
    assert grid(5, Size(1920, 1080)) == Grid(5, Size(192, 108))
    assert grid(64, Size(128, 128)) == Grid(8, Size(128, 128))

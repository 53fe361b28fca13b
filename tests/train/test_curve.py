"""The curve of a run's loss: few points, spread evenly, kept over a resumption."""

import itertools

import pytest

from train.curve import Curve


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 1000, 4321])
def test_points_stay_few_and_even(count):
    curve = Curve(10)
    for number in range(count):
        curve.add(number * 8, float(number))
    places = [clips // 8 for clips, _ in curve.points]
    assert len(places) < 10
    assert places == [int(loss) for _, loss in curve.points]
    assert len({after - before for before, after in itertools.pairwise(places)}) <= 1
    if count:
        assert places[0] == 0
        assert places[-1] >= count * 0.6 or count < 3
        assert curve.last == ((count - 1) * 8, count - 1)


@pytest.mark.parametrize("stop", [0, 5, 37])
def test_a_resumed_curve_is_the_undisturbed_one(stop):
    whole, first, second = Curve(10), Curve(10), Curve(10)
    for number in range(60):
        whole.add(number, number / 3)
        if number < stop:
            first.add(number, number / 3)
    second.load_state_dict(first.state_dict())
    for number in range(stop, 60):
        second.add(number, number / 3)
    assert second.points == whole.points

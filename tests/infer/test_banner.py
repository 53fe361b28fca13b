"""The banner's size, its bars, and names that are odd."""

import numpy as np
import pytest

from infer.banner import banner


def drawn(width: int, best: list[tuple[str, float]]) -> np.ndarray:
    data, height = banner(width, best)
    assert len(data) == width * height * 4
    assert height % 2 == 0
    return np.frombuffer(data, np.uint8).reshape(height, width, 4)


def test_bars_are_as_long_as_probabilities():
    picture = drawn(640, [("a", 1.0), ("b", 0.5), ("c", 0.0), ("d", 0.0)])
    green = (picture[..., 1] == 125) & (picture[..., 0] == 46)
    lengths = [int(run.max() - run.min() + 1) for row in green if len(run := np.flatnonzero(row))]
    assert max(lengths) == pytest.approx(624, abs=2)
    assert min(lengths) == pytest.approx(312, abs=2)
    assert (picture[0] == (0, 0, 0, 150)).all(), "see-through black behind"


def test_at_most_three_lines():
    one, three, four = (drawn(480, [("a", 0.1)] * count).shape[0] for count in (1, 3, 4))
    assert one < three == four


@pytest.mark.parametrize("width", [2, 16, 32, 4096])
def test_any_width_and_any_name(width):
    assert drawn(width, [("日本語 🏃 [b]\n", 0.333), ("", 1.0)]).shape[1] == width

"""The banner's size, its bars, and names that are too long or too odd."""

import numpy as np
import pytest
from PIL import ImageFont

from infer.banner import _fitting, banner


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


def test_a_long_name_is_cut_and_a_short_one_is_not():
    font = ImageFont.load_default(18)
    long = "brushing teeth while standing on one leg in the kitchen of an old house"
    cut = _fitting(long, font, 200)
    assert cut.endswith("…")
    assert long.startswith(cut[:-1])
    assert font.getlength(cut) <= 200 < font.getlength(long)
    assert _fitting("run", font, 200) == "run"
    assert _fitting("two\nlines\tof it", font, 999) == "two lines of it"
    assert _fitting("run", font, -5) == "…"


@pytest.mark.parametrize("width", [2, 16, 32, 4096])
def test_any_width_and_any_name(width):
    assert drawn(width, [("日本語 🏃 [b]\n", 0.333), ("", 1.0)]).shape[1] == width

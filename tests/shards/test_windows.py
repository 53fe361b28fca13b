"""Windows: inside their clip, the middle one without training, the same for a clip anywhere."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from manifests.spec import ClipSpec, Window
from shards.windows import RANDOM, Windows

SPEC = ClipSpec(frames=6, height=20, width=30)
KEYS = np.arange(50, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


@given(st.integers(1, 6), st.integers(1, 20), st.integers(1, 30), st.integers(0, 9), st.booleans())
def test_windows_lie_inside_their_clip(
    frames: int, height: int, width: int, epoch: int, train: bool
) -> None:
    windows = Windows(SPEC, Window(frames, height, width), 3, train)
    corners, random = windows.draw(KEYS, epoch)
    assert corners.shape == (50, 3) and random.shape == (50, RANDOM)
    assert random.dtype == np.float32 and random.min() >= 0 and random.max() < 1
    clip = np.zeros(SPEC.shape, np.uint8)
    for corner in corners.tolist():
        assert windows.cut(clip, corner).shape == (frames, height, width, 3)
    alone = [windows.draw(KEYS[place : place + 1], epoch) for place in range(50)]
    assert np.array_equal(np.concatenate([one for one, _ in alone]), corners)
    assert np.array_equal(np.concatenate([numbers for _, numbers in alone]), random)


def test_training_reaches_every_place_and_evaluation_the_middle() -> None:
    window = Window(4, 18, 29)
    corners, _ = Windows(SPEC, window, 0, True).draw(KEYS, 0)
    more = [Windows(SPEC, window, 0, True).draw(KEYS, epoch)[0] for epoch in range(20)]
    assert {tuple(one) for one in np.concatenate(more).tolist()} == {
        (time, top, left) for time in range(3) for top in range(3) for left in range(2)
    }
    middle, _ = Windows(SPEC, window, 0, False).draw(KEYS, 0)
    assert {tuple(one) for one in middle.tolist()} == {(1, 1, 1)}
    assert not np.array_equal(corners, more[1])

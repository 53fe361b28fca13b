"""Pictures for trackers: names are never cut."""

import numpy as np

from train.trackers.pictures import GAP, pixels, worst
from train.worst import Wrong

FRAMES = np.zeros((2, 16, 16, 3), np.uint8)


def test_a_long_name_is_drawn_to_its_end():
    labels = ["a label of many words", "another label of many words"]
    names = [f"v_{'BabyCrawling' * 3}_g02_c05-{end}" for end in ("b" * 8, "b" * 7)]
    whole, shorter = (pixels(worst([Wrong(name, FRAMES, 0, 1, 0.5)], labels)) for name in names)
    assert whole.shape[1] > shorter.shape[1] > 480
    assert (whole[:, -GAP + 1 :] == 255).all()
    assert (whole[:, -3 * GAP :] < 255).any(), "the last letter stands at the end"

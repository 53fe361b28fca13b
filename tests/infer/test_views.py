import numpy as np
import pytest

from infer.views import positions
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window

SPEC = ClipSpec(frames=32, height=128, width=171, fit="stretch")
WINDOW = Window(16, 112, 112)


def test_one_view_is_the_middle_as_evaluation_takes_it():
    [(time, rows, columns)] = positions(ClipSpec(frames=32), Window(16, 113, 128), 1, 1)
    assert (time, rows, columns) == (slice(8, 24), slice(8, 121), slice(0, 128))


def test_windows_go_from_the_first_frame_to_the_last():
    found = positions(SPEC, WINDOW, 5, 1)
    assert [time.start for time, _, _ in found] == [0, 4, 8, 12, 16]
    assert {(rows.start, columns.start) for _, rows, columns in found} == {(8, 30)}


def test_three_crops_are_the_ends_and_the_middle_of_the_longer_side():
    wide = positions(SPEC, WINDOW, 2, 3)
    assert [(time.start, columns.start) for time, _, columns in wide] == [
        *((0, 0), (0, 30), (0, 59)),
        *((16, 0), (16, 30), (16, 59)),
    ]
    tall = positions(ClipSpec(frames=32, height=171, width=128), WINDOW, 1, 3)
    assert [rows.start for _, rows, _ in tall] == [0, 30, 59]


def test_every_view_has_the_window_s_shape():
    pixels = np.zeros(SPEC.shape)
    for view in positions(SPEC, WINDOW, 17, 3):
        assert pixels[view].shape == (*WINDOW, 3)


@pytest.mark.parametrize(("clips", "crops"), [(18, 1), (0, 1), (1, 2), (1, 0)])
def test_impossible_views_are_refused(clips, crops):
    with pytest.raises(ClipmillError, match=r"--clips|--crops"):
        positions(SPEC, WINDOW, clips, crops)

"""Each sheet shows the frames it should, in their places, for odd sizes and counts too."""

import numpy as np
import pytest

from manifests.spec import ClipSpec
from pipeline.inspecting.layout import evenly
from pipeline.inspecting.sheet import class_sheet, clip_sheet, random_sheet
from pipeline.inspecting.stored import Shelf, Stored


@pytest.fixture
def clips(tmp_path, packed_with):
    def make(spec: ClipSpec, count: int = 1) -> list[tuple[Stored, str]]:
        names = [(f"c{number:02d}", f"label {number}", "train") for number in range(count)]
        dataset = packed_with(tmp_path, spec, names)
        shelf = Shelf(dataset)
        return [(shelf.take(row), "train") for row in dataset.parts("samples").to_pylist()]

    return make


def greys(sheet, size: int) -> list[int]:
    """The grey values of square pictures of `size` pixels, in reading order."""
    data = np.asarray(sheet)[:, :, 1]
    edges = np.flatnonzero((data == 0xDD).sum(axis=1) >= size)
    found = []
    for top in edges:
        starts = np.flatnonzero(data[top] == 0xDD)
        for left in starts[np.diff(starts, prepend=-9) > 1]:
            block = data[top + 1 : top + 1 + size, left + 1 : left + 1 + size]
            if block.shape == (size, size) and (block == block[0, 0]).all() and block[0, 0] != 255:
                found.append(int(block[0, 0]))
    return found


def test_a_clip_shows_all_its_frames_in_order(clips):
    [(clip, splits)] = clips(ClipSpec(frames=20, height=16, width=16))
    sheet = clip_sheet(clip, splits)
    assert greys(sheet, 192) == list(range(20))
    assert sheet.size == (1616, pytest.approx(750, abs=100))


def test_a_long_clip_shows_64_frames_evenly_chosen(clips):
    [(clip, splits)] = clips(ClipSpec(frames=200, height=24, width=24))
    assert greys(clip_sheet(clip, splits), 192) == evenly(200, 64)


def test_a_class_shows_first_and_last_frame_of_each_clip(clips):
    found = clips(ClipSpec(frames=26, height=16, width=16), 3)
    assert greys(class_sheet("run", "notes", found), 160) == [0, 5, 10, 15, 20, 25] * 3


def test_a_random_page_shows_each_clips_middle_frame(clips):
    found = clips(ClipSpec(frames=9, height=16, width=16), 11)
    assert greys(random_sheet("11 clips", "notes", found), 192) == [4] * 11


@pytest.mark.parametrize(
    ("frames", "height", "width", "codec"),
    [
        (1, 1080, 1920, "raw"),
        (300, 16, 16, "raw"),
        (2, 2048, 8, "raw"),
        (9, 8, 2048, "jpeg"),
        (1024, 8, 8, "raw"),
    ],
)
def test_every_sheet_has_a_sensible_size(clips, frames, height, width, codec):
    found = clips(ClipSpec(frames=frames, height=height, width=width, codec=codec), 2)
    for sheet in (
        clip_sheet(*found[0]),
        class_sheet("a class", "notes", found),
        random_sheet("a page", "notes", found),
    ):
        assert 800 <= sheet.width <= 1700
        assert 100 <= sheet.height <= 2200

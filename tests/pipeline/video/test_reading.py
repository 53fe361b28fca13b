"""What the scan has read is not read again, and changes nothing of what comes out."""

import os

import numpy as np
import pytest

from manifests.spec import ClipSpec
from pipeline.video import probe
from pipeline.video.job import Order, perform
from pipeline.video.probe import scan
from pipeline.video.reading import reading

PIXELS = 1 << 20
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", 10, "-bf", 3)
KINDS = {"a.mp4": X264, "a.mkv": X264, "a.avi": ("-c:v", "mpeg4"), "a.ts": X264}


def through(fd, found, first=0):
    """Return the pixels of all frames that come from the packet `first` on."""
    frames = []
    with reading(fd, found, PIXELS) as source:
        for index, packet in source.packets(first):
            frames += source.decode(index, packet)[0]
        frames += source.rest()[0]
        return [frame.to_ndarray().copy() for frame in frames]


@pytest.mark.parametrize("name", KINDS)
def test_the_first_way_through_goes_on_where_the_scan_stopped(numbered, name):
    video = numbered(name, 60, *KINDS[name])
    with video.open("rb") as file:
        found = scan(file.fileno(), PIXELS)
        assert len(found.kept) == 1
        kept = through(file.fileno(), found)
        assert not found.kept
        anew = through(file.fileno(), found)
    assert len(kept) == len(anew) == 60
    assert np.array_equal(np.stack(kept), np.stack(anew))


def test_what_was_decoded_in_front_of_a_start_is_forgotten(numbered, numbers):
    video = numbered("a.mp4", 60, *X264[:-1], 0)
    with video.open("rb") as file:
        found = scan(file.fileno(), PIXELS)
        first = found.starts[3]
        planes = through(file.fileno(), found, first)
    came = numbers(np.stack([plane[:128, :, None] for plane in planes]))
    assert came == list(range(first, 60)) and first > 5


@pytest.mark.parametrize("name", KINDS)
def test_a_file_too_large_to_be_kept_gives_the_same_pixels(numbered, monkeypatch, name):
    video = numbered(name, 60, *KINDS[name])
    order = Order(ClipSpec(frames=8, rate=3), None, None, "pyav", PIXELS)
    results = []
    for kept in (1 << 20, 0):
        monkeypatch.setattr(probe, "KEPT_BYTES", kept)
        with video.open("rb") as file:
            assert bool(scan(file.fileno(), PIXELS).kept) == bool(kept)
            pixels = np.zeros(order.spec.shape, np.uint8)
            perform(file.fileno(), order, pixels)
        results.append(pixels)
    assert np.array_equal(*results)


def test_nothing_stays_open(numbered):
    video = numbered("a.mp4", 30, *X264)
    order = Order(ClipSpec(frames=8, rate=3), None, None, "pyav", PIXELS)
    with video.open("rb") as file:
        pixels = np.zeros(order.spec.shape, np.uint8)
        perform(file.fileno(), order, pixels)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            perform(file.fileno(), order, pixels)
            scan(file.fileno(), PIXELS).close()
        assert len(os.listdir("/proc/self/fd")) <= before  # others may close theirs

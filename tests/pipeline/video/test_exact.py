"""What leaving out saves changes no pixel: every real video against plain decoding of all of it."""

import av
import av.error
import numpy as np
import pytest
from av.codec.context import Flags
from av.stream import Disposition

from manifests.spec import ClipSpec
from pipeline.video.converter import Converter
from pipeline.video.errors import VideoError
from pipeline.video.graph import chain
from pipeline.video.job import Order, perform
from pipeline.video.probe import scan

PIXELS = 8192 * 4352
SPECS = [
    ClipSpec(height=32, width=32),
    ClipSpec(frames=16, sampling="uniform", rate=1, height=32, width=32),
    ClipSpec(frames=16, sampling="fps", rate=5, height=32, width=32),
]
VIEWS = 2
SPANS = ((None, None), (0.3, 0.4), (0.6, 0.9))


def everything(path, orientation, wanted):
    """Decode the whole file in the plainest way; return how many frames came, and the wanted."""
    convert, pictures, number = Converter(chain(orientation, SPECS[0])), {}, -1
    with av.open(str(path), metadata_errors="ignore") as container:
        every = container.streams.video
        stream = next(one for one in every if not one.disposition & Disposition.attached_pic)
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= int(Flags.bitexact)
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                pictures[number] = convert(frame)
    return number + 1, pictures


def _indices(result):
    return [at for view in result.selections for at in view.indices.tolist()]


def check(path):
    """Compare every sampling of every span; return how many clips were compared."""
    clips = []
    with path.open("rb") as file:
        found = scan(file.fileno(), PIXELS)
        found.close()
        length = found.probe.duration_s
        for spec in SPECS:
            for start, end in SPANS:
                span = (None, None) if start is None else (start * length, end * length)
                pixels = np.zeros((VIEWS, *spec.shape), np.uint8)
                order = Order(spec, *span, "pyav", PIXELS, VIEWS)
                try:
                    result = perform(file.fileno(), order, pixels)
                except VideoError:
                    continue
                clips.append((result, pixels))
    wanted = {int(at) for result, _ in clips for at in _indices(result)}
    try:
        came, pictures = everything(path, found.orientation, wanted)
    except av.error.InvalidDataError:
        return 0
    if came != found.probe.packets:
        return 0  # damage: what then comes is tested elsewhere
    for result, pixels in clips:
        assert result.errors == 0
        for picture, at in zip(pixels.reshape(-1, 32, 32, 3), _indices(result), strict=True):
            assert np.array_equal(picture, pictures[at]), (path.name, at)
    return len(clips)


@pytest.mark.slow
@pytest.mark.shared
def test_every_shared_video(shared):
    compared = {}
    for path in sorted((shared / "data/videos").rglob("*")):
        if path.is_file():
            try:
                compared[path.name] = check(path)
            except VideoError:
                compared[path.name] = None  # no video at all
    assert sum(count is not None for count in compared.values()) >= 24
    assert [name for name, count in compared.items() if count == 0] == ["corrupted.mp4"]


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("share", range(2))
def test_every_ucf101_clip(shared, share):
    paths = sorted((shared / "data/ucf101_3class").rglob("*.avi"))[share::2]
    assert len(paths) > 80
    for path in paths:
        assert check(path) >= 6, path.name

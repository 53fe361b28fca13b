"""What came over a network counts only when it is whole and holds its clips."""

import subprocess

import imageio_ffmpeg
import pytest

from manifests.reasons import Reason
from pipeline.fetch.check import require_span, require_whole
from pipeline.fetch.source import Want
from pipeline.video.decoder import Decoder, Limits
from pipeline.video.errors import VideoError


@pytest.fixture(scope="module")
def look():
    """Probe a file of these bytes and check that it is whole."""
    with Decoder(limits=Limits()) as decoder:

        def check(data, path):
            path.write_bytes(data)
            probe = decoder.probe(path)
            require_whole(probe)
            return probe

        yield check


@pytest.fixture(scope="module")
def copied(make_video, tmp_path_factory):
    """The same video of a second in another container, index first where it has one."""

    def make(extension, *more, frames=25):
        path = tmp_path_factory.mktemp("copied") / f"v{extension}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i"]
        command += [str(make_video("check.mp4", size="160x120", frames=frames)), *more, str(path)]
        subprocess.run(command, check=True)
        return path.read_bytes()

    return make


def test_an_mp4_cut_anywhere_in_its_pictures_is_not_whole(look, copied, tmp_path):
    data = copied(".mp4", "-c", "copy", "-movflags", "faststart")
    assert look(data, tmp_path / "whole.mp4").missing_packets == 0
    begin = data.index(b"mdat") + 4
    # Cuts between two packets and inside of them, the very last byte among them.
    for at in sorted({*range(begin, len(data), 1013), len(data) - 1}):
        with pytest.raises(VideoError):
            look(data[:at], tmp_path / "cut.mp4")


@pytest.mark.parametrize(
    ("extension", "codec"), [(".mkv", "libx264"), (".avi", "mpeg4"), (".webm", "libvpx")]
)
def test_others_cut_inside_a_picture_are_not_whole(look, copied, tmp_path, extension, codec):
    data = copied(extension, "-c:v", codec, frames=75)
    assert look(data, tmp_path / f"whole{extension}").missing_packets == 0
    caught = 0
    cuts = [len(data) * tenth // 10 for tenth in range(3, 9)]
    for at in cuts:
        try:
            look(data[:at], tmp_path / f"cut{extension}")
        except VideoError as error:
            caught += error.reason in (Reason.CORRUPT, Reason.UNREADABLE, Reason.NO_FRAMES)
    assert caught == len(cuts)


def test_too_little_of_a_clip_is_short(look, copied, tmp_path):
    probe = look(copied(".mp4", "-c", "copy"), tmp_path / "one.mp4")  # one second

    def want(start, end):
        return Want("a", 1, "youtube:x", "x", start, end)

    require_span(probe, [want(0.0, 1.0), want(None, None), want(0.4, 1.5)], 0.0)
    require_span(probe, [want(10.0, 11.0)], 10.0)
    for start, end, file_start in ((0.0, 3.0, 0.0), (5.0, 6.0, 0.0), (0.0, 1.0, -0.6)):
        with pytest.raises(VideoError) as found:
            require_span(probe, [want(start, end)], file_start)
        assert found.value.reason is Reason.SHORT

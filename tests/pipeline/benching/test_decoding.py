"""`clipmill bench decode` on real videos: every way gives the clip, and the report adds up."""

import dataclasses
import json
import subprocess

import av
import imageio_ffmpeg
import numpy as np
import pytest

from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.benching import decoding
from pipeline.benching.likeness import SAME, Likeness, liken, reference
from pipeline.benching.ways import MINE, REFERENCE, WAYS, YARDSTICK

SPEC = ClipSpec(frames=8, sampling="uniform", rate=1, height=48, width=48)
EXACT = [MINE, "clipmill, ffmpeg", REFERENCE, "ffmpeg-python"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Two videos, B-frames in one of them, and a file that is none."""
    folder = tmp_path_factory.mktemp("bench")
    for name, more in (("a.mp4", ["-c:v", "libx264", "-bf", "3"]), ("b.avi", ["-c:v", "mpeg4"])):
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i"]
        command += ["testsrc2=s=160x120:r=25:d=2", "-pix_fmt", "yuv420p", *more, folder / name]
        subprocess.run(command, check=True)
    (folder / "c.mp4").write_bytes(b"no video")
    return folder


@pytest.mark.parametrize("way", [name for name in WAYS if name != YARDSTICK])
@pytest.mark.parametrize("name", ["a.mp4", "b.avi"])
def test_each_way_gives_the_clip(videos, way, name):
    module = WAYS[way][1]
    if not decoding.importable(module):
        pytest.skip(f"{module} does not load here")
    found = {way: Likeness()}
    liken(videos / name, SPEC, found)
    assert not found[way].failure and found[way].clips == 1
    if way in EXACT:
        assert str(found[way]) == SAME
    else:
        # Other scalers and other colours, but the same frames in the same places.
        assert found[way].worst < 255**2 / 10**2


@pytest.fixture
def odd(tmp_path):
    """A maker of a video by ffmpeg's options."""

    def make(name, *options):
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i"]
        subprocess.run([*command, *options, tmp_path / name], check=True)
        return tmp_path / name

    return make


def test_frames_are_those_of_the_videos_own_rate(odd):
    path = odd("fast.mkv", "mandelbrot=s=96x64:r=60,format=yuv420p", "-t", "2")
    ways = [way for way, (_, module) in WAYS.items() if decoding.importable(module)]
    found = {way: Likeness() for way in ways if way != YARDSTICK}
    liken(path, dataclasses.replace(SPEC, sampling="fps", rate=10), found)
    for way, one in found.items():
        assert one.worst < (1 if way in EXACT else 255**2 / 10**2), way


def test_what_no_way_can_be_held_against_is_left_out(odd, tmp_path, cli):
    sound = odd("sound.mp4", "sine=d=1", "-c:a", "aac")
    whole = odd("whole.mp4", "testsrc2=s=96x64:r=25:d=1", "-c:v", "mpeg4")
    with av.open(str(whole)) as container:
        second = list(container.demux(video=0))[1]
        assert second.pos
    damaged = tmp_path / "damaged.mp4"  # a packet that gives no frame, and no error either
    content = bytearray(whole.read_bytes())
    content[second.pos : second.pos + second.size] = bytes(second.size)
    damaged.write_bytes(content)
    turned = tmp_path / "turned.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-display_rotation", "90"]
    subprocess.run([*command, "-i", whole, "-c", "copy", turned], check=True)
    assert reference(whole, SPEC) is not None
    for path in (sound, damaged, turned):
        assert reference(path, SPEC) is None, path.name
    done = cli("bench", "decode", "--videos", tmp_path, "--rounds", 1, "--jobs", 1, "--views", 3)
    assert done.returncode == 0 and "3 videos left out" in done.stderr + done.stdout
    assert "measured with one view" in done.stderr + done.stdout


def test_wrong_pixels_are_told(videos):
    wanted = reference(videos / "a.mp4", SPEC)
    found = Likeness()
    found.add(wanted, wanted)
    assert str(found) == SAME
    found.add(np.roll(wanted, 1, axis=0), wanted)
    assert str(found).startswith("1 of 2 identical, worst ")


def test_the_report(videos, cli):
    options = ("--frames", 8, "--sampling", "uniform", "--size", 48, "--rounds", 2, "--jobs", 2)
    done = cli("bench", "decode", "--videos", videos, *options, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert (report["clips"], report["left_out"], report["workers"]) == (2, 1, 2)
    assert report["ways"].keys() | report["missing"].keys() == set(WAYS)
    for name in EXACT:
        assert report["ways"][name]["pixels"] == SAME
    assert report["ways"][YARDSTICK]["to_decoding_only"] == 1
    assert report["ways"][MINE]["clipmill_to_it"] == 1
    assert all(way["clips_per_s_and_worker"] > 0 for way in report["ways"].values())


def test_a_folder_without_videos(tmp_path):
    (tmp_path / "a.txt").write_text("no video")
    with pytest.raises(ClipmillError, match="holds no video"):
        decoding.found(tmp_path, 8)


def test_videos_are_spread_over_the_folder(tmp_path):
    for number in range(10):
        (tmp_path / f"{number}.mp4").touch()
    names = [path.name for path in decoding.found(tmp_path, 3)]
    assert names == ["0.mp4", "3.mp4", "6.mp4"]

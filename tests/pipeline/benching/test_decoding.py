"""`clipmill bench decode` on real videos: every way gives the clip, and the report adds up."""

import json
import subprocess

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

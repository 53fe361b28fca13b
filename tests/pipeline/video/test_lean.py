"""Decoding only what is needed gives the pixels of decoding everything, or says that it cannot."""

import contextlib
import dataclasses
import os
import re
import subprocess

import av
import imageio_ffmpeg
import numpy as np
import pytest

from manifests.spec import ClipSpec
from pipeline.video import lean, pyav_backend
from pipeline.video.errors import VideoError
from pipeline.video.frames import select
from pipeline.video.graph import chain
from pipeline.video.keyframes import referred
from pipeline.video.probe import scan
from pipeline.video.task import Task

PIXELS = 8192 * 4352
SPECS = [
    ClipSpec(height=32, width=32),
    ClipSpec(frames=8, sampling="uniform", rate=1, height=32, width=32),
    ClipSpec(frames=8, sampling="fps", rate=5, height=32, width=32),
]
# Key frames 12 apart, so that much can be left out in front; B-frames, so that more can within.
MADE = {
    "closed.mp4": "-c:v libx264 -g 12 -bf 3 -x264-params open-gop=0",
    "open.mp4": "-c:v libx264 -g 12 -bf 3 -x264-params open-gop=1",
    "refresh.mp4": "-c:v libx264 -g 12 -bf 0 -x264-params intra-refresh=1",
    "open.mkv": "-c:v libx264 -g 12 -bf 3 -x264-params open-gop=1",
    "pyramid.mkv": "-c:v libx264 -g 24 -bf 7 -x264-params b-pyramid=normal:open-gop=0",
    "hevc.mp4": "-c:v libx265 -g 12 -bf 3 -x265-params log-level=none",
    "vp8.webm": "-c:v libvpx -g 12 -auto-alt-ref 1 -lag-in-frames 12",
    "vp9.webm": "-c:v libvpx-vp9 -g 12 -auto-alt-ref 1 -lag-in-frames 12 -cpu-used 8",
    "mpeg4.mp4": "-c:v mpeg4 -g 12 -bf 2",
    "forward.mp4": "-c:v mpeg4 -g 12 -bf 0",
    "h264.avi": "-c:v libx264 -g 12 -bf 0",
}
SAVING = {"closed.mp4", "open.mp4", "open.mkv", "pyramid.mkv", "hevc.mp4"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Videos of four seconds in which every frame differs."""
    folder = tmp_path_factory.mktemp("lean")

    def make(name):
        path = folder / name
        if not path.exists():
            source = "mandelbrot=s=96x64:r=25:end_pts=100,format=yuv420p"
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-f", "lavfi"]
            command += ["-i", source, "-t", "4", *MADE[name].split(), "-threads", "1", str(path)]
            subprocess.run(command, check=True)
        return path

    return make


def both(path, spec, start, end):
    """Decode leanly and in full; return (run, frames by ordinal) of each, None where no plan is."""
    fd = os.open(path, os.O_RDONLY)
    try:
        found = scan(fd, PIXELS)
        length = found.probe.duration_s
        chosen = select(found.probe.times, spec, start * length, end * length)
        task = Task(
            scan=found,
            wanted=frozenset(chosen.indices.tolist()),
            last_packet=found.last_packet(int(chosen.indices.max())),
            steps=chain(found.orientation, spec),
            shape=spec.shape[1:],
            max_pixels=PIXELS,
        )
        results = []
        for way in (lean.run, pyav_backend.run):
            frames = {}
            run = way(fd, task, lambda at, picture, frames=frames: frames.update({at: picture}))
            results.append((run, frames))
        return (lean.serves(found), *results, found.frames_until(task.last_packet))
    finally:
        os.close(fd)


def check(path, spec, start, end):
    """Compare; return how many frames each decoded, or None where full decoding is called for."""
    serves, (run, frames), (whole, pictures), expected = both(path, spec, start, end)
    if not serves or run.errors:
        return None
    assert (whole.errors, whole.frames) == (0, expected)
    assert frames.keys() == pictures.keys()
    assert all(np.array_equal(frames[at], pictures[at]) for at in frames), (path.name, spec)
    return run.frames, whole.frames


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.sampling)
def test_the_same_pixels(made, name, spec):
    counts = [check(made(name), spec, *span) for span in ((0, 1), (0.5, 0.9), (0.8, 0.95))]
    if name == "h264.avi":
        assert counts == [None] * 3  # its times are not its frames'
        return
    assert None not in counts
    if name in SAVING:
        assert all(few < all_ for few, all_ in counts)


def test_it_begins_at_the_last_key_frame_that_reaches_all(made):
    spec = dataclasses.replace(SPECS[1], frames=2)
    few, everything = check(made("closed.mp4"), spec, 0.9, 0.95)
    assert few <= 12 < 80 < everything


@pytest.mark.parametrize("name", ["forward.mp4", "hevc.mp4", "vp9.webm", "closed.mp4", "vp8.webm"])
def test_a_container_that_calls_every_packet_key_is_not_believed(made, name, tmp_path):
    """MPEG-4's decoder begins at any picture and paints the rest grey, without an error."""
    whole, path = made(name), tmp_path / name
    content = whole.read_bytes()
    if path.suffix == ".mp4":
        assert content.count(b"stss") == 1
        content = content.replace(b"stss", b"free")
    else:  # the flags of each SimpleBlock of track 1
        block = rb"\xa3(?:[\x80-\xff]|[\x40-\x7f].|[\x20-\x3f]..)\x81..\x00"
        content = re.sub(block, lambda one: one[0][:-1] + b"\x80", content, flags=re.DOTALL)
    path.write_bytes(content)
    with whole.open("rb") as one, path.open("rb") as other:
        starts = []
        for file in (one, other):
            with contextlib.closing(scan(file.fileno(), PIXELS)) as found:
                starts.append(found.starts)
    assert starts[0] == starts[1] and 8 <= len(starts[0]) <= 10
    for span in ((0, 1), (0.5, 0.9), (0.8, 0.95)):
        assert check(path, SPECS[1], *span)


@pytest.mark.parametrize("damage", ["kind", "length"])
@pytest.mark.parametrize("name", ["closed.mp4", "hevc.mp4"])
def test_a_reference_that_is_none_any_more_is_missed(made, name, damage, tmp_path):
    """Decoders may pass over it in silence, and all that is made of it would be wrong."""
    content = bytearray(made(name).read_bytes())
    with av.open(str(made(name))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        stream = container.streams.video[0]
        at = next(at for at in range(15, 24) if referred(packets[at], stream))
        packet = packets[at]
        assert not packet.is_keyframe and packet.pos
    if damage == "kind":  # one that nobody knows
        content[packet.pos + 4] = 24 if name == "closed.mp4" else 48 << 1
    else:  # longer than the packet, so that nobody knows what is in it
        content[packet.pos + 1] |= 0x40
    path = tmp_path / name
    path.write_bytes(content)
    with av.open(str(path)) as container:
        packets = list(container.demux(video=0))
        assert referred(packets[at], container.streams.video[0])
    late = ClipSpec(frames=1, sampling="uniform", rate=1, height=32, width=32)
    _, (run, _), (_, pictures), _ = both(path, late, 0.2, 0.26)
    assert run.errors or not pictures


@pytest.mark.slow
@pytest.mark.shared
def test_the_same_pixels_on_every_shared_video(shared):
    served = 0
    for path in sorted((shared / "data/videos").rglob("*")):
        for spec in SPECS if path.is_file() else ():
            for span in ((0, 1), (0.3, 0.4), (0.6, 0.9)):
                try:
                    served += check(path, spec, *span) is not None
                except VideoError:
                    continue
    assert served > 150

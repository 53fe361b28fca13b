"""The two backends give the same pixels, bit for bit, and the same verdicts."""

import itertools
import os

import numpy as np
import pytest

from manifests.spec import ClipSpec
from pipeline.video.errors import VideoError
from pipeline.video.ffmpeg_backend import command
from pipeline.video.graph import chain
from pipeline.video.probe import scan
from pipeline.video.task import Task

SPECS = [
    ClipSpec(),
    ClipSpec(frames=8, sampling="uniform", rate=1, height=128, width=171, fit="stretch"),
    ClipSpec(frames=8, sampling="fps", rate=5, height=112, width=112, fit="pad"),
]


def outcome(decoder, path, spec, **span):
    try:
        clip = decoder.decode(path, spec, **span)
    except VideoError as error:
        return error.reason, error.message
    return (
        clip.pixels.tobytes(),
        clip.indices.tolist(),
        # On a sound video it must have been the binary itself.
        clip.backend == decoder.backend or clip.errors > 0,
        (clip.frames_decoded, clip.packets, clip.errors, clip.stride, clip.mirrored),
    )


def different(pyav, binary, path, spec, **span):
    return outcome(pyav, path, spec, **span) != outcome(binary, path, spec, **span)


@pytest.mark.slow
@pytest.mark.shared
def test_identical_on_every_shared_video(shared, pyav, binary):
    videos = sorted(path for path in (shared / "data/videos").rglob("*") if path.is_file())
    assert len(videos) > 30
    wrong = [
        (path.name, spec.sampling)
        for path in videos
        for spec in SPECS
        if different(pyav, binary, path, spec)
    ]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.shared
def test_identical_on_every_ucf101_clip(shared, pyav, binary):
    videos = sorted((shared / "data/ucf101_3class").rglob("*.avi"))
    assert len(videos) > 150
    wrong = [
        path.name
        for number, path in enumerate(videos)
        if different(pyav, binary, path, SPECS[number % len(SPECS)])
    ]
    assert wrong == []


KINDS = {
    "x264.mp4": ("-c:v", "libx264", "-bf", 3),
    "x264.ts": ("-c:v", "libx264", "-bf", 2),
    "full.mp4": ("-c:v", "libx264", "-pix_fmt", "yuvj420p", "-color_range", "pc"),
    "bt709.mp4": ("-c:v", "libx264", "-colorspace", "bt709", "-pix_fmt", "yuv420p"),
    "444.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p"),
    "422-10.mkv": ("-c:v", "libx264", "-pix_fmt", "yuv422p10le"),
    "x265-10.mp4": ("-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10"),
    "xvid.avi": ("-c:v", "mpeg4", "-bf", 2, "-q:v", 4),
    "x264.avi": ("-c:v", "libx264", "-bf", 3),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime"),
    "mjpeg.avi": (
        "-c:v",
        "mjpeg",
    ),
    "gif.gif": (),
    "mpeg2.mpg": ("-c:v", "mpeg2video", "-bf", 2),
    "flv.flv": ("-c:v", "flv1"),
    "wmv.wmv": ("-c:v", "wmv2"),
    "theora.ogv": ("-c:v", "libtheora"),
    "gray.mkv": ("-c:v", "ffv1", "-pix_fmt", "gray"),
    "rgb.mkv": ("-c:v", "ffv1", "-pix_fmt", "bgr0"),
    "interlaced.mp4": ("-c:v", "libx264", "-flags", "+ildct+ilme"),
    "dar.mp4": ("-c:v", "libx264", "-aspect", "2:1"),
}


@pytest.mark.parametrize("name", KINDS)
def test_identical_on_kinds_of_video(made, pyav, binary, name):
    video = made(name, "190x144", 2, *KINDS[name])
    for spec in SPECS:
        assert not isinstance(outcome(pyav, video, spec)[0], str)
        assert not different(pyav, binary, video, spec), spec
    assert not different(pyav, binary, video, SPECS[1], start_s=0.5, end_s=1.1)


@pytest.mark.parametrize("size", ["62x48", "100x120", "126x130"])
def test_identical_when_enlarged(made, pyav, binary, size):
    video = made("small.mp4", size, 1, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    for spec in SPECS:
        assert not different(pyav, binary, video, spec), spec


def test_size_changes_in_mid_stream(made, ffmpeg, tmp_path, pyav, binary):
    parts = [
        made(f"{size}.ts", size, 1, "-c:v", "libx264", "-bf", 0)
        for size in ("192x144", "320x176", "192x144")
    ]
    video = tmp_path / "changes.ts"
    video.write_bytes(b"".join(part.read_bytes() for part in parts))
    for spec in SPECS:
        assert not different(pyav, binary, video, spec)
    sharp = ClipSpec(frames=30, sampling="uniform", rate=1, fit="pad")
    bars = [(p.max(axis=(1, 2)) < 8).sum() for p in pyav.decode(video, sharp).pixels]
    assert min(bars) in range(28, 36) and max(bars) in range(54, 62)


def test_command_is_a_list_with_the_limits(made):
    video = made("a.mp4", "64x64", 0.4, "-c:v", "libx264")
    fd = os.open(video, os.O_RDONLY)
    try:
        found = scan(fd, 1 << 20)
    finally:
        os.close(fd)
    spec = ClipSpec()
    steps = chain(found.orientation, spec)
    task = Task(found, frozenset({2}), 5, steps, spec.shape[1:], 1 << 20)
    args = command(9, task, [2])
    pairs = set(itertools.pairwise(args))
    for pair in (
        ("-fd", "9"),
        ("-i", "fd:"),
        ("-protocol_whitelist", "fd"),
        ("-threads", "1"),
        ("-f", "mov"),
        ("-max_pixels", str(1 << 20)),
        ("-bsf:0", "noise=drop=gt(n\\,5)"),
    ):
        assert pair in pairs
    assert not any(str(video) in arg for arg in args)
    assert np.count_nonzero([arg == "-noautorotate" for arg in args]) == 1

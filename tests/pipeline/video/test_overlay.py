"""A picture over a whole video: upright, every frame, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from manifests import disk
from manifests.reasons import Reason
from pipeline.video.decoder import Limits
from pipeline.video.errors import VideoError
from pipeline.video.overlay import overlay, shown_size

LIMITS = """
from resource import RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_FSIZE, getrlimit
print(*(getrlimit(kind)[0] for kind in (RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_CPU)))
"""
RED = bytes([255, 0, 0, 255])


def draw(video: Path, out: Path, size: tuple[int, int], rows: int = 20) -> list[np.ndarray]:
    overlay(video, size, RED * (size[0] * rows), rows, out, Limits())
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def red(pixels: np.ndarray) -> bool:
    return bool((np.abs(pixels.astype(int) - (255, 0, 0)) < 40).all())


ENCODED = {
    "a.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", 3),
    "a.avi": ("-c:v", "mpeg4", "-q:v", 3),
    "a.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "1M"),
    "a.mpg": ("-c:v", "mpeg2video"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_every_frame_has_the_picture_on_top(made, tmp_path, pyav, name):
    video = made(name, "80x60", 1, *ENCODED[name])
    (tmp_path / "out").mkdir()
    drawn = draw(video, tmp_path / "out" / "b.mp4", shown_size(pyav.probe(video)))
    assert len(drawn) == pyav.probe(video).packets
    assert all(frame.shape == (360, 480, 3) for frame in drawn)
    assert all(red(frame[:16]) for frame in drawn)
    assert not any(red(frame[24:]) for frame in drawn)
    assert os.listdir(tmp_path / "out") == ["b.mp4"]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_video_is_drawn_upright(made, ffmpeg, tmp_path, pyav, degrees):
    plain = made("plain.mp4", "160x120", 0.4, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", degrees, "-i", plain, "-c", "copy", turned)
    size = shown_size(pyav.probe(turned))
    assert size == ((480, 360) if degrees % 180 == 0 else (480, 640))
    frame = draw(turned, tmp_path / "out.mp4", size)[0]
    assert frame.shape == (size[1], size[0], 3)
    assert red(frame[:16])
    with av.open(str(plain)) as container:
        upright = next(container.decode(video=0)).to_ndarray(format="rgb24")
    # `-display_rotation` turns counterclockwise, as np.rot90 does.
    upright = np.rot90(upright, degrees // 90)
    scale = size[0] / upright.shape[1]
    rows = (np.arange(40, size[1]) / scale).astype(int)
    columns = (np.arange(size[0]) / scale).astype(int)
    expected = upright[rows][:, columns].astype(int)
    assert np.abs(frame[40:].astype(int) - expected).mean() < 20


def test_sizes_are_even_and_bounded(made, pyav):
    assert shown_size(pyav.probe(made("odd.avi", "601x33", 0.1, "-c:v", "ffv1"))) == (600, 32)
    assert shown_size(pyav.probe(made("thin.avi", "16x2000", 0.1, "-c:v", "mpeg4"))) == (32, 4096)
    assert shown_size(pyav.probe(made("tall.avi", "8x5000", 0.1, "-c:v", "ffv1"))) == (8, 5000)


def test_a_failure_leaves_nothing(made, tmp_path):
    broken, out = tmp_path / "broken.mp4", tmp_path / "out"
    out.mkdir()
    broken.write_bytes(b"no video at all" * 100)
    for video, reason in ((broken, Reason.UNREADABLE), (tmp_path / "gone", Reason.MISSING)):
        with pytest.raises(VideoError) as error:
            draw(video, out / "b.mp4", (480, 360))
        assert error.value.reason is reason
    video = made("a.mp4", "80x60", 1)
    with pytest.raises(VideoError) as error:
        overlay(video, (480, 360), RED * 480, 1, out / "b.mp4", Limits(seconds=1e-4))
    assert error.value.reason is Reason.TIMEOUT
    with pytest.raises(VideoError) as error:
        overlay(video, (480, 360), RED * 480, 1, out / "b.mp4", Limits(memory_bytes=16 << 20))
    assert error.value.reason is not Reason.TIMEOUT
    assert os.listdir(out) == []


def test_a_file_that_grows_too_large_is_stopped(made, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.video.overlay.MOST_BYTES", 1000)
    with pytest.raises(VideoError):
        draw(made("a.mp4", "80x60", 1), tmp_path / "b.mp4", (480, 360))
    assert not (tmp_path / "b.mp4").exists()


def test_ffmpeg_is_confined_and_its_file_synced_before_it_is_named(made, tmp_path, monkeypatch):
    said, real = tmp_path / "limits", subprocess.run
    video = made("a.mp4", "80x60", 0.2)

    def run(arguments, **options):
        told = real(
            [sys.executable, "-c", LIMITS], preexec_fn=options["preexec_fn"], capture_output=True
        )
        said.write_bytes(told.stdout)
        return real(arguments, **options)

    steps = []
    for name in ("sync", "rename", "sync_folder"):
        step = getattr(disk, name)
        monkeypatch.setattr(
            disk, name, lambda *args, n=name, step=step: (steps.append(n), step(*args))
        )
    monkeypatch.setattr(subprocess, "run", run)
    draw(video, tmp_path / "b.mp4", (480, 360))
    memory, file, core, cpu = map(int, said.read_text().split())
    assert (memory, file, core) == (8 << 30, 4 << 30, 0)
    assert 600 < cpu < 10000
    assert steps == ["sync", "rename", "sync_folder"]


@pytest.mark.parametrize("error", [VideoError(Reason.TIMEOUT, "slow"), KeyboardInterrupt()])
def test_half_a_file_is_removed(made, tmp_path, monkeypatch, error):
    video, out = made("a.mp4", "80x60", 0.2), tmp_path / "out"
    out.mkdir()

    def half(arguments: list[str], *_) -> None:
        (temporary,) = [Path(word) for word in arguments if word.endswith(".part.mp4")]
        temporary.write_bytes(b"half")
        assert os.listdir(out) == [temporary.name]
        raise error

    monkeypatch.setattr("pipeline.video.overlay._run", half)
    with pytest.raises(type(error)):
        draw(video, out / "b.mp4", (480, 360))
    assert os.listdir(out) == []


def test_what_is_not_on_the_list_of_formats_is_not_read(tmp_path):
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    with pytest.raises(VideoError):
        draw(playlist, tmp_path / "b.mp4", (480, 360))
    assert not (tmp_path / "b.mp4").exists()
